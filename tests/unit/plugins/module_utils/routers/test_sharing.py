# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters share a router with each other and with its operator, and none gets what another has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import NODES
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.router_machine import (
    FOREIGN,
    Machine,
    bring,
    peering,
    stay,
)


@pytest.fixture
def frr(tmp_path: Path) -> Machine:
    return Machine(tmp_path, FOREIGN)


OTHER: dict[str, Any] = {
    "cluster": "shop",
    "vip_pools": ["198.51.100.0/25"],
    "nodes": {"s1": {"addresses": ["192.0.2.51"]}},
}


def test_clusters_share_a_router(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    first = frr.config.read_text()
    assert bring(frr, frr.frr, peering(**OTHER), "shop").result()["clusters"] == ["dsr", "shop"]
    assert frr.config.read_text().startswith(first)
    bring(frr, frr.frr, None, "shop", seconds=0)
    assert frr.config.read_text() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vip_pools": ["203.0.113.128/25"]}, r"pool 203\.0\.113\.128/25 overlaps 203\.0\.113\.0/24 of cluster dsr"),
        ({"nodes": NODES}, r"node 192\.0\.2\.21 is a node of cluster dsr too"),
        ({"router_asn": 64600}, "wants this router in AS 64600, but cluster dsr has AS 64512"),
        ({"max_paths": 8}, "dsr_max_paths gives 'ipv4 maximum-paths 8', but cluster dsr has 'ipv4 maximum-paths 64'"),
    ],
)
def test_what_two_clusters_cannot_share(frr: Machine, options: dict[str, Any], message: str) -> None:
    bring(frr, frr.frr, peering())
    before = frr.config.read_text()
    with pytest.raises(DsrError, match=message):
        bring(frr, frr.frr, peering(**{**OTHER, **options}), "shop")
    assert frr.config.read_text() == before


def test_pool_of_a_cluster_whose_markers_write_memory_took(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    lines = [line for line in frr.config.read_text().splitlines(keepends=True) if not line.startswith("!")]
    frr.config.write_text("".join(lines))
    before = frr.config.read_text()
    same = {**OTHER, "vip_pools": ["203.0.113.128/25"]}
    with pytest.raises(DsrError, match=r"pool 203\.0\.113\.128/25 overlaps 203\.0\.113\.0/24 of cluster dsr"):
        bring(frr, frr.frr, peering(**same), "shop")
    assert frr.config.read_text() == before
    bring(frr, frr.frr, peering(**OTHER), "shop")
    bring(frr, frr.frr, None, "shop", seconds=0)
    assert frr.config.read_text() == before


def test_prefix_list_of_the_operator_is_no_cluster(tmp_path: Path) -> None:
    machine = Machine(tmp_path, FOREIGN + "ip prefix-list edge-vip4 seq 5 permit 203.0.113.0/24 le 32\n")
    assert bring(machine, machine.frr, peering()).changed


def test_what_the_operator_has_is_not_overridden(frr: Machine) -> None:
    with pytest.raises(DsrError, match="in AS 64999, but the rest of its configuration has AS 64512"):
        bring(frr, frr.frr, peering(router_asn=64999))
    with pytest.raises(DsrError, match=r"has a neighbor 198\.51\.100\.9 already"):
        bring(frr, frr.frr, peering(nodes={"x": {"addresses": ["198.51.100.9"]}}))


IDENTIFIED = FOREIGN.replace(" neighbor", " bgp router-id 192.0.2.77\n neighbor")
SPREAD = FOREIGN.replace("exit\n", " address-family ipv4 unicast\n  maximum-paths 16\n exit-address-family\nexit\n")
RELAXED = FOREIGN.replace(" neighbor", " bgp bestpath as-path multipath-relax as-set\n neighbor")
ELSEWHERE = (
    FOREIGN
    + "router bgp 64999 vrf blue\n bgp router-id 192.0.2.99\n address-family ipv4 unicast\n  maximum-paths 2\n"
    + " exit-address-family\nexit\n"
)


@pytest.mark.parametrize(
    ("foreign", "options", "message"),
    [
        (
            IDENTIFIED,
            {"router_id": "192.0.2.1"},
            r"^cluster dsr: router_id gives 'bgp router-id 192\.0\.2\.1', but the rest of its configuration has"
            r" 'bgp router-id 192\.0\.2\.77', .* Set router_id to that, or change the other",
        ),
        (SPREAD, {}, "dsr_max_paths gives 'ipv4 maximum-paths 64', but the rest .* has 'ipv4 maximum-paths 16'"),
        (RELAXED, {}, "the role gives 'bgp bestpath as-path multipath-relax', but the rest"),
    ],
)
def test_settings_of_the_operator_are_not_overridden(
    tmp_path: Path, foreign: str, options: dict[str, Any], message: str
) -> None:
    machine = Machine(tmp_path, foreign)
    with pytest.raises(DsrError, match=message):
        bring(machine, machine.frr, peering(**options))
    assert machine.writes == []
    assert machine.config.read_text() == foreign


@pytest.mark.parametrize(
    ("foreign", "options"),
    [
        (IDENTIFIED, {}),
        (IDENTIFIED, {"router_id": "192.0.2.77"}),
        (SPREAD, {"max_paths": 16}),
        (SPREAD, {"router_asn": 64512, "node_asn": 64512}),
        (ELSEWHERE, {"router_id": "192.0.2.1"}),
    ],
    ids=["no wish", "same id", "same paths", "paths of another kind", "another VRF"],
)
def test_settings_that_agree_with_the_operators(tmp_path: Path, foreign: str, options: dict[str, Any]) -> None:
    machine = Machine(tmp_path, foreign)
    bring(machine, machine.frr, peering(**options))
    assert machine.config.read_text().startswith(foreign)


def shared_id(machine: Machine) -> list[str]:
    return [line for line in machine.config.read_text().splitlines() if line.startswith("router id")]


def test_router_id_of_bird_stays_while_a_cluster_wants_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "log syslog all;\n")
    one, other = peering(router_id="192.0.2.1"), peering(**OTHER)
    bring(machine, machine.bird, one)
    machine.take_back().disarm()
    bring(machine, machine.bird, other, "shop")
    machine.take_back("shop").disarm()
    assert shared_id(machine) == ["router id 192.0.2.1;"]
    assert not bring(machine, machine.bird, one).changed
    assert not bring(machine, machine.bird, other, "shop").changed
    before = machine.config.read_text()
    with pytest.raises(
        DsrError,
        match=r"^cluster shop: router_id gives 'router id 192\.0\.2\.2', but cluster dsr has 'router id 192\.0\.2\.1'",
    ):
        bring(machine, machine.bird, peering(**OTHER, router_id="192.0.2.2"), "shop")
    assert machine.config.read_text() == before
    bring(machine, machine.bird, peering(**OTHER, router_id="192.0.2.1"), "shop")
    bring(machine, machine.bird, None, seconds=0)
    assert shared_id(machine) == ["router id 192.0.2.1;"]
    bring(machine, machine.bird, other, "shop")
    assert shared_id(machine) == []


@pytest.mark.parametrize("line", ["router id 192.0.2.77;\n", "router id 192.0.2.1;\n", 'router id from "eth0";\n'])
def test_router_id_of_birds_operator(tmp_path: Path, line: str) -> None:
    machine = Machine(tmp_path, f"# router id 192.0.2.5;\n{line}")
    if "77" in line:
        with pytest.raises(DsrError, match=r"but the rest of its configuration has 'router id 192\.0\.2\.77'"):
            bring(machine, machine.bird, peering(router_id="192.0.2.1"))
    else:
        bring(machine, machine.bird, peering(router_id="192.0.2.1"))
        assert shared_id(machine) == [line.strip()]
        machine.take_back().disarm()
    bring(machine, machine.bird, peering())
    assert shared_id(machine) == [line.strip()]


def test_nobody_changes_a_router_while_another_clusters_change_is_pending(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    with pytest.raises(
        DsrError,
        match="^cluster shop: a change of cluster dsr on this router waits to be confirmed or taken back, .*"
        " Run the playbook of cluster dsr again, or wait until it is taken back",
    ):
        frr.take_back("shop").check_alone()
    frr.take_back().check_alone()
    frr.elapse()
    frr.take_back("shop").check_alone()
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    frr.take_back("shop").check_alone()
