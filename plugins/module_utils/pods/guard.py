# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of a pod: a chain in the raw table of its namespace that refuses tunnelled packets from strangers.

Every reason to refuse is a rule of its own, so that its counter tells how often.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    GUE,
    GUE_PORT,
    NO_GUARD,
    TAG,
    TUNNELS,
    Family,
    Guard,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.step import Step, batch, ipset_batch

CHAIN: Final = "DSR-GUARD"
_COMMENT: Final = f'-m comment --comment "{TAG}"'
_JUMP: Final = ("PREROUTING", f"{_COMMENT} -j {CHAIN}")
_PROTOCOL_NAMES: Final = {"ipencap": "4", "ipv4": "4", "ip-encap": "4", "ipv6": "41", "gre": "47"}
"""By /etc/protocols of various distributions; without that file iptables prints the numbers."""
_PROTOCOL: Final = re.compile(r"(?<=-p )\S+")
_COUNTERS: Final = re.compile(r"^\[(\d+):(\d+)\] ")
_INCOMPATIBLE: Final = re.compile(r"^# Table `raw' is incompatible")
_SOURCE_RULE: Final = re.compile(r" -p (\S+) .*! --match-set dsr-node[46] src ")
_INNER_RULE: Final = re.compile(r"^-i (\S+) .*! --match-set dsr-vip[46] dst ")

Sets = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Refused:
    """Packets and bytes one rule has refused. reason: "source" is no node, or "destination" is no VIP. at: the tunnel
    they came by, or the device they came out of."""

    reason: str
    at: str
    packets: int
    bytes: int


def node_set(family: Family) -> str:
    """Addresses tunnelled packets may come from."""
    return f"dsr-node{family.version}"


def vip_set(family: Family) -> str:
    """Addresses packets may be for when they come out of a tunnel."""
    return f"dsr-vip{family.version}"


def complete(
    family: Family, address: str, tunnels: Iterable[str], sources: frozenset[str], vips: frozenset[str]
) -> Guard:
    """The guard of the pod `address` that receives by `tunnels`."""
    taken = set(tunnels)
    rules = [
        f"-d {address}/{family.prefix} -p {_protocol(family, tunnel)} -m set ! --match-set {node_set(family)} src"
        f" {_COMMENT} -j DROP"
        for tunnel in TUNNELS
        if tunnel in taken
    ]
    rules += [
        f"-i {receiver.name} -m set ! --match-set {vip_set(family)} dst {_COMMENT} -j DROP"
        for receiver in family.receivers
        if receiver.tunnel in taken
    ]
    return Guard(tuple(rules), (_JUMP,), sources, vips)


def _protocol(family: Family, tunnel: str) -> str:
    return f"udp -m udp --dport {GUE_PORT}" if tunnel == GUE else str(family.protocols[tunnel])


def parse(family: Family, tables: str, sets: Sets) -> Guard:
    """What there is of the guard, from `iptables-save -t raw` and parsed sets; foreign lines are skipped.

    DsrError if the table holds what iptables cannot show.
    """
    rules: list[str] | None = None
    jumps: list[tuple[str, str]] = []
    for line in tables.splitlines():
        if _INCOMPATIBLE.match(line):
            raise DsrError(
                "iptables table raw",
                "holds rules made by nft that iptables cannot show",
                "Move these rules to a table of another name",
            )
        if CHAIN not in line:
            continue
        chain, rule = _rule(line)
        if chain == CHAIN:
            rules = [*(rules or []), *([] if rule is None else [rule])]
        elif rule is not None and f" {rule}".endswith((f" -j {CHAIN}", f" -g {CHAIN}")):
            jumps.append((chain, rule))
    taken = None if rules is None else tuple(rules)
    return Guard(taken, tuple(sorted(jumps)), sets.get(node_set(family)), sets.get(vip_set(family)))


def parse_sets(families: Iterable[Family], text: str) -> dict[str, frozenset[str]]:
    """Members of our sets by name, from `ipset save`; DsrError if one of our names is a set of another kind."""
    kinds = {name: f"hash:ip family {one.inet}" for one in families for name in (node_set(one), vip_set(one))}
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[1] not in kinds:
            continue
        if words[0] == "create":
            if " ".join(words[2:5]) != kinds[words[1]]:
                raise DsrError(
                    f"ipset {words[1]}",
                    f"is a set of another kind ({' '.join(words[2:5])})",
                    f"Remove whatever made it, or run 'ipset destroy {words[1]}'",
                )
            found[words[1]] = set()
        elif words[0] == "add" and words[1] in found:
            found[words[1]].add(_canonical(words[2]))
    return {name: frozenset(members) for name, members in found.items()}


def parse_refused(family: Family, tables: str) -> list[Refused]:
    """Counters of our rules from `iptables-save -c -t raw`."""
    by_protocol = {_protocol(family, tunnel).split(" ", 1)[0]: tunnel for tunnel in TUNNELS}
    found = []
    for line in tables.splitlines():
        counters = _COUNTERS.match(line)
        chain, rule = _rule(line)
        if counters is None or chain != CHAIN or rule is None:
            continue
        packets, size = int(counters[1]), int(counters[2])
        if source := _SOURCE_RULE.search(rule):
            found.append(Refused("source", by_protocol.get(source[1], source[1]), packets, size))
        elif inner := _INNER_RULE.match(rule):
            found.append(Refused("destination", inner[1], packets, size))
    return found


def lines(family: Family, guard: Guard) -> list[str]:
    """The guard as commands, in the order that builds it."""
    iptables = f"{_tool(family)} -t raw"
    built = [f"ipset {line}" for line in _set_growth(family, NO_GUARD, guard)]
    if guard.rules is not None:
        built += [f"{iptables} -N {CHAIN}", *(f"{iptables} -A {CHAIN} {rule}" for rule in guard.rules)]
    return built + [f"{iptables} -I {chain} {rule}" for chain, rule in guard.jumps]


def growth(family: Family, current: Guard, target: Guard) -> list[Step]:
    """Steps after which all that target admits is admitted, and all that both refuse is refused at every moment."""
    table = _table(current, Guard(_united(current, target), target.jumps))
    return ipset_batch(_set_growth(family, current, target)) + batch(_restore(family), table)


def shrinkage(family: Family, current: Guard, target: Guard) -> list[Step]:
    """Steps that lead from what growth made to target."""
    grown = Guard(_united(current, target), target.jumps)
    surplus = [
        f"del {name} {member}"
        for name, have, want in _sets(family, current, target)
        for member in sorted((have or frozenset()) - (want or frozenset()))
    ]
    return batch(_restore(family), _table(grown, target)) + ipset_batch(surplus)


def removal(family: Family, current: Guard) -> list[Step]:
    """Steps that leave nothing of the guard but an empty table."""
    gone = [f"destroy {name}" for name, have, _want in _sets(family, current, NO_GUARD) if have is not None]
    return batch(_restore(family), _table(current, NO_GUARD)) + ipset_batch(gone)


def _united(current: Guard, target: Guard) -> tuple[str, ...]:
    """Rules that refuse what either refuses; those of current if they do already."""
    have, want = current.rules or (), target.rules or ()
    if current.rules is not None and set(want) <= set(have):
        return have
    return (*want, *(rule for rule in have if rule not in want))


def _sets(
    family: Family, current: Guard, target: Guard
) -> tuple[tuple[str, frozenset[str] | None, frozenset[str] | None], ...]:
    return (
        (node_set(family), current.sources, target.sources),
        (vip_set(family), current.vips, target.vips),
    )


def _set_growth(family: Family, current: Guard, target: Guard) -> list[str]:
    grown = []
    for name, have, want in _sets(family, current, target):
        if want is not None and have is None:
            grown.append(f"create {name} hash:ip family {family.inet}")
        grown += [f"add {name} {member}" for member in sorted((want or frozenset()) - (have or frozenset()))]
    return grown


def _table(current: Guard, target: Guard) -> list[str]:
    """Input of iptables-restore; a chain that differs is rewritten in one step, so that no packet sees half of it."""
    changed = []
    if target.rules is not None and target.rules != current.rules:
        changed += [f":{CHAIN} - [0:0]", *(f"-A {CHAIN} {rule}" for rule in target.rules)]
    changed += [f"-D {chain} {rule}" for chain, rule in _surplus(current, target)]
    changed += [f"-I {chain} 1 {rule}" for chain, rule in _surplus(target, current)]
    if target.rules is None and current.rules is not None:
        changed += [f"-F {CHAIN}", f"-X {CHAIN}"]
    return ["*raw", *changed, "COMMIT"] if changed else []


def _surplus(these: Guard, those: Guard) -> list[tuple[str, str]]:
    return sorted((Counter(these.jumps) - Counter(those.jumps)).elements())


def _tool(family: Family) -> str:
    return "iptables" if family.version == 4 else "ip6tables"


def save(family: Family) -> tuple[str, ...]:
    """The command that shows the table."""
    return (f"{_tool(family)}-save", "-t", "raw")


def commands(family: Family) -> tuple[str, ...]:
    """All commands that the family's guard needs."""
    return ("ipset", save(family)[0], _restore(family)[0])


def _restore(family: Family) -> tuple[str, ...]:
    return (f"{_tool(family)}-restore", "--noflush", "--wait=10")


def _rule(line: str) -> tuple[str, str | None]:
    """(chain, rule) of an "-A" line, (chain, None) of a chain's own line, ("", None) of anything else."""
    line = _COUNTERS.sub("", line)
    if line.startswith(":"):
        return line[1:].split(" ", 1)[0], None
    append, _space, rest = line.partition(" ")
    if append != "-A":
        return "", None
    chain, _space, rule = rest.partition(" ")
    return chain, _normal(rule.strip())


def _normal(rule: str) -> str:
    """The rule as complete() writes it, whichever way iptables prints it."""
    rule = _PROTOCOL.sub(lambda name: _PROTOCOL_NAMES.get(name[0], name[0]), rule)
    return f"{rule} ".replace(f" --comment {TAG} ", f' --comment "{TAG}" ').strip()


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
