# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our chains in iptables: `iptables-save` text to Table, and two Tables to a batch for `iptables-restore --noflush`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

UNTRACK: Final = "DSR-RAW"
GUARD: Final = "DSR-GUARD"
MARK: Final = "DSR-MARK"
ERROR: Final = "DSR-ERROR"
PING: Final = "DSR-PING"

CHAINS: Final[Mapping[str, tuple[str, ...]]] = {"raw": (UNTRACK, GUARD), "mangle": (MARK, ERROR), "nat": (PING,)}
"""Our chains by the table they stand in."""

COMMENT: Final = "baremetal.dsr"

_COUNTERS = re.compile(r"^\[\d+:\d+\] ")
_LEADS_INTO = re.compile(r"(?:^| )-[jg] (\S+)$")
_SYNONYMS: Final = {
    "-j NOTRACK": "-j CT --notrack",
    "-p icmpv6": "-p ipv6-icmp",
    # Names of /etc/protocols, which a machine may lack.
    "-p ipencap": "-p 4",
    "-p ipv4": "-p 4",
    "-p ipv6": "-p 41",
    "-p gre": "-p 47",
    f"--comment {COMMENT}": f'--comment "{COMMENT}"',
}
_INCOMPATIBLE = re.compile(r"# Table `(\w+)' is incompatible")
_SET_MARK = re.compile(r"--set-mark (0x[0-9a-f]+)(?=$| )")


@dataclass(frozen=True)
class Table:
    """Our part of a table.

    chains: rules by chain of ours that is there, in order, each without "-A CHAIN". The chains stand as in CHAINS.
    jumps: (chain, rule) of every rule elsewhere that leads into a chain of ours, sorted.
    """

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    jumps: tuple[tuple[str, str], ...] = ()


NO_TABLES: Final[Mapping[str, Table]] = {table: Table() for table in CHAINS}


def parse(text: str) -> dict[str, Table]:
    """Our part of every table in CHAINS from iptables-save output, all foreign lines skipped.

    DsrError if a table of ours holds what iptables cannot show.
    """
    rules: dict[str, dict[str, list[str]]] = {table: {} for table in CHAINS}
    jumps: dict[str, list[tuple[str, str]]] = {table: [] for table in CHAINS}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith("#"):
            _check_comment(line)
        elif table in CHAINS and any(chain in line for chain in CHAINS[table]):
            chain, rule = _rule(line)
            if chain in CHAINS[table]:
                rules[table].setdefault(chain, []).extend([] if rule is None else [rule])
            elif rule is not None and leads_into(rule) in CHAINS[table]:
                jumps[table].append((chain, rule))
    return {
        table: Table(
            {chain: tuple(rules[table][chain]) for chain in chains if chain in rules[table]},
            tuple(sorted(jumps[table])),
        )
        for table, chains in CHAINS.items()
    }


def leads_into(rule: str) -> str | None:
    """The chain, or target without options, that a rule ends with."""
    found = _LEADS_INTO.search(rule)
    return found[1] if found else None


def lets_ping_be_tracked(tables: Mapping[str, Table]) -> bool:
    """Whether table raw shows that VIPs answer ping: table nat may hold what is ours only as long as it does."""
    return any("--icmp-type 8 " in rule for rule in tables["raw"].chains.get(UNTRACK, ()))


def changes(current: Mapping[str, Table], wanted: Mapping[str, Table]) -> list[str]:
    """Lines that turn current into wanted, nothing if they are equal.

    A table changes in one step: no packet sees half of it. What unmarks or answers goes before what untracks.
    """
    kept = [table for table in CHAINS if wanted[table].chains]
    gone = [table for table in reversed(list(CHAINS)) if table not in kept]
    lines: list[str] = []
    for table in (*gone, *kept):
        if current[table] != wanted[table]:
            lines += [f"*{table}", *_table_changes(current[table], wanted[table]), "COMMIT"]
    return lines


def _table_changes(current: Table, wanted: Table) -> Iterable[str]:
    rewritten = [chain for chain, rules in wanted.chains.items() if current.chains.get(chain) != rules]
    gone = [chain for chain in current.chains if chain not in wanted.chains]
    yield from (f":{chain} - [0:0]" for chain in rewritten)
    for chain in rewritten:
        yield from (f"-A {chain} {rule}" for rule in wanted.chains[chain])
    for origin, rule in _surplus(current, wanted):
        yield f"-D {origin} {rule}"
    for origin, rule in _surplus(wanted, current):
        yield f"-I {origin} 1 {rule}"
    yield from (f"-F {chain}" for chain in gone)
    yield from (f"-X {chain}" for chain in gone)


def _surplus(these: Table, those: Table) -> list[tuple[str, str]]:
    return sorted((Counter(these.jumps) - Counter(those.jumps)).elements())


def _rule(line: str) -> tuple[str, str | None]:
    """(chain, rule) of an "-A" line, (chain, None) of a chain's own line, ("", None) of anything else."""
    line = _COUNTERS.sub("", line)
    if line.startswith(":"):
        return line[1:].split(" ", 1)[0], None
    append, _space, rest = line.partition(" ")
    if append != "-A":
        return "", None
    chain, _space, rule = rest.partition(" ")
    return chain, _normal(rule)


def _normal(rule: str) -> str:
    """The rule as iptables 1.8 saves it, whichever way it was written."""
    text = f" {rule.strip()} "
    for other, usual in _SYNONYMS.items():
        text = text.replace(f" {other} ", f" {usual} ")
    return _SET_MARK.sub(r"--set-xmark \1/0xffffffff", text).strip()


def _check_comment(line: str) -> None:
    table = _INCOMPATIBLE.match(line)
    if table and table[1] in CHAINS:
        raise DsrError(
            f"iptables table {table[1]}",
            "holds rules made by nft that iptables cannot show",
            "Move these rules to a table of another name",
        )
