# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered is what the tools print back, byte for byte, and what is parsed is what was rendered."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables, route
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.desired import desired_state
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, IPV4, IPV6
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import parse_settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State, render
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import parse_wanted
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import recorded
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import (
    RECORDED_WISH,
    entry,
    options,
    wishes,
)
from hypothesis import given


def state(wish: dict[str, Any]) -> State:
    settings = parse_settings(wish)
    return desired_state(settings, parse_wanted(wish, settings))


FORMS = pytest.mark.parametrize("form", ["ipset", "iptables"])


@FORMS
@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("version", ["1.8.7", "1.8.9", "1.8.11"])
def test_recorded_iptables(version: str, variant: str, form: str) -> None:
    wanted = state({**RECORDED_WISH, "form": form})
    for family, tool in ((IPV4, "iptables"), (IPV6, "ip6tables")):
        saved = recorded(f"{tool}-{version}-{variant}-{form}.save")
        assert "KUBE-X" in saved
        assert iptables.parse(saved) == wanted[family].tables


@FORMS
@pytest.mark.parametrize("version", ["7.10", "7.17", "7.22"])
def test_recorded_ipset(version: str, form: str) -> None:
    wanted = state({**RECORDED_WISH, "form": form})
    saved = recorded(f"ipset-{version}-{form}.save")
    assert "other" in saved
    assert ipset.parse(saved) == {**wanted[IPV4].sets, **wanted[IPV6].sets}


def test_recorded_routing() -> None:
    wanted = state(RECORDED_WISH)
    for family in FAMILIES:
        assert route.parse_rules(recorded(f"ip{family.version}-rule.json")) == wanted[family].rules
        tables = [route.parse_routes(recorded(f"ip{family.version}-route-{table}.json"), table) for table in (78, 79)]
        assert [others for _ours, others in tables] == [[], []]
        assert frozenset().union(*(ours for ours, _others in tables)) == wanted[family].routes


def test_recorded_routes_of_others() -> None:
    assert route.parse_routes(recorded("ip4-route-99.json"), 99) == (frozenset(), ["10.77.0.0/16"])


def test_recorded_rules_of_others() -> None:
    assert [rule.text for rule in route.parse_foreign_marks(recorded("ip4-rule.json"))] == [
        "900: fwmark 0x200/0xf00 lookup 99"
    ]
    assert [rule.text for rule in route.parse_foreign_marks(recorded("ip6-rule.json"))] == [
        "900: fwmark 0x80/0x80 lookup 99"
    ]


def test_recorded_addresses() -> None:
    held = route.parse_addresses(recorded("ip-address.json"))
    assert {address.text for address, device in held.items() if device == "eth0"} >= {"198.51.100.11", "2001:db8:1::11"}
    assert "203.0.113.40" in {address.text for address, device in held.items() if device == "lo"}


@given(wishes())
def test_render_and_parse_round_trip(wish: dict[str, Any]) -> None:
    wanted = state(wish)
    for family in FAMILIES:
        one = wanted[family]
        text = "\n".join(iptables.changes(iptables.NO_TABLES, one.tables))
        saved = text.replace("-I OUTPUT 1", "-A OUTPUT").replace("-I PREROUTING 1", "-A PREROUTING")
        assert iptables.parse(saved) == one.tables
        assert ipset.parse("\n".join(line for held in one.sets.values() for line in ipset.lines(held))) == one.sets


@given(wishes(), wishes())
def test_equal_text_is_equal_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert (render(state(first)) == render(state(second))) == (state(first) == state(second))


def test_nothing_wanted_is_nothing() -> None:
    wanted = state(options([]))
    assert wanted == {IPV4: FamilyState(), IPV6: FamilyState()}
    assert render(wanted) == ""


def test_rules_do_not_grow_with_services() -> None:
    def served(count: int) -> State:
        vips = [f"203.0.113.{number}" for number in range(1, count + 1)]
        entries = [
            entry(vip, port, 0xD00000 + 2 * port, source_ranges=["192.0.2.0/24"]) for vip in vips for port in (80, 443)
        ]
        return state(options(vips, *entries))

    assert served(200)[IPV4].tables == served(1)[IPV4].tables
    assert len(served(200)[IPV4].sets["dsr-map4"].entries) == 400
