# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import DEFAULT_MARK_BASE, DEFAULT_MARK_MASK
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import ClusterPlan, HostPlan, IpvsPlan, plan_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import (
    Data,
    clusters,
    example,
    full,
    shuffled,
    unhurried,
)
from hypothesis import given
from hypothesis import strategies as st

WEB = 0x00D37D7A
DNS = 0x00D12D52


def planned(data: Data) -> ClusterPlan:
    return plan_cluster(parse_cluster(**data))


def ipv4_service(plan: HostPlan) -> IpvsPlan:
    """The first IPVS service for IPv4."""
    return next(service for service in plan["ipvs"] if service["family"] == "ipv4")


def destination(address: str, weight: int, **state: Any) -> dict[str, Any]:
    """A destination that does not drain and has no limits, but for the state."""
    return {
        "address": address,
        "weight": weight,
        "draining": False,
        "drain_until": None,
        "upper_threshold": 0,
        "lower_threshold": 0,
        **state,
    }


def numbers(addresses: list[str]) -> list[tuple[int, int]]:
    return [(address.version, int(address)) for address in map(ipaddress.ip_address, addresses)]


def test_example() -> None:
    plan = planned(example()).for_host("n1")
    idle = plan["services"][1]
    assert plan == {
        "host": "n1",
        "services": [
            {
                "name": "dns",
                "vip": "2001:db8:f::1",
                "family": "ipv6",
                "mark": DNS,
                "policy": "cluster",
                "ports": [{"port": 53, "protocol": "tcp"}, {"port": 53, "protocol": "udp"}],
                "backends": [{"address": "2001:db8:1::2", "node": "n1", "weight": 1, "draining": False}],
            },
            {
                "name": "idle",
                "vip": "203.0.113.2",
                "family": "ipv4",
                "mark": idle["mark"],
                "policy": "cluster",
                "ports": [{"port": 80, "protocol": "tcp"}],
                "backends": [],
            },
            {
                "name": "web",
                "vip": "203.0.113.1",
                "family": "ipv4",
                "mark": WEB,
                "policy": "cluster",
                "ports": [{"port": 80, "protocol": "tcp"}, {"port": 443, "protocol": "tcp"}],
                "backends": [
                    {"address": "10.244.1.10", "node": "n1", "weight": 1, "draining": False},
                    {"address": "10.244.2.2", "node": "n2", "weight": 3, "draining": False},
                ],
            },
        ],
        "ipvs": [
            {
                "mark": DNS,
                "family": "ipv6",
                "scheduler": "wrr",
                "scheduler_flags": [],
                "one_packet": True,
                "persistence": 0,
                "tunnel": "ipip",
                "destinations": [destination("2001:db8:1::2", 1)],
            },
            {
                "mark": WEB,
                "family": "ipv4",
                "scheduler": "mh",
                "scheduler_flags": ["mh-fallback", "mh-port"],
                "one_packet": False,
                "persistence": 0,
                "tunnel": "ipip",
                "destinations": [destination("10.244.1.10", 1), destination("10.244.2.2", 3)],
            },
        ],
        "steering": {
            "vips": ["203.0.113.1", "203.0.113.2", "2001:db8:f::1"],
            "entries": [
                {"vip": "203.0.113.1", "protocol": "tcp", "port": 80, "mark": WEB, "source_ranges": []},
                {"vip": "203.0.113.1", "protocol": "tcp", "port": 443, "mark": WEB, "source_ranges": []},
                {"vip": "2001:db8:f::1", "protocol": "tcp", "port": 53, "mark": DNS, "source_ranges": []},
                {"vip": "2001:db8:f::1", "protocol": "udp", "port": 53, "mark": DNS, "source_ranges": []},
            ],
        },
        "pods": [
            {"address": "10.244.1.10", "vips": ["203.0.113.1"], "tunnels": ["ipip"], "draining": False},
            {"address": "2001:db8:1::2", "vips": ["2001:db8:f::1"], "tunnels": ["ipip"], "draining": False},
        ],
        "guard": {
            "sources": ["192.0.2.11", "192.0.2.12", "2001:db8:a::11"],
            "pods": ["10.244.1.10", "2001:db8:1::2"],
            "pools": ["203.0.113.0/24", "2001:db8:f::/64"],
            "tunnels": ["ipip"],
        },
        "mss": {"ipv4": 1440, "ipv6": 1400},
        "announce": ["203.0.113.1", "2001:db8:f::1"],
        "announcers": {},
        "warnings": [],
    }


def test_full_example() -> None:
    plan = planned(full()).for_host("n2")
    dns, web = plan["ipvs"]
    assert dns == {
        "mark": DNS,
        "family": "ipv6",
        "scheduler": "wrr",
        "scheduler_flags": [],
        "one_packet": True,
        "persistence": 600,
        "tunnel": "gre",
        "destinations": [destination("2001:db8:1::2", 1, draining=True, drain_until=1782907200.5)],
    }
    assert web == {
        "mark": WEB,
        "family": "ipv4",
        "scheduler": "mh",
        "scheduler_flags": ["mh-fallback"],
        "one_packet": False,
        "persistence": 0,
        "tunnel": "gue",
        "destinations": [
            destination("10.244.1.10", 1),
            destination(
                "10.244.2.2", 3, draining=True, drain_until=1782907200.0, upper_threshold=100, lower_threshold=80
            ),
        ],
    }
    assert {entry["mark"]: entry["source_ranges"] for entry in plan["steering"]["entries"]} == {
        WEB: ["192.0.2.128/25", "198.51.100.0/24"],
        DNS: [],
    }
    assert [each["draining"] for each in plan["services"][2]["backends"]] == [False, True]
    assert plan["pods"] == [{"address": "10.244.2.2", "vips": ["203.0.113.1"], "tunnels": ["gue"], "draining": True}]
    assert plan["guard"]["pods"] == ["10.244.2.2"]
    assert plan["guard"]["tunnels"] == ["gre", "gue"]
    assert plan["mss"] == {"ipv4": 9000 - 50 - 32 - 40, "ipv6": 9000 - 50 - 44 - 60}
    assert plan["announce"] == ["203.0.113.1"]


def test_addresses_stand_in_numeric_not_in_text_order() -> None:
    data = example()
    data["services"][0]["backends"] = [{"address": f"10.244.1.{pod}", "node": "n1"} for pod in (100, 9, 20)]
    data["services"][2]["vip"] = "203.0.113.10"
    data["services"].append({**data["services"][0], "name": "web2", "vip": "203.0.113.9"})
    plan = planned(data).for_host("n1")
    pods = ["10.244.1.9", "10.244.1.20", "10.244.1.100"]
    assert [destination["address"] for destination in ipv4_service(plan)["destinations"]] == pods
    assert [pod["address"] for pod in plan["pods"]][:3] == pods
    assert plan["pods"][0]["vips"] == ["203.0.113.1", "203.0.113.9"]
    assert plan["steering"]["vips"] == ["203.0.113.1", "203.0.113.9", "203.0.113.10", "2001:db8:f::1"]


def test_vip_of_an_idle_and_a_served_service_is_announced() -> None:
    data = example()
    data["services"].append(
        {**data["services"][2], "name": "idle-too", "vip": "203.0.113.1", "ports": [{"port": 8080}]}
    )
    plan = planned(data).for_host("n2")
    assert "203.0.113.1" in plan["announce"]
    assert 8080 not in [entry["port"] for entry in plan["steering"]["entries"]]


def test_service_whose_backends_have_weight_0_stays_announced() -> None:
    data = example()
    data["services"][1]["backends"][0]["weight"] = 0
    assert "2001:db8:f::1" in planned(data).for_host("n1")["announce"]


@pytest.mark.parametrize("state", [{"ready": False}, {"terminating": True}])
def test_vip_is_announced_as_long_as_one_backend_does_not_drain(state: Data) -> None:
    data = example()
    one, other = data["services"][0]["backends"]
    one.update(state)
    assert planned(data).for_host("n1")["announce"] == ["203.0.113.1", "2001:db8:f::1"]
    other.update(state)
    assert planned(data).for_host("n1")["announce"] == ["2001:db8:f::1"]


def test_backend_of_another_service_keeps_a_vip_announced() -> None:
    data = example()
    dns = data["services"][1]
    dns["backends"][0]["ready"] = False
    data["services"].append({**dns, "name": "dot", "ports": [{"port": 853}], "backends": []})
    assert planned(data).for_host("n1")["announce"] == ["203.0.113.1"]
    data["services"][-1]["backends"] = [{"address": "2001:db8:1::3", "node": "n1"}]
    assert planned(data).for_host("n1")["announce"] == ["203.0.113.1", "2001:db8:f::1"]


def test_draining_service_keeps_its_table_its_marks_and_its_pods() -> None:
    data = example()
    before = planned(data).for_host("n1")
    data["services"][1]["backends"][0]["terminating"] = True
    after = planned(data).for_host("n1")
    assert after["steering"] == before["steering"]
    assert after["pods"] == [before["pods"][0], {**before["pods"][1], "draining": True}]
    assert after["ipvs"][0] == {
        **before["ipvs"][0],
        "destinations": [destination("2001:db8:1::2", 1, draining=True)],
    }


def test_pod_has_the_tunnels_of_all_its_services() -> None:
    data = example()
    web = data["services"][0]
    data["services"].append({**web, "name": "web2", "ports": [{"port": 8080}], "tunnel": "gue"})
    data["services"].append({**web, "name": "web3", "vip": "203.0.113.9", "tunnel": "gre"})
    (pod,) = planned(data).for_host("n2")["pods"]
    assert pod["vips"] == ["203.0.113.1", "203.0.113.9"]
    assert pod["tunnels"] == ["gre", "gue", "ipip"]


def test_pod_drains_when_it_drains_in_all_its_services() -> None:
    data = example()
    web = data["services"][0]
    backend = next(each for each in web["backends"] if each["node"] == "n2")
    other = dict(backend)
    data["services"].append({**web, "name": "web2", "ports": [{"port": 8080}], "backends": [other]})
    for each, draining in ((backend, False), (other, True)):
        each["ready"] = False
        assert [pod["draining"] for pod in planned(data).for_host("n2")["pods"]] == [draining]


def test_guard_lists_the_addresses_of_all_nodes_in_numeric_order() -> None:
    data = example()
    data["nodes"]["n2"]["addresses"] = ["192.0.2.100", "192.0.2.9", "192.0.2.100"]
    wanted = ["192.0.2.9", "192.0.2.11", "192.0.2.100", "2001:db8:a::11"]
    assert planned(data).for_host("n1")["guard"]["sources"] == wanted


def test_hosts_share_the_lists_of_all_hosts() -> None:
    plan = planned(example())
    one, other = plan.for_host("n1"), plan.for_host("n2")
    for key in ("services", "ipvs", "steering", "mss", "announce", "announcers", "warnings"):
        assert one[key] is other[key]
    for key in ("sources", "pools", "tunnels"):
        assert one["guard"][key] is other["guard"][key]


def test_unknown_host() -> None:
    with pytest.raises(DsrError, match=r"host r1: is not a node of the cluster\."):
        planned(example()).for_host("r1")


def test_no_services() -> None:
    plan = planned({**example(), "services": []}).for_host("n1")
    assert plan["steering"] == {"vips": [], "entries": []}
    assert plan["guard"]["pods"] == plan["guard"]["tunnels"] == []
    assert plan["mss"] == {"ipv4": 1440, "ipv6": 1400}
    assert [plan[key] for key in ("services", "ipvs", "pods", "announce", "warnings")] == [[]] * 5


@given(st.data())
@unhurried
def test_order_of_input_does_not_matter(draw: st.DataObject) -> None:
    data = draw.draw(clusters(local=True))
    other = draw.draw(shuffled(data))
    for host in data["nodes"]:
        assert planned(data).for_host(host) == planned(other).for_host(host)


@given(clusters(local=True))
@unhurried
def test_plan_is_plain_data(data: Data) -> None:
    plan = planned(data).for_host("n1")
    assert json.loads(json.dumps(plan)) == plan


@given(clusters())
@unhurried
def test_hosts_agree_on_all_but_their_pods(data: Data) -> None:
    plan = planned(data)
    common = [
        {key: value for key, value in plan.for_host(host).items() if key not in ("host", "pods", "guard")}
        for host in data["nodes"]
    ]
    assert all(each == common[0] for each in common)
    for host in data["nodes"]:
        made = plan.for_host(host)
        assert made["guard"] == {**plan.for_host("n1")["guard"], "pods": [pod["address"] for pod in made["pods"]]}


@given(clusters())
@unhurried
def test_ipvs_holds_exactly_the_backends_in_numeric_order(data: Data) -> None:
    plan = planned(data).for_host("n1")
    marks = {service["name"]: service["mark"] for service in plan["services"]}
    wanted = {
        marks[service["name"]]: {backend["address"]: backend["weight"] for backend in service["backends"]}
        for service in data["services"]
        if service["backends"]
    }
    held = {
        service["mark"]: {each["address"]: each["weight"] for each in service["destinations"]}
        for service in plan["ipvs"]
    }
    assert held == wanted
    assert [service["mark"] for service in plan["ipvs"]] == sorted(held)
    for service in plan["ipvs"]:
        order = numbers([each["address"] for each in service["destinations"]])
        assert order == sorted(set(order))


@given(clusters())
@unhurried
def test_what_is_steered_has_a_service_and_what_is_announced_is_steered(data: Data) -> None:
    plan = planned(data).for_host("n1")
    entries = plan["steering"]["entries"]
    assert {entry["mark"] for entry in entries} == {service["mark"] for service in plan["ipvs"]}
    accepting = {
        service["vip"]
        for service in data["services"]
        if any(each.get("ready", True) and not each.get("terminating", False) for each in service["backends"])
    }
    assert plan["announce"] == [vip for vip in plan["steering"]["vips"] if vip in accepting]
    assert accepting <= {entry["vip"] for entry in entries}
    listeners = [(entry["vip"], entry["protocol"], entry["port"]) for entry in entries]
    assert len(set(listeners)) == len(listeners)
    assert set(plan["steering"]["vips"]) == {service["vip"] for service in data["services"]}
    order = numbers(plan["steering"]["vips"])
    assert order == sorted(order)


@given(clusters())
@unhurried
def test_pods_of_all_hosts_are_the_backends_with_every_vip_they_serve(data: Data) -> None:
    plan = planned(data)
    wanted: dict[str, dict[str, set[str]]] = {host: {} for host in data["nodes"]}
    for service in data["services"]:
        for backend in service["backends"]:
            wanted[backend["node"]].setdefault(backend["address"], set()).add(service["vip"])
    held: dict[str, dict[str, set[str]]] = {
        host: {pod["address"]: set(pod["vips"]) for pod in plan.for_host(host)["pods"]} for host in data["nodes"]
    }
    assert held == wanted
    answered: set[Any] = set().union(*(vips for pods in held.values() for vips in pods.values()))
    assert answered >= set(plan.for_host("n1")["announce"])


@given(clusters())
@unhurried
def test_marks_are_in_the_range(data: Data) -> None:
    marks = [service["mark"] for service in planned(data).for_host("n1")["services"]]
    assert len(set(marks)) == len(marks)
    assert all(mark & DEFAULT_MARK_MASK == DEFAULT_MARK_BASE and mark % 2 == 0 for mark in marks)
    assert DEFAULT_MARK_BASE not in marks
