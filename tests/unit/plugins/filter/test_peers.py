# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import peers as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process

PEERS = plugin.FilterModule().filters()["peers"]
ROUTER_PEERS = plugin.FilterModule().filters()["router_peers"]
ROUTERS = {
    "r2": {"addresses": ["192.0.2.2", "2001:db8:fab::2"], "asn": 64999},
    "r1": {"addresses": ["192.0.2.1"]},
}


def test_names_and_addresses_in_the_order_given() -> None:
    assert PEERS(ROUTERS) == [
        {"name": "r2", "addresses": ["192.0.2.2", "2001:db8:fab::2"]},
        {"name": "r1", "addresses": ["192.0.2.1"]},
    ]


def asns(**options: Any) -> list[int]:
    return [peer["asn"] for peer in ROUTER_PEERS(ROUTERS, **options)]


def test_own_asn_comes_before_the_common_one() -> None:
    assert asns(router_asn=64600) == [64999, 64600]
    assert asns() == asns(router_asn="") == [64999, 64512]
    assert [peer["name"] for peer in ROUTER_PEERS(ROUTERS)] == ["r2", "r1"]


def test_asn_that_a_template_made_text_is_a_number() -> None:
    assert asns(router_asn="64512", node_asn="64512") == [64999, 64512]
    assert ROUTER_PEERS({"r1": {"addresses": ["192.0.2.1"], "asn": "64777"}})[0]["asn"] == 64777


@pytest.mark.parametrize(
    ("asn", "reason"),
    [
        ("1.10", "is '1.10', not a number"),
        (0, "0 is reserved"),
        (23456, "23456 is AS_TRANS"),
        (4294967296, "is 4294967296, out of range"),
        (None, "is None, not a number"),
        (64513, "is 64513, and so is dsr_node_asn by default"),
    ],
)
def test_asn_that_is_none_names_the_router(asn: Any, reason: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^router r2, asn: {reason}"):
        ROUTER_PEERS({**ROUTERS, "r2": {**ROUTERS["r2"], "asn": asn}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"router_asn": 64513}, "^dsr_router_asn: is 64513, and so is dsr_node_asn by default"),
        (
            {"node_asn": 64512},
            "^dsr_node_asn: is 64512, and so is dsr_router_asn by default: .* Set dsr_router_asn too",
        ),
        ({"node_asn": 0}, "^dsr_node_asn: 0 is reserved"),
        ({"router_asn": -1}, "^dsr_router_asn: is -1, out of range"),
    ],
)
def test_asns_of_the_cluster(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        asns(**options)
    assert asns(router_asn=64513, node_asn=64513) == [64999, 64513]


def test_other_facts_of_a_machine_do_not_leak() -> None:
    machine = {"addresses": ["192.0.2.11"], "pod_cidrs": ["10.244.1.0/24"]}
    assert PEERS({"n1": machine}) == [{"name": "n1", "addresses": ["192.0.2.11"]}]


def test_no_machines_no_peers() -> None:
    assert PEERS({}) == ROUTER_PEERS({}) == []


@pytest.mark.parametrize("machine", [{}, {"addresses": []}, {"addresses": None}, None, "192.0.2.1"])
def test_machine_without_addresses_is_named(machine: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="^machine n1: has no addresses. Give it dsr_node"):
        PEERS({"n1": machine})


def test_through_ansible_with_templates_inside_the_input(tmp_path: Path) -> None:
    variables = {"last": 1, "routers": {"r1": {"addresses": ["192.0.2.{{ last }}"]}}}
    said = ansible_process.say(tmp_path, "{{ routers | baremetal.dsr.router_peers(router_asn=none) }}", variables)
    assert ansible_process.result(said) == [{"name": "r1", "addresses": ["192.0.2.1"], "asn": 64512}]
