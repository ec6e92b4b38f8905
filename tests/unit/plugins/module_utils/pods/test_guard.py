# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    NO_GUARD,
    TUNNELS,
    Family,
    Guard,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.step import Step
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import recorded
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_netfilter import Netfilter
from hypothesis import given
from hypothesis import strategies as st

FAMILY4, FAMILY6 = FAMILIES


def recorded_guard(family: Family) -> Guard:
    sets = guard.parse_sets(FAMILIES, recorded("guarded", "ipset"))
    return guard.parse(family, recorded("guarded", "iptables" if family is FAMILY4 else "ip6tables"), sets)


def test_recorded_guards_are_the_ones_asked_for() -> None:
    assert recorded_guard(FAMILY4) == guard.complete(
        FAMILY4, "10.9.0.2", TUNNELS, frozenset({"10.9.0.1", "10.9.8.1"}), frozenset({"203.0.113.1"})
    )
    assert recorded_guard(FAMILY6) == guard.complete(
        FAMILY6, "2001:db8:9::2", TUNNELS, frozenset({"2001:db8:9::1", "2001:db8:98::1"}), frozenset({"2001:db8:f::1"})
    )


def test_recorded_counters_are_told_by_reason() -> None:
    told = [(one.reason, one.at, one.packets) for one in guard.parse_refused(FAMILY6, recorded("guarded", "counters6"))]
    assert told == [
        ("source", "ipip", 2),
        ("source", "gue", 1),
        ("source", "gre", 1),
        ("destination", "dsr6", 3),
        ("destination", "dsr6gre", 1),
    ]
    assert guard.parse_refused(FAMILY4, recorded("guarded", "iptables")) == [], "no counters were asked for"


def test_nothing_of_ours_is_nothing() -> None:
    foreign = '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m comment --comment "not DSR-GUARD" -j ACCEPT\nCOMMIT\n'
    assert guard.parse(FAMILY4, foreign, {}) == NO_GUARD


def test_a_table_that_iptables_cannot_show_is_told() -> None:
    with pytest.raises(DsrError, match="iptables table raw: holds rules made by nft that iptables cannot show"):
        guard.parse(FAMILY4, "# Table `raw' is incompatible, use 'nft' tool.\n", {})


ADDRESSES = st.frozensets(st.sampled_from([f"192.0.2.{n}" for n in range(1, 6)]))
COMPLETE = st.builds(
    lambda tunnels, sources, vips: guard.complete(FAMILY4, "10.9.0.2", tunnels, sources, vips),
    st.sets(st.sampled_from(TUNNELS)),
    ADDRESSES,
    ADDRESSES,
)
JUMPS = st.lists(
    st.sampled_from([("PREROUTING", "-j DSR-GUARD"), *guard.complete(FAMILY4, "", (), frozenset(), frozenset()).jumps])
)
PARTIAL = st.builds(
    lambda whole, rules, jumps, sources, vips: (
        Guard(
            whole.rules[:rules],
            tuple(sorted(jumps)),
            whole.sources if sources else None,
            whole.vips if vips else None,
        )
        if sources and vips
        else Guard(None, (), whole.sources if sources else None, whole.vips if vips else None)
    ),
    COMPLETE,
    st.integers(0, 3),
    JUMPS,
    st.booleans(),
    st.booleans(),
)


def machine_with(held: Guard) -> Netfilter:
    netfilter = Netfilter()
    for name, members in (("dsr-node4", held.sources), ("dsr-vip4", held.vips)):
        if members is not None:
            netfilter.sets[name] = ("hash:ip family inet", set(members))
    if held.rules is not None:
        netfilter.chains[4] = {"PREROUTING": [], "OUTPUT": [], "DSR-GUARD": list(held.rules)}
        for chain, rule in held.jumps:
            netfilter.chains[4][chain].append(rule)
    return netfilter


def apply(netfilter: Netfilter, steps: list[Step]) -> None:
    for step in steps:
        if step.argv[0] == "ipset":
            for line in str(step.stdin).splitlines():
                netfilter.restore_set(line)
        else:
            netfilter.restore_table(4, str(step.stdin))


def read(netfilter: Netfilter) -> Guard:
    return guard.parse(FAMILY4, netfilter.save_table(4, False), guard.parse_sets(FAMILIES, netfilter.save_sets()))


@given(PARTIAL, COMPLETE)
def test_growth_and_shrinkage_lead_from_any_state_to_the_wanted_one(held: Guard, target: Guard) -> None:
    netfilter = machine_with(held)
    assert read(netfilter) == held
    apply(netfilter, guard.growth(FAMILY4, held, target))
    grown = read(netfilter)
    assert grown.sources is not None
    assert grown.sources >= (target.sources or frozenset()) | (held.sources or frozenset())
    assert set(grown.rules or ()) == {*(target.rules or ()), *(held.rules or ())}
    apply(netfilter, guard.shrinkage(FAMILY4, held, target))
    assert read(netfilter) == target
    assert guard.growth(FAMILY4, target, target) == guard.shrinkage(FAMILY4, target, target) == []


@given(PARTIAL)
def test_removal_leaves_nothing(held: Guard) -> None:
    netfilter = machine_with(held)
    apply(netfilter, guard.removal(FAMILY4, held))
    assert read(netfilter) == NO_GUARD


@given(COMPLETE)
def test_lines_tell_all(held: Guard) -> None:
    said = guard.lines(FAMILY4, held)
    assert len(said) == 2 + len(held.sources or ()) + len(held.vips or ()) + 1 + len(held.rules or ()) + 1
