# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import teardown
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.damage import damaged, damaged_json

FILTERS = teardown.FilterModule().filters()
NAMES, REMAINING, ROUTED = FILTERS["names"], FILTERS["remaining"], FILTERS["routed"]

WEB = {
    "name": "web",
    "vip": "203.0.113.1",
    "ports": [{"port": 80}],
    "backends": [{"address": "10.244.1.2", "node": "n1"}, {"address": "10.244.3.2", "node": "n3", "weight": 2}],
}
DNS = {"name": "dns", "vip": "203.0.113.2", "ports": [], "backends": [{"address": "10.244.3.3", "node": "n3"}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("n3", ["n3"]),
        ("n3, n1,,n3", ["n3", "n1"]),
        (["n3", "n1", "n3"], ["n3", "n1"]),
        ("", []),
        ([], []),
        (("n1",), ["n1"]),
    ],
)
def test_names_as_list_or_text(value: Any, expected: list[str]) -> None:
    assert NAMES(value) == expected


@pytest.mark.parametrize("value", [3, None, [1], {"n1": 1}])
def test_what_is_no_list_of_names_is_shown(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is no list of names. Write it as n1,n2"):
        NAMES(value)


def test_services_and_backends_that_leave() -> None:
    given = copy.deepcopy([WEB, DNS])
    assert REMAINING(given, nodes=["n3"]) == [
        {**WEB, "backends": [{"address": "10.244.1.2", "node": "n1"}]},
        {**DNS, "backends": []},
    ]
    assert REMAINING(given, without=["web"]) == [DNS]
    assert REMAINING(given, nodes=["n1"], without=["dns"]) == [{**WEB, "backends": [WEB["backends"][1]]}]
    assert REMAINING(given, nodes=["n9"], without=["nosuch"]) == [WEB, DNS]
    assert given == [WEB, DNS]


@pytest.mark.parametrize(
    "services", [None, "web", 7, [None, "web", {}], [{"name": "web", "backends": None}], [{"backends": ["n3", {}]}]]
)
def test_what_is_no_service_is_left_to_the_planner(services: Any) -> None:
    assert REMAINING(services, nodes=["n3"], without=["dns"]) == services


def route(destination: str, *gateways: str, **more: Any) -> dict[str, Any]:
    hops = [{"gateway": gateway, "dev": "fabric", "weight": 1, "flags": []} for gateway in gateways]
    return {"dst": destination, "protocol": "bgp", "flags": [], **more} | (
        {"nexthops": hops} if len(hops) > 1 else hops[0]
    )


POOLS = ["203.0.113.0/24", "2001:db8:f::/64"]
NODES = ["192.0.2.13", "2001:db8:fab::13"]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([route("203.0.113.1", "192.0.2.11", "192.0.2.13")], ["203.0.113.1"], id="one of several"),
        pytest.param([route("2001:db8:f::1", "2001:db8:fab::13")], ["2001:db8:f::1"], id="the only one"),
        pytest.param([route("2001:db8:f::1", "2001:db8:fab:0::13")], [], id="not as the kernel writes it"),
        pytest.param([route("203.0.113.1", "192.0.2.11", "192.0.2.12")], [], id="only over others"),
        pytest.param([route("10.244.3.0/24", "192.0.2.13")], [], id="the node's pods"),
        pytest.param([route("203.0.113.0/24", "192.0.2.13")], [], id="no host route"),
        pytest.param([route("198.51.100.1", "192.0.2.13")], [], id="outside the pools"),
        pytest.param([route("default", "192.0.2.13")], [], id="default route"),
        pytest.param([], [], id="no route"),
    ],
)
def test_what_is_still_routed(routes: list[dict[str, Any]], expected: list[str]) -> None:
    assert ROUTED(json.dumps(routes), pools=POOLS, gateways=NODES) == expected


def test_kernel_without_ipv6_prints_nothing() -> None:
    assert ROUTED("", pools=POOLS, gateways=NODES) == []


@pytest.mark.parametrize("text", ["{", "default via 192.0.2.1", "7", '[{"dst": "nonsense", "gateway": "192.0.2.13"}]'])
def test_what_is_no_list_of_routes_is_an_error(text: str) -> None:
    with pytest.raises(AnsibleFilterError):
        ROUTED(text, pools=POOLS, gateways=NODES)


def test_bad_pool_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="dsr_vip_pools: 'nonsense' is not a network"):
        ROUTED("[]", pools=["nonsense"], gateways=NODES)


def test_through_ansible(tmp_path: Path) -> None:
    template = "{{ services | baremetal.dsr.remaining(nodes=leave | baremetal.dsr.names, without=['dns']) }}"
    said = ansible_process.say(tmp_path, template, {"services": [WEB, DNS], "leave": "n1,n2", "ignored": 1})
    assert ansible_process.result(said) == [{**WEB, "backends": [WEB["backends"][1]]}]


def test_ten_thousand_damaged_listings_of_routes_are_survived() -> None:
    hops = [{"gateway": f"192.0.2.1{number}", "dev": "fabric", "weight": 1, "flags": []} for number in (1, 2)]
    listing = json.dumps(
        [
            {"dst": "203.0.113.1", "protocol": "bgp", "flags": [], "nexthops": hops},
            {"dst": "203.0.113.2", "gateway": "192.0.2.12", "dev": "fabric", "flags": ["linkdown"]},
            {"dst": "default", "gateway": "198.51.100.1", "dev": "outside", "flags": []},
        ]
    )
    assert ROUTED(listing, ["203.0.113.0/24"], ["192.0.2.11"]) == ["203.0.113.1"]
    dice = random.Random("routes")
    results = 0
    for _time in range(10_000):
        text = damaged_json(listing, dice)
        if text == listing or dice.random() < 0.5:
            text = damaged(text, dice)
        try:
            ROUTED(text, ["203.0.113.0/24", "2001:db8:f::/64"], ["192.0.2.11", "2001:db8:fab::11"])
            results += 1
        except AnsibleFilterError as error:
            assert str(error)
    assert results > 500
