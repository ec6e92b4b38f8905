# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted to the exact rules, sets and routes of a family. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import guard, ipset, iptables, marking
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, IPV4, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.marking import ALL_BITS, OURS, Served
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.route import (
    LOCAL,
    UNREACHABLE,
    Route,
    Rule,
    narrow,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import FORM_IPSET, Settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.u32 import PROTOCOLS
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import Entry, Wanted


def desired_state(settings: Settings, wanted: Wanted) -> State:
    """State of both families; one without VIPs and without pods to guard holds nothing."""
    return {family: _family_state(family, settings, wanted) for family in FAMILIES}


def _family_state(family: Family, settings: Settings, wanted: Wanted) -> FamilyState:
    served = _served(family, settings, wanted)
    sets: dict[str, ipset.IpSet] = {}
    chains: dict[str, dict[str, tuple[str, ...]]] = {table: {} for table in iptables.CHAINS}
    jumps: dict[str, list[tuple[str, str]]] = {table: [] for table in iptables.CHAINS}
    if served.portless:
        sets.update(_sets(served, settings))
        for table, its_chains in _steering_chains(served).items():
            chains[table].update(its_chains)
            jumps[table] += _jumps(next(iter(its_chains)))
    if wanted.guard is not None and guard.guards(wanted.guard, family):
        sets.update(guard.sets(wanted.guard, family))
        chains["raw"][iptables.GUARD] = guard.rules(wanted.guard, family)
        jumps["raw"] += guard.jumps(wanted.guard, family)
    return FamilyState(
        routes=_routes(served, settings) if served.portless else frozenset(),
        rules=_rules(served, settings) if served.portless else frozenset(),
        sets=sets,
        tables={table: iptables.Table(chains[table], tuple(sorted(jumps[table]))) for table in iptables.CHAINS},
    )


def _served(family: Family, settings: Settings, wanted: Wanted) -> Served:
    entries = tuple(entry for entry in wanted.entries if entry.vip.version == family.version)
    marks: dict[Address, set[int]] = {vip: set() for vip in wanted.vips if vip.version == family.version}
    for entry in entries:
        marks[entry.vip].add(entry.mark)
    portless = {vip: _portless_mark(settings, held) for vip, held in marks.items()}
    return Served(family, settings, entries, portless, wanted.mss.get(family.version), wanted.ping)


def _portless_mark(settings: Settings, marks: set[int]) -> int:
    """Mark for packets to a VIP that show no port, by the marks of its services."""
    if not marks:
        return settings.refuse_mark
    return next(iter(marks)) if len(marks) == 1 else settings.shared_mark


def _routes(served: Served, settings: Settings) -> frozenset[Route]:
    routes = {Route(LOCAL, settings.table), Route(UNREACHABLE, settings.refuse_table)}
    if served.largest_datagram:
        routes.add(Route(narrow(served.largest_datagram), settings.mtu_table))
    return frozenset(routes)


def _rules(served: Served, settings: Settings) -> frozenset[Rule]:
    """Refusals first: the marks of the rule that delivers include theirs."""
    rules = {
        Rule(settings.rule_priority, settings.refuse_mark, ALL_BITS, settings.refuse_table),
        Rule(settings.rule_priority + 1, settings.marks.base, settings.marks.mask, settings.table),
    }
    if served.largest_datagram:
        rules.add(Rule(settings.rule_priority, settings.too_big_mark, ALL_BITS, settings.mtu_table))
    return frozenset(rules)


def _sets(served: Served, settings: Settings) -> dict[str, ipset.IpSet]:
    family = served.family
    portless = {vip.text: mark for vip, mark in served.portless.items()}
    sets = [ipset.marked(family.vip_set, "hash:ip", family, portless)]
    if settings.form == FORM_IPSET:
        keys = {entry: f"{entry.vip.text},{entry.protocol}:{entry.port}" for entry in served.entries}
        limited = [entry for entry in served.entries if entry.sources]
        allowed = [f"{keys[entry]},{ipset.network_element(one.text)}" for entry in limited for one in entry.sources]
        sets += [
            ipset.marked(family.map_set, "hash:ip,port", family, {key: entry.mark for entry, key in keys.items()}),
            ipset.counted(family.limit_set, "hash:ip,port", family, (keys[entry] for entry in limited)),
            ipset.plain(family.allow_set, "hash:ip,port,net", family, allowed),
        ]
        if served.sharing:
            owners = {f"{entry.vip.text},{_code(settings, entry)}": entry.mark for entry in served.sharing}
            sets.append(ipset.marked(family.error_set, ipset.BY_MARK, family, owners))
    return {one.name: one for one in sets}


def _code(settings: Settings, entry: Entry) -> str:
    return ipset.mark_element(settings.error_code(PROTOCOLS[entry.protocol], entry.port))


def _steering_chains(served: Served) -> Mapping[str, dict[str, tuple[str, ...]]]:
    """Rules by chain by table; of a table's chains the first is the one that packets enter."""
    mangle = {iptables.MARK: marking.mark_rules(served)}
    if served.sharing:
        mangle[iptables.ERROR] = marking.error_rules(served)
    tables = {"raw": {iptables.UNTRACK: marking.untrack_rules(served)}, "mangle": mangle}
    if served.ping and served.family is IPV4:
        tables["nat"] = {iptables.PING: marking.ping_rules(served)}
    return tables


def _jumps(chain: str) -> list[tuple[str, str]]:
    return [(origin, f"{OURS} -j {chain}") for origin in ("OUTPUT", "PREROUTING")]
