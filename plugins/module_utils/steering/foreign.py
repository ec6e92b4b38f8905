# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other tools' iptables rules that could get in the way of packets to VIPs. Pure.

A mark must reach IPVS whole: one bit changed on the way, and IPVS does not know the packet. What a rule does to a
packet is told from its text; where that does not say, it counts as possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, Prefix, parse_prefix
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.iptables import CHAINS, MARK, UNTRACK
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.route import ForeignMark
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import Settings

_ALL_BITS: Final = 0xFFFFFFFF
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_COUNTERS: Final = re.compile(r"^\[\d+:\d+\] ")
_PROTOCOLS: Final = frozenset({"tcp", "udp", "icmp", "ipv6-icmp", "icmpv6", "all", "0", "1", "6", "17", "58"})
_FINAL: Final = frozenset({"ACCEPT", "DROP", "REJECT", "QUEUE", "NFQUEUE", "TPROXY"})
_MARKING: Final = {"MARK": ("--set-xmark", "--set-mark"), "CONNMARK": ("--set-xmark", "--set-mark")}
_SHOWN: Final = 2


@dataclass(frozen=True)
class _Rule:
    """table and chain it stands in; words of the rule, quoted ones blanked; text as it was saved."""

    table: str
    chain: str
    words: Sequence[str]
    text: str

    @property
    def target(self) -> str | None:
        return self.value("-j") or self.value("-g")

    def value(self, option: str) -> str | None:
        """What follows an option that is not negated."""
        for at, word in enumerate(self.words[:-1]):
            if word == option and (at == 0 or self.words[at - 1] != "!"):
                return self.words[at + 1]
        return None

    def __str__(self) -> str:
        return f"{self.table} {self.chain} '{self.text}'"


class ForeignRules:
    """saved: iptables-save of raw and mangle."""

    def __init__(self, family: Family, saved: str, vips: Iterable[Address], marks: MarkRange) -> None:
        self._family = family
        self._vips = tuple(vips)
        self._marks = marks
        self._tables = _parse(saved)

    def setting_our_marks(self) -> list[str]:
        """Rules that write a mark of our range, shortened; their packets would be taken for ours."""
        rules = (rule for chains in self._tables.values() for held in chains.values() for rule in held)
        return [str(rule) for rule in rules if self._marks.owns(_written_mark(rule))]

    def warnings(self) -> list[str]:
        """A sentence for each kind of trouble."""
        tool = "iptables" if self._family.version == 4 else "ip6tables"
        found = []
        for table, chain in (("raw", UNTRACK), ("mangle", MARK)):
            early, _late = self._around(table, chain)
            ending = [rule for rule in early if self._ends(rule, set())]
            if ending:
                found.append(
                    f"{tool}: packets to VIPs may never come to {chain}, as what stands before the jump to it may end"
                    f" their way: {_listed(ending)}. Have that tool insert after it, or exempt the VIPs."
                )
        changing = list(self._changing())
        if changing:
            found.append(
                f"{tool}: IPVS may not know the marks of packets to VIPs, as others may change them after us:"
                f" {_listed(changing)}. Exempt the VIPs from these rules."
            )
        return found

    def _around(self, table: str, ours: str) -> tuple[list[_Rule], list[_Rule]]:
        """Rules of others in PREROUTING (before, after) our jump; none before it if it is still to be inserted."""
        rules = self._tables[table].get("PREROUTING", [])
        at = next((number for number, rule in enumerate(rules) if rule.target == ours), 0)
        return rules[:at], rules[at:]

    def _changing(self) -> Iterator[_Rule]:
        """Rules that a packet may meet between our mark and IPVS, and that may change it."""
        _early, late = self._around("mangle", MARK)
        stack = [*late, *self._tables["mangle"].get("INPUT", [])][::-1]
        seen = set(CHAINS["mangle"])
        while stack:
            rule = stack.pop()
            target = rule.target
            if target is None or target in seen or not self._meets(rule, early=False):
                continue
            if target in self._tables["mangle"]:
                seen.add(target)
                stack += self._tables["mangle"][target][::-1]
            elif _changes_mark(rule):
                yield rule

    def _ends(self, rule: _Rule, seen: set[str]) -> bool:
        """Whether a packet that has not come to us yet may go no further at this rule."""
        target = rule.target
        if target is None or target in CHAINS[rule.table] or not self._meets(rule, early=True):
            return False
        if target in _FINAL or (target == "RETURN" and rule.chain == "PREROUTING"):
            return True
        if target in seen:
            return False
        seen.add(target)
        return any(self._ends(one, seen) for one in self._tables[rule.table].get(target, []))

    def _meets(self, rule: _Rule, *, early: bool) -> bool:
        """Whether a packet to a VIP may match; early: before it has its mark. In mangle it is not tracked."""
        if (rule.value("-p") or "all") not in _PROTOCOLS:
            return False
        state = rule.value("--ctstate") or rule.value("--state")
        if rule.table == "mangle" and state is not None and "UNTRACKED" not in state:
            return False
        wanted = _value_and_mask(rule.value("--mark"))
        if wanted is not None and not self._may_have(*wanted, early):
            return False
        network = _network(rule.value("-d"), self._family)
        return network is None or any(network.holds(vip) for vip in self._vips)

    def _may_have(self, mark: int, mask: int, early: bool) -> bool:
        if early:
            return mark & mask == 0
        return (mark ^ self._marks.base) & mask & self._marks.mask == 0


def overlapping(settings: Settings, rules: Iterable[ForeignMark]) -> Iterator[ForeignMark]:
    """ip rules of others that would take packets with our marks, or whose packets our rules would take.

    A rule after ours never sees our marks; it matters only if what it waits for is a mark of ours.
    """
    marks, last = settings.marks, settings.rule_priority + 1
    for rule in rules:
        met = (rule.mark ^ marks.base) & rule.mask & marks.mask == 0
        if met and (rule.priority <= last or marks.owns(rule.mark)):
            yield rule


def _parse(saved: str) -> Mapping[str, dict[str, list[_Rule]]]:
    """Rules by chain by table, without those of our chains."""
    tables: dict[str, dict[str, list[_Rule]]] = {"raw": {}, "mangle": {}}
    table = ""
    for line in saved.splitlines():
        line = _COUNTERS.sub("", line)
        if line.startswith("*"):
            table = line[1:].strip()
        elif table not in tables:
            continue
        elif line.startswith(":"):
            tables[table].setdefault(line[1:].split(" ", 1)[0], [])
        elif line.startswith("-A "):
            _append, chain, text = [*line.split(" ", 2), ""][:3]
            if chain not in CHAINS[table]:
                words = _QUOTED.sub('""', text).split()
                tables[table].setdefault(chain, []).append(_Rule(table, chain, words, text))
    return tables


def _written_mark(rule: _Rule) -> int:
    """The mark it leaves on a packet that had none, 0 if it leaves none or is no such rule."""
    for option in _MARKING.get(rule.target or "", ()):
        given = _value_and_mask(rule.value(option))
        if given is not None:
            return given[0]
    return 0


def _changes_mark(rule: _Rule) -> bool:
    """CONNMARK does not: packets to VIPs have no connection to take a mark from."""
    if rule.target == "MARK":
        return _value_and_mask(rule.value("--set-xmark")) != (0, 0)
    if rule.target == "TPROXY":
        return _value_and_mask(rule.value("--tproxy-mark") or "0/0") != (0, 0)
    return rule.target == "HMARK" or (rule.target == "SET" and "--map-mark" in rule.words)


def _value_and_mask(text: str | None) -> tuple[int, int] | None:
    """Of "value/mask" or "value"; None if it is neither."""
    value, slash, mask = (text or "").partition("/")
    try:
        return int(value, 0) & _ALL_BITS, (int(mask, 0) if slash else _ALL_BITS) & _ALL_BITS
    except ValueError:
        return None


def _network(text: str | None, family: Family) -> Prefix | None:
    if text is None:
        return None
    try:
        return parse_prefix("rule", text if "/" in text else f"{text}/{family.bits}")
    except DsrError:
        return None


def _listed(rules: Sequence[_Rule]) -> str:
    more = f" and {len(rules) - _SHOWN} more" if len(rules) > _SHOWN else ""
    return ", ".join(str(rule) for rule in rules[:_SHOWN]) + more
