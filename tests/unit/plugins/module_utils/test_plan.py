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
                "ports": [{"port": 53, "protocol": "tcp"}, {"port": 53, "protocol": "udp"}],
                "backends": [{"address": "2001:db8:1::2", "node": "n1", "weight": 1}],
            },
            {
                "name": "idle",
                "vip": "203.0.113.2",
                "family": "ipv4",
                "mark": idle["mark"],
                "ports": [{"port": 80, "protocol": "tcp"}],
                "backends": [],
            },
            {
                "name": "web",
                "vip": "203.0.113.1",
                "family": "ipv4",
                "mark": WEB,
                "ports": [{"port": 80, "protocol": "tcp"}, {"port": 443, "protocol": "tcp"}],
                "backends": [
                    {"address": "10.244.1.10", "node": "n1", "weight": 1},
                    {"address": "10.244.2.2", "node": "n2", "weight": 3},
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
                "destinations": [{"address": "2001:db8:1::2", "weight": 1}],
            },
            {
                "mark": WEB,
                "family": "ipv4",
                "scheduler": "mh",
                "scheduler_flags": ["mh-fallback", "mh-port"],
                "one_packet": False,
                "destinations": [{"address": "10.244.1.10", "weight": 1}, {"address": "10.244.2.2", "weight": 3}],
            },
        ],
        "steering": {
            "vips": ["203.0.113.1", "203.0.113.2", "2001:db8:f::1"],
            "entries": [
                {"vip": "203.0.113.1", "protocol": "tcp", "port": 80, "mark": WEB},
                {"vip": "203.0.113.1", "protocol": "tcp", "port": 443, "mark": WEB},
                {"vip": "2001:db8:f::1", "protocol": "tcp", "port": 53, "mark": DNS},
                {"vip": "2001:db8:f::1", "protocol": "udp", "port": 53, "mark": DNS},
            ],
        },
        "pods": [
            {"address": "10.244.1.10", "vips": ["203.0.113.1"]},
            {"address": "2001:db8:1::2", "vips": ["2001:db8:f::1"]},
        ],
        "announce": ["203.0.113.1", "2001:db8:f::1"],
        "warnings": [],
    }


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


def test_service_drained_to_weight_0_stays_announced() -> None:
    data = example()
    data["services"][1]["backends"][0]["weight"] = 0
    assert "2001:db8:f::1" in planned(data).for_host("n1")["announce"]


@pytest.mark.parametrize(
    ("scheduler", "flags"),
    [("mh", ["mh-fallback", "mh-port"]), ("sh", ["sh-fallback", "sh-port"]), ("rr", []), ("wlc", [])],
)
def test_scheduler_flags(scheduler: str, flags: list[str]) -> None:
    data = example()
    data["services"][0]["scheduler"] = scheduler
    assert ipv4_service(planned(data).for_host("n1"))["scheduler_flags"] == flags


@pytest.mark.parametrize(("scheduler", "count", "warned"), [("mh", 40, 0), ("mh", 41, 1), ("wrr", 41, 0)])
def test_warning_of_many_backends_with_mh(scheduler: str, count: int, warned: int) -> None:
    data = example()
    data["services"][0]["scheduler"] = scheduler
    data["services"][0]["backends"] = [{"address": f"10.244.1.{pod + 2}", "node": "n1"} for pod in range(count)]
    warnings = planned(data).for_host("n2")["warnings"]
    assert [warning.startswith(f"Service web has {count} backends:") for warning in warnings] == [True] * warned


def test_unknown_host() -> None:
    with pytest.raises(DsrError, match=r"host r1: is not a node of the cluster\."):
        planned(example()).for_host("r1")


def test_no_services() -> None:
    plan = planned({**example(), "services": []}).for_host("n1")
    assert [value for key, value in plan.items() if key not in ("host", "steering")] == [[]] * 5
    assert plan["steering"] == {"vips": [], "entries": []}


@given(st.data())
@unhurried
def test_order_of_input_does_not_matter(draw: st.DataObject) -> None:
    data = draw.draw(clusters())
    other = draw.draw(shuffled(data))
    for host in data["nodes"]:
        assert planned(data).for_host(host) == planned(other).for_host(host)


@given(clusters())
@unhurried
def test_plan_is_plain_data(data: Data) -> None:
    plan = planned(data).for_host("n1")
    assert json.loads(json.dumps(plan)) == plan


@given(clusters())
@unhurried
def test_hosts_agree_on_all_but_their_pods(data: Data) -> None:
    plan = planned(data)
    common = [
        {key: value for key, value in plan.for_host(host).items() if key not in ("host", "pods")}
        for host in data["nodes"]
    ]
    assert all(each == common[0] for each in common)


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
    assert plan["announce"] == [vip for vip in plan["steering"]["vips"] if vip in {entry["vip"] for entry in entries}]
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
    announced: set[Any] = set().union(*(vips for pods in held.values() for vips in pods.values()))
    assert announced == set(plan.for_host("n1")["announce"])


@given(clusters())
@unhurried
def test_marks_are_in_the_range(data: Data) -> None:
    marks = [service["mark"] for service in planned(data).for_host("n1")["services"]]
    assert len(set(marks)) == len(marks)
    assert all(mark & DEFAULT_MARK_MASK == DEFAULT_MARK_BASE and mark % 2 == 0 for mark in marks)
    assert DEFAULT_MARK_BASE not in marks
