# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's plan on paper: ports here, and the inventory that must agree with topology.json."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from virtual_dc import topology
from virtual_dc.errors import LabError

INVENTORY = Path(__file__).resolve().parents[2] / "inventories" / "lab"
TWO_ROUTERS = INVENTORY.with_name("lab_two_routers")
MACHINES: dict[str, dict[str, Any]] = json.loads(topology.TOPOLOGY.read_text())["machines"]
GROUPS = {"client": "dsr_clients", "router": "dsr_routers", "node": "dsr_nodes"}


def inventory(role: str, file: Path = INVENTORY / "hosts.yml") -> dict[str, dict[str, Any] | None]:
    """Host variables by name of the group for machines of this role."""
    groups = yaml.safe_load(file.read_text())["all"]["children"]
    hosts: dict[str, dict[str, Any] | None] = groups[GROUPS[role]]["hosts"]
    return hosts


def fabric(name: str) -> list[str]:
    return [address.split("/")[0] for address in MACHINES[name]["links"]["fabric"]]


def test_each_machine_has_the_next_port_and_the_guest_the_first() -> None:
    machines = topology.machines()
    assert [machine.name for machine in machines] == ["guest", *MACHINES]
    assert [machine.port for machine in machines] == list(range(3310, 3310 + len(machines)))


def test_management_addresses_differ_and_are_in_their_network() -> None:
    network = ipaddress.ip_network(json.loads(topology.TOPOLOGY.read_text())["management"]["network"])
    addresses = [ipaddress.ip_address(machine.management) for machine in topology.machines()]
    assert len(set(addresses)) == len(addresses)
    assert all(address in network for address in addresses)


def test_port_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSRLAB_PORT")
    assert topology.first_port() == 2210


@pytest.mark.parametrize("text", ["", "ssh", "-1", "80", "1023", "65001", "99999", "22.5", " 3310"])
def test_bad_port_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DSRLAB_PORT", text)
    with pytest.raises(LabError, match=f"^DSRLAB_PORT is '{text}': set it to a number from 1024 to 65000, or unset it"):
        topology.machines()


@pytest.mark.parametrize("role", ["client", "node"])
def test_inventory_has_the_machines_of_the_topology(role: str) -> None:
    assert set(inventory(role)) == {name for name, machine in MACHINES.items() if machine["role"] == role}


def test_one_inventory_has_one_router_and_the_other_has_all() -> None:
    """Most scenarios need no second router, and it costs their playbooks time."""
    assert set(inventory("router")) == {"r1"}
    routers = {name: machine for name, machine in MACHINES.items() if machine["role"] == "router"}
    both = inventory("router", TWO_ROUTERS / "two_routers.yml")
    assert both.keys() == routers.keys()
    for name, variables in both.items():
        assert variables is not None, name
        dsr_router = variables["dsr_router"]
        assert (dsr_router["addresses"], dsr_router["router_id"]) == (fabric(name), fabric(name)[0])
        assert dsr_router.get("provider", "frr") == routers[name]["daemon"]


def test_second_inventory_has_the_rest_from_the_first() -> None:
    links = {path.relative_to(TWO_ROUTERS): path.resolve() for path in TWO_ROUTERS.rglob("*") if path.is_symlink()}
    first = [path for path in INVENTORY.rglob("*") if path.is_file()]
    assert links == {path.relative_to(INVENTORY): path for path in first}


@pytest.mark.parametrize("role", ["router", "node"])
def test_inventory_has_their_addresses(role: str) -> None:
    for name, variables in inventory(role).items():
        assert variables is not None, name
        assert variables[f"dsr_{role}"]["addresses"] == fabric(name), name


def test_inventory_has_the_pod_ranges() -> None:
    for name, variables in inventory("node").items():
        assert variables is not None, name
        assert variables["dsr_node"]["pod_cidrs"] == MACHINES[name]["pod_cidrs"], name


def test_attacker_can_reach_what_a_client_may_not() -> None:
    """One leg where the clients are, one where the nodes are, and from there a way to every pod; in no inventory."""
    (name, attacker), *others = [(name, machine) for name, machine in MACHINES.items() if machine["role"] == "attacker"]
    assert not others
    assert name not in (INVENTORY / "hosts.yml").read_text()
    assert {network: len(addresses) for network, addresses in attacker["links"].items()} == {"outside": 2, "fabric": 2}
    routes = dict(attacker["routes"])
    for node in inventory("node"):
        for cidr, via in zip(MACHINES[node]["pod_cidrs"], fabric(node)):
            assert routes[cidr] == via, node


def test_addresses_differ() -> None:
    links = [addresses for machine in MACHINES.values() for addresses in machine["links"].values()]
    addresses = [ipaddress.ip_interface(address).ip for pair in links for address in pair]
    assert len(set(addresses)) == len(addresses)


def test_backends_are_pods_of_their_nodes_and_vips_are_in_the_pools() -> None:
    cluster = yaml.safe_load((INVENTORY / "group_vars" / "all" / "cluster.yml").read_text())
    pools = [ipaddress.ip_network(pool) for pool in cluster["dsr_vip_pools"]]
    backends = [backend for service in cluster["dsr_services"] for backend in service["backends"]]
    assert backends
    for backend in backends:
        ranges = [ipaddress.ip_network(cidr) for cidr in MACHINES[backend["node"]]["pod_cidrs"]]
        assert any(ipaddress.ip_address(backend["address"]) in cidr for cidr in ranges), backend
    for service in cluster["dsr_services"]:
        assert any(ipaddress.ip_address(service["vip"]) in pool for pool in pools), service["name"]


def test_no_network_of_the_lab_overlaps_another() -> None:
    links = {
        ipaddress.ip_interface(address).network
        for machine in MACHINES.values()
        for addresses in machine["links"].values()
        for address in addresses
    }
    cidrs = [ipaddress.ip_network(cidr) for machine in MACHINES.values() for cidr in machine.get("pod_cidrs", [])]
    networks = [*links, *cidrs]
    for number, one in enumerate(networks):
        assert not [other for other in networks[number + 1 :] if one.version == other.version and one.overlaps(other)]
