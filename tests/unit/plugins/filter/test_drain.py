# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a director may leave or come back, on a cluster whose nodes have a state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import drain as plugin
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import HostPlan, plan_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import example
from hypothesis import given
from hypothesis import strategies as st

FILTERS = plugin.FilterModule().filters()
NODES = ["n1", "n2", "n3"]
WEB, DNS = "203.0.113.1", "2001:db8:f::1"
POD = "10.244.2.2"


@dataclass
class Node:
    """A node and what Ansible would find on it. speaking: its BIRD has sessions. blind: how ipvs_info fails."""

    reachable: bool = True
    drained: bool = False
    speaking: bool = True
    asks_to_leave: bool = False
    vips: tuple[str, ...] = (WEB, DNS)
    closing: dict[str, int] = field(default_factory=dict)
    blind: str = ""

    def found(self, mark: int) -> dict[str, Any]:
        if not self.reachable:
            gone = {"unreachable": True, "msg": "no route to host"}
            return dict.fromkeys((plugin.DRAINED, plugin.SPOKEN, plugin.SERVED), gone)
        communities = ["65535:0"] if self.asks_to_leave else []
        announced = [{"vip": vip, "communities": communities, "neighbors": ["192.0.2.1"]} for vip in self.vips]
        return {
            plugin.DRAINED: {"stat": {"exists": self.drained}},
            plugin.SPOKEN: {"announced": announced} if self.speaking else {"failed": True, "msg": "not running"},
            plugin.SERVED: {"failed": False, "failed_when_result": False, "msg": self.blind}
            if self.blind
            else {
                "services": [
                    {
                        "mark": mark,
                        "family": "ipv4",
                        "destinations": [
                            {"address": "10.244.1.10", "weight": 1},
                            *({"address": pod, "weight": 0} for pod in self.closing),
                        ],
                    }
                ],
                "connections": [
                    {"mark": mark, "family": "ipv4", "address": "10.244.1.10", "active": 7, "inactive": 0},
                    *(
                        {"mark": mark, "family": "ipv4", "address": pod, "active": 0, "inactive": count}
                        for pod, count in self.closing.items()
                    ),
                ],
            },
        }


class Cluster:
    def __init__(self, **nodes: Node) -> None:
        self.nodes = {name: nodes.get(name, Node()) for name in NODES}
        data = example()
        data["nodes"]["n3"] = {"addresses": ["192.0.2.13"]}
        self.data = data

    @property
    def plan(self) -> HostPlan:
        return plan_cluster(parse_cluster(**self.data)).for_host("n1")

    @property
    def mark(self) -> int:
        return next(service["mark"] for service in self.plan["services"] if service["name"] == "web")

    def ask(self, *names: str, most: int = 1) -> list[str]:
        return list(self._filter("drain_refusals", names, most=most))

    def ask_back(self, *names: str) -> list[str]:
        return list(self._filter("undrain_refusals", names))

    def ask_to_leave(self, *names: str) -> list[str]:
        return list(self._filter("teardown_refusals", names))

    def _filter(self, name: str, asked: tuple[str, ...], mark: int | None = None, **more: Any) -> Any:
        hostvars = {each: node.found(mark or self.mark) for each, node in self.nodes.items()}
        json.dumps(hostvars)  # as plain as Ansible has it
        return FILTERS[name](self.plan, hostvars=hostvars, nodes=NODES, asked=list(asked), **more)


def test_healthy_cluster_lets_one_go() -> None:
    assert Cluster().ask("n2") == []


def test_nobody_is_asked() -> None:
    assert Cluster().ask() == ["No node is named. Name one with -e dsr_drain_nodes=n2 (n2,n3 or a list)."]
    assert Cluster().ask_back() == Cluster().ask()


def test_unknown_node() -> None:
    wanted = ["Node n9 is not in the inventory's group of nodes. Name one of n1, n2, n3."]
    assert Cluster().ask("n9") == wanted
    assert Cluster().ask_back("n9") == wanted


def test_unreachable_node() -> None:
    cluster = Cluster(n2=Node(reachable=False))
    assert [text[:31] for text in cluster.ask("n2")] == ["Node n2 cannot be reached, so n"]
    assert [text[:31] for text in cluster.ask_back("n2")] == ["Node n2 cannot be reached, so n"]


@pytest.mark.parametrize("out", [Node(drained=True, vips=()), Node(reachable=False)])
def test_no_more_than_allowed_are_out(out: Node) -> None:
    cluster = Cluster(n3=out)
    (refusal,) = cluster.ask("n2")
    assert refusal.startswith("Draining n2 beside n3, drained or unreachable, would take 2 nodes out, and")
    assert "dsr_drain_max allows 1." in refusal
    assert cluster.ask("n2", most=2) == []


def test_two_at_a_time_must_be_allowed() -> None:
    assert Cluster().ask("n1", "n2")[0].startswith("Draining n1, n2 would take 2 nodes out")
    assert Cluster().ask("n1", "n2", most=2) == []


def test_last_director_stays() -> None:
    refusals = Cluster().ask("n1", "n2", "n3", most=3)
    assert refusals == [
        f"No other node announces VIP {WEB} of service web, VIP {DNS} of service dns to a router. Bring another node up"
        " for it first (site.yml, undrain), or for a service of policy local a backend on another node."
    ]


@pytest.mark.parametrize(
    "other",
    [
        Node(speaking=False),
        Node(vips=()),
        Node(asks_to_leave=True),
        Node(vips=(DNS,)),
        Node(drained=True, vips=(WEB, DNS)),
    ],
    ids=["no session", "announces nothing", "asks to leave", "announces others", "drained and not withdrawn yet"],
)
def test_only_who_really_announces_can_take_over(other: Node) -> None:
    (refusal,) = Cluster(n1=other, n3=Node(reachable=False)).ask("n2", most=3)
    assert f"VIP {WEB} of service web" in refusal


def test_director_that_announces_nothing_loses_nothing() -> None:
    others = {"n1": Node(vips=()), "n3": Node(vips=())}
    assert Cluster(n2=Node(vips=()), **others).ask("n2") == []
    assert Cluster(n2=Node(speaking=False), **others).ask("n2") == []


@pytest.mark.parametrize(
    "now",
    [
        Node(drained=True),
        Node(drained=True, asks_to_leave=True),
        Node(drained=True, vips=()),
        Node(drained=False, asks_to_leave=True),
    ],
    ids=["only noted", "asked the routers", "withdrawn", "not even noted"],
)
def test_run_can_be_repeated_from_any_point(now: Node) -> None:
    assert Cluster(n2=now).ask("n2") == []


def test_policy_local_counts_the_nodes_that_may_announce() -> None:
    cluster = Cluster(n3=Node(vips=(DNS,)))
    cluster.data["services"][0]["policy"] = "local"
    assert cluster.ask("n2") == []
    cluster.data["services"][0]["backends"][1]["ready"] = False  # n1's, and site.yml has not withdrawn there yet
    (refusal,) = cluster.ask("n2")
    assert refusal.startswith(f"No other node announces VIP {WEB} of service web to a router.")
    assert DNS not in refusal


@pytest.mark.parametrize("where", NODES)
def test_nobody_goes_or_comes_while_a_backend_drains(where: str) -> None:
    cluster = Cluster(**{where: Node(closing={POD: 3}, vips=(WEB, DNS))})
    (refusal,) = cluster.ask("n2")
    assert refusal.startswith(f"A backend still drains: {POD} of service web (3 connections on {where}).")
    cluster.nodes["n2"] = Node(drained=True, vips=(), closing=cluster.nodes["n2"].closing)
    assert [text[:32] for text in cluster.ask_back("n2")] == ["A backend still drains: 10.244.2"]
    assert cluster.ask("n2") == []  # it is out already: nothing moves


@pytest.mark.parametrize("where", NODES)
def test_nobody_leaves_the_cluster_while_a_backend_drains(where: str) -> None:
    cluster = Cluster(**{where: Node(closing={POD: 3})})
    (refusal,) = cluster.ask_to_leave("n2")
    assert refusal.startswith(f"A backend still drains: {POD} of service web (3 connections on {where}).")
    assert cluster.ask("n2") == [refusal]
    cluster.nodes["n2"] = Node(vips=(), closing=cluster.nodes["n2"].closing)
    assert cluster.ask_to_leave("n2") == []
    cluster.nodes["n2"] = Node(reachable=False)
    assert cluster.ask_to_leave("n2") == []


def test_several_nodes_may_leave_the_cluster_and_so_may_the_last_director_of_a_vip() -> None:
    assert Cluster(n1=Node(drained=True, vips=())).ask_to_leave("n2", "n3") == []


@pytest.mark.parametrize("where", NODES)
def test_director_that_does_not_tell_of_its_backends_is_a_reason_to_refuse(where: str) -> None:
    cluster = Cluster(**{where: Node(blind="command ipvsadm: is not installed.\nInstall it.")})
    wanted = [
        f"Cannot see whether a backend drains on node {where}: command ipvsadm: is not installed. Install it."
        " Mend it and run again."
    ]
    assert cluster.ask("n2") == wanted
    assert cluster.ask_to_leave("n2") == wanted
    cluster.nodes["n2"] = Node(drained=True, vips=(), blind=cluster.nodes["n2"].blind)
    assert cluster.ask_back("n2") == wanted
    assert cluster.ask("n2") == []  # it is out already: nothing moves


def test_director_that_was_not_asked_is_a_reason_to_refuse() -> None:
    cluster = Cluster()
    hostvars = {each: node.found(cluster.mark) for each, node in cluster.nodes.items()}
    del hostvars["n3"][plugin.SERVED]
    (refusal,) = FILTERS["drain_refusals"](cluster.plan, hostvars=hostvars, nodes=NODES, asked=["n2"])
    assert refusal.startswith("Cannot see whether a backend drains on node n3: nobody asked it.")


def test_director_lost_between_two_questions_is_unreachable() -> None:
    cluster = Cluster()
    hostvars = {each: node.found(cluster.mark) for each, node in cluster.nodes.items()}
    hostvars["n3"][plugin.SERVED] = {"unreachable": True, "msg": "no route to host"}
    (refusal,) = FILTERS["drain_refusals"](cluster.plan, hostvars=hostvars, nodes=NODES, asked=["n2"])
    assert refusal.startswith("Draining n2 beside n3, drained or unreachable, would take 2 nodes out")


def test_of_two_runs_at_once_each_that_looks_after_both_notes_backs_off() -> None:
    """Both have passed the first look; the one that writes its note last sees both."""
    cluster = Cluster(n2=Node(drained=True), n3=Node(drained=True))
    assert cluster.ask("n2")[0].startswith("Draining n2 beside n3, drained or unreachable, would take 2 nodes out")
    assert cluster.ask("n3")[0].startswith("Draining n3 beside n2, drained or unreachable, would take 2 nodes out")
    cluster.nodes["n1"] = Node(vips=())
    assert [text[:23] for text in cluster.ask("n2", most=2)] == ["No other node announces"]


def test_backend_without_connections_has_drained() -> None:
    assert Cluster(n1=Node(closing={POD: 0})).ask("n2") == []


def test_second_generation_of_a_table_has_the_name_of_its_service() -> None:
    cluster = Cluster(n1=Node(closing={POD: 3}))
    (refusal,) = cluster._filter("drain_refusals", ("n2",), mark=cluster.mark + 1)
    assert f"{POD} of service web (3" in refusal


def test_node_that_announces_already_may_be_undrained_again() -> None:
    assert Cluster(n1=Node(closing={POD: 3})).ask_back("n2") == []


def test_long_lists_are_cut() -> None:
    pods = {f"10.244.2.{number}": 1 for number in range(2, 10)}
    (refusal,) = Cluster(n1=Node(closing=pods)).ask("n2")
    assert " and 3 more. Connections" in refusal


states = st.builds(
    Node,
    reachable=st.booleans(),
    drained=st.booleans(),
    speaking=st.booleans(),
    asks_to_leave=st.booleans(),
    vips=st.sampled_from([(), (WEB,), (DNS,), (WEB, DNS)]),
    closing=st.sampled_from([{}, {POD: 0}, {POD: 1}]),
    blind=st.sampled_from(["", "command ipvsadm: failed"]),
)


@given(st.tuples(states, states, states), st.sets(st.sampled_from(NODES), min_size=1), st.integers(0, 3))
def test_what_is_allowed_is_safe(nodes: tuple[Node, Node, Node], asked: set[str], most: int) -> None:
    cluster = Cluster(**dict(zip(NODES, nodes)))
    if cluster.ask(*sorted(asked), most=most):
        return
    out = {name for name, node in cluster.nodes.items() if node.drained or not node.reachable} | asked
    assert len(out) <= most
    heard = {name: node for name, node in cluster.nodes.items() if node.reachable and node.speaking}
    lost = {vip for name, node in heard.items() if name in asked for vip in node.vips}
    kept = {vip for name, node in heard.items() if name not in out and not node.asks_to_leave for vip in node.vips}
    assert lost <= kept
    if lost:
        seen = [node for node in cluster.nodes.values() if node.reachable]
        assert not any(node.blind or any(node.closing.values()) for node in seen)


ROUTES = {
    4: [
        {"dst": "default", "gateway": "198.51.100.1"},
        {"dst": "203.0.113.1", "nexthops": [{"gateway": "192.0.2.11"}, {"gateway": "192.0.2.12"}]},
        {"dst": "203.0.113.2", "gateway": "192.0.2.11"},
    ],
    6: [{"dst": "2001:db8:f::1", "gateway": "2001:db8:a::12"}],
}


@pytest.mark.parametrize(
    ("version", "gateways", "missing"),
    [
        (4, ["192.0.2.12", "2001:db8:a::12"], ["203.0.113.2", "203.0.113.9"]),
        (4, ["192.0.2.11"], ["203.0.113.9"]),
        (4, ["2001:db8:a::12"], []),
        (6, ["192.0.2.12", "2001:DB8:a:0::12"], []),
        (6, ["2001:db8:a::11"], ["2001:db8:f::1"]),
        (6, ["192.0.2.12"], []),
    ],
)
def test_unrouted(version: int, gateways: list[str], missing: list[str]) -> None:
    vips = ["2001:db8:f::1", "203.0.113.9", "203.0.113.2", "203.0.113.1"]
    assert FILTERS["unrouted"](json.dumps(ROUTES[version]), vips, gateways, version) == missing


def test_unrouted_bad_input() -> None:
    with pytest.raises(AnsibleFilterError, match="'web' is not an IP address"):
        FILTERS["unrouted"]("[]", ["web"], [], 4)
    with pytest.raises(AnsibleFilterError, match="ip -json route show"):
        FILTERS["unrouted"]("junk", [], [], 4)


def test_targets_are_a_tcp_port_of_each_service_that_takes_connections() -> None:
    cluster = Cluster()
    cluster.data["services"][1]["ports"] = [{"port": 53, "protocol": "udp"}]
    target = {"vip": WEB, "port": 80, "mark": cluster.mark}
    assert FILTERS["tunnel_targets"](cluster.plan) == [target]
    one, other = cluster.data["services"][0]["backends"]
    one["weight"] = 0
    assert FILTERS["tunnel_targets"](cluster.plan) == [target]
    other["terminating"] = True
    assert FILTERS["tunnel_targets"](cluster.plan) == []
