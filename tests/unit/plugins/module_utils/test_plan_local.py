# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of policy local: each node serves its own backends, and announces a VIP only while it can."""

from __future__ import annotations

from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import ClusterPlan, HostPlan, plan_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import (
    Data,
    clusters,
    example,
    unhurried,
)
from hypothesis import given

WEB_VIP, DNS_VIP = "203.0.113.1", "2001:db8:f::1"


def planned(data: Data) -> ClusterPlan:
    return plan_cluster(parse_cluster(**data))


def local_web() -> Data:
    """The example, its service web (pods on n1 and n2) of policy local, and a third node without pods."""
    data = example()
    data["services"][0]["policy"] = "local"
    data["nodes"]["n3"] = {"addresses": ["192.0.2.13"]}
    return data


def held(plan: HostPlan, name: str) -> list[str] | None:
    """Destinations of a service; None if the host has no IPVS service for it."""
    mark = next(service["mark"] for service in plan["services"] if service["name"] == name)
    found = [service for service in plan["ipvs"] if service["mark"] == mark]
    return [each["address"] for each in found[0]["destinations"]] if found else None


def ports(plan: HostPlan, vip: str) -> list[int]:
    return [entry["port"] for entry in plan["steering"]["entries"] if entry["vip"] == vip]


def ready(backend: Data) -> bool:
    return bool(backend.get("ready", True) and not backend.get("terminating", False))


def takes_new_connections(backend: Data) -> bool:
    return ready(backend) and backend.get("weight", 1) > 0


def test_node_serves_its_own_backends_only() -> None:
    plan = planned(local_web())
    assert held(plan.for_host("n1"), "web") == ["10.244.1.10"]
    assert held(plan.for_host("n2"), "web") == ["10.244.2.2"]
    assert held(plan.for_host("n3"), "web") is None


def test_node_without_backends_refuses_and_does_not_announce() -> None:
    plan = planned(local_web())
    other = plan.for_host("n3")
    assert WEB_VIP in other["steering"]["vips"]
    assert ports(other, WEB_VIP) == []
    assert ports(plan.for_host("n1"), WEB_VIP) == [80, 443]
    assert [plan.for_host(name)["announce"] for name in ("n1", "n2", "n3")] == [
        [WEB_VIP, DNS_VIP],
        [WEB_VIP, DNS_VIP],
        [DNS_VIP],
    ]
    assert other["announcers"] == {WEB_VIP: ["n1", "n2"]}


def test_node_whose_last_backend_drains_keeps_its_table_but_withdraws() -> None:
    data = local_web()
    data["services"][0]["backends"][0]["terminating"] = True
    plan = planned(data)
    n2 = plan.for_host("n2")
    assert n2["announce"] == [DNS_VIP]
    assert held(n2, "web") == ["10.244.2.2"]
    assert ports(n2, WEB_VIP) == [80, 443]
    assert plan.for_host("n1")["announce"] == [WEB_VIP, DNS_VIP]


def test_node_whose_only_backend_has_weight_0_keeps_its_table_but_withdraws() -> None:
    data = local_web()
    data["services"][0]["backends"][0]["weight"] = 0
    plan = planned(data)
    n2 = plan.for_host("n2")
    assert plan.announcers == {WEB_VIP: ["n1"]}
    assert n2["announce"] == [DNS_VIP]
    assert held(n2, "web") == ["10.244.2.2"]
    assert plan.warnings == planned(local_web()).warnings


def test_one_backend_of_weight_above_0_is_enough_for_a_node() -> None:
    data = local_web()
    data["services"][0]["backends"][0]["weight"] = 0
    data["services"][0]["backends"].append({"address": "10.244.2.3", "node": "n2"})
    assert planned(data).announcers == {WEB_VIP: ["n1", "n2"]}


def test_vip_whose_backends_all_have_weight_0_stays_announced_where_they_are() -> None:
    """As with policy cluster: nobody takes new connections, and those that are open go on."""
    data = local_web()
    for backend in data["services"][0]["backends"]:
        backend["weight"] = 0
    assert planned(data).announcers == {WEB_VIP: ["n1", "n2"]}
    data["services"][0]["backends"][0]["ready"] = False
    assert planned(data).announcers == {WEB_VIP: ["n1"]}


def test_draining_backend_does_not_count_for_its_weight() -> None:
    """Of one that drains and one of weight 0, the latter keeps the VIP announced."""
    data = local_web()
    n2, n1 = data["services"][0]["backends"]
    n2["terminating"] = True
    n1["weight"] = 0
    assert planned(data).announcers == {WEB_VIP: ["n1"]}


def test_vip_is_withdrawn_everywhere_with_the_last_ready_backend() -> None:
    data = local_web()
    for backend in data["services"][0]["backends"]:
        backend["ready"] = False
    plan = planned(data)
    assert [plan.for_host(name)["announce"] for name in data["nodes"]] == [[DNS_VIP]] * 3
    assert plan.announcers == {}


def with_second(*backends: Data) -> Data:
    data = local_web()
    data["services"].append({**data["services"][0], "name": "web2", "ports": [{"port": 81}], "backends": [*backends]})
    return data


def test_node_announces_only_if_it_serves_every_service_on_the_vip() -> None:
    plan = planned(with_second({"address": "10.244.1.11", "node": "n1"}))
    assert plan.announcers == {WEB_VIP: ["n1"]}
    assert ports(plan.for_host("n2"), WEB_VIP) == [80, 443]


def test_service_without_a_ready_backend_anywhere_keeps_no_vip_from_being_announced() -> None:
    assert planned(with_second()).announcers == {WEB_VIP: ["n1", "n2"]}
    draining = {"address": "10.244.1.11", "node": "n1", "ready": False}
    assert planned(with_second(draining)).announcers == {WEB_VIP: ["n1", "n2"]}


def test_vip_that_no_node_can_announce_is_warned_of() -> None:
    data = with_second({"address": "10.244.1.11", "node": "n1"})
    data["services"][0]["backends"] = [{"address": "10.244.2.2", "node": "n2"}]
    plan = planned(data)
    assert plan.announcers == {}
    assert f"No node announces VIP {WEB_VIP} of service web: it has policy local" in " ".join(plan.warnings)


def test_hosts_without_own_backends_share_all_lists() -> None:
    data = local_web()
    data["nodes"]["n4"] = {"addresses": ["192.0.2.14"]}
    plan = planned(data)
    one, other = plan.for_host("n3"), plan.for_host("n4")
    for key in ("services", "ipvs", "steering", "announce", "announcers", "warnings"):
        assert one[key] is other[key]  # type: ignore[literal-required]
    assert plan.for_host("n1")["steering"]["vips"] is one["steering"]["vips"]


@given(clusters(local=True))
@unhurried
def test_local_services_together_hold_what_one_of_policy_cluster_would(data: Data) -> None:
    plan = planned(data)
    everywhere = planned({**data, "services": [{**service, "policy": "cluster"} for service in data["services"]]})
    wanted = {service["mark"]: service for service in everywhere.for_host("n1")["ipvs"]}
    nodes_of = {each["address"]: each["node"] for service in data["services"] for each in service["backends"]}
    policies = {service["mark"]: service["policy"] for service in plan.services}
    for host in data["nodes"]:
        made = plan.for_host(host)
        mine = {service["mark"]: service for service in made["ipvs"]}
        for mark, service in wanted.items():
            local = policies[mark] == "local"
            destinations = [each for each in service["destinations"] if not local or nodes_of[each["address"]] == host]
            assert mine.pop(mark, None) == ({**service, "destinations": destinations} if destinations else None)
        assert mine == {}
        assert [service["mark"] for service in made["ipvs"]] == sorted(service["mark"] for service in made["ipvs"])
        marks = {service["mark"] for service in made["ipvs"]}
        entries = everywhere.for_host(host)["steering"]["entries"]
        assert made["steering"]["entries"] == [entry for entry in entries if entry["mark"] in marks]
        assert made["steering"]["vips"] == everywhere.for_host(host)["steering"]["vips"]


@given(clusters(local=True))
@unhurried
def test_what_a_node_announces_it_can_serve(data: Data) -> None:
    plan = planned(data)
    services: dict[str, list[dict[str, Any]]] = {}
    for service in data["services"]:
        if any(ready(backend) for backend in service["backends"]):
            services.setdefault(service["vip"], []).append(service)
    for host in data["nodes"]:
        made = plan.for_host(host)
        wanted = [
            vip
            for vip in made["steering"]["vips"]
            if vip in services
            and all(
                service["policy"] == "cluster"
                or any(able(backend) and backend["node"] == host for backend in service["backends"])
                for service in services[vip]
                for able in [takes_new_connections if any(map(takes_new_connections, service["backends"])) else ready]
            )
        ]
        assert made["announce"] == wanted
        assert {vip for vip, nodes in made["announcers"].items() if host in nodes} <= set(wanted)
