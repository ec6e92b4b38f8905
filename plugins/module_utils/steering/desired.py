# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted to the exact rules, sets and routes of a family. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, IPV4, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.route import LOCAL, UNREACHABLE, Route, Rule
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import (
    FORM_IPSET,
    Entry,
    Settings,
    Wanted,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State

_OURS = f'-m comment --comment "{iptables.COMMENT}"'
_ALL_BITS = 0xFFFFFFFF


def desired_state(settings: Settings, wanted: Wanted) -> State:
    """State of both families; one without VIPs holds nothing."""
    return {family: _family_state(family, settings, wanted) for family in FAMILIES}


def _family_state(family: Family, settings: Settings, wanted: Wanted) -> FamilyState:
    vips = [vip for vip in wanted.vips if vip.version == family.version]
    entries = [entry for entry in wanted.entries if entry.vip.version == family.version]
    if not vips:
        return FamilyState()
    return FamilyState(
        routes=frozenset({Route(LOCAL, settings.table), Route(UNREACHABLE, settings.refuse_table)}),
        rules=_rules(settings),
        sets=_sets(family, settings, vips, entries),
        tables={
            "raw": _table("raw", _raw_rules(family)),
            "mangle": _table("mangle", _mark_rules(family, settings, entries)),
        },
    )


def _rules(settings: Settings) -> frozenset[Rule]:
    """Refusal first: the marks of the other rule include its mark."""
    refuse = Rule(settings.rule_priority, settings.refuse_mark, _ALL_BITS, settings.refuse_table)
    deliver = Rule(settings.rule_priority + 1, settings.marks.base, settings.marks.mask, settings.table)
    return frozenset({refuse, deliver})


def _sets(family: Family, settings: Settings, vips: list[Address], entries: list[Entry]) -> dict[str, ipset.IpSet]:
    marks: dict[Address, set[int]] = {vip: set() for vip in vips}
    for entry in entries:
        marks[entry.vip].add(entry.mark)
    sets = {}
    if settings.form == FORM_IPSET:
        mapped = {f"{entry.vip.text},{entry.protocol}:{entry.port}": entry.mark for entry in entries}
        sets[family.map_set] = ipset.marked(family.map_set, "hash:ip,port", family, mapped)
    portless = {vip.text: _portless_mark(settings, held) for vip, held in marks.items()}
    sets[family.vip_set] = ipset.marked(family.vip_set, "hash:ip", family, portless)
    return sets


def _portless_mark(settings: Settings, marks: set[int]) -> int:
    """Mark for packets to a VIP that show no port, by the marks of its services."""
    if not marks:
        return settings.refuse_mark
    return marks.copy().pop() if len(marks) == 1 else settings.shared_mark


def _raw_rules(family: Family) -> tuple[str, ...]:
    return tuple(f"-m set --match-set {family.vip_set} {end} {_OURS} -j CT --notrack" for end in ("dst", "src"))


def _mark_rules(family: Family, settings: Settings, entries: list[Entry]) -> tuple[str, ...]:
    return (
        f"-m set ! --match-set {family.vip_set} dst {_OURS} -j RETURN",
        f"{_OURS} -j {_set_mark(settings.refuse_mark)}",
        *_port_rules(family, settings, entries),
        *(f"{match} {_OURS} -j SET --map-set {family.vip_set} dst --map-mark" for match in _portless(family)),
    )


def _port_rules(family: Family, settings: Settings, entries: list[Entry]) -> Iterable[str]:
    if settings.form == FORM_IPSET:
        return [f"{_OURS} -j SET --map-set {family.map_set} dst,dst --map-mark"]
    return [
        f"-d {entry.vip.text}/{family.bits} -p {entry.protocol} -m {entry.protocol} --dport {entry.port} {_OURS}"
        f" -j {_set_mark(entry.mark)}"
        for entry in entries
    ]


def _portless(family: Family) -> Iterable[str]:
    """Matches of packets that belong to a connection without showing its port.

    IPv4 fragments after the first: the first one's mark is that of the whole once it is put together, which happens on
    local delivery; these need only get there too. IPv6 fragments are put together before raw PREROUTING wherever IPVS
    serves IPv6.
    """
    for number in family.error_types:
        yield f"{family.icmp_match} {number}"
    if family is IPV4:
        yield "-f"


def _set_mark(mark: int) -> str:
    """IPVS compares the whole mark, so the whole mark is set."""
    return f"MARK --set-xmark {mark:#x}/{_ALL_BITS:#x}"


def _table(table: str, rules: tuple[str, ...]) -> iptables.Table:
    jump = f"{_OURS} -j {iptables.CHAINS[table]}"
    return iptables.Table(rules, (("OUTPUT", jump), ("PREROUTING", jump)))
