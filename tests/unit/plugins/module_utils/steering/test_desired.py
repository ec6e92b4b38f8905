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
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import parse_settings, parse_wanted
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State, render
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
    return desired_state(settings, parse_wanted(wish["vips"], wish["entries"], settings))


@pytest.mark.parametrize("form", ["ipset", "iptables"])
@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_recorded_iptables(form: str, variant: str) -> None:
    wanted = state({**RECORDED_WISH, "form": form})
    for family, tool in ((IPV4, "iptables"), (IPV6, "ip6tables")):
        saved = recorded(f"{tool}-1.8.11-{variant}-{form}.save")
        assert "KUBE-X" in saved or variant == "legacy"
        assert iptables.parse(saved) == wanted[family].tables


@pytest.mark.parametrize("form", ["ipset", "iptables"])
def test_recorded_ipset(form: str) -> None:
    wanted = state({**RECORDED_WISH, "form": form})
    saved = recorded(f"ipset-7.22-{form}.save")
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


def test_recorded_addresses() -> None:
    held = route.parse_addresses(recorded("ip-address.json"))
    assert {address.text: device for address, device in held.items() if device != "lo"} == {
        "198.51.100.11": "eth0",
        "2001:db8:1::11": "eth0",
    } | {address.text: "eth0" for address in held if address.text.startswith("fe80")}
    assert "203.0.113.40" in {address.text for address, device in held.items() if device == "lo"}


@given(wishes())
def test_render_and_parse_round_trip(wish: dict[str, Any]) -> None:
    wanted = state(wish)
    for family in FAMILIES:
        one = wanted[family]
        text = "\n".join(iptables.changes(iptables.NO_TABLES, one.tables))
        assert iptables.parse(text.replace("-I OUTPUT 1", "-A OUTPUT").replace("-I PREROUTING 1", "-A PREROUTING")) == (
            one.tables
        )
        assert ipset.parse("\n".join(line for held in one.sets.values() for line in ipset.lines(held))) == one.sets


@given(wishes(), wishes())
def test_equal_text_is_equal_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert (render(state(first)) == render(state(second))) == (state(first) == state(second))


def test_nothing_wanted_is_nothing() -> None:
    wanted = state(options([]))
    assert wanted == {IPV4: FamilyState(), IPV6: FamilyState()}
    assert render(wanted) == ""


def test_rules_do_not_grow_with_services() -> None:
    vips = [f"203.0.113.{number}" for number in range(1, 200)]
    many = state(options(vips, *(entry(vip, port, 0xD00002 + 2 * port) for vip in vips for port in range(1, 20))))
    few = state(options(vips[:1], entry(vips[0], 80)))
    assert many[IPV4].tables == few[IPV4].tables
    assert len(many[IPV4].sets["dsr-map4"].entries) == 199 * 19
