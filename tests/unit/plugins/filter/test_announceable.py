# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node may begin to announce a VIP, on a cluster whose nodes have a state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.filter import announceable as plugin
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import HostPlan, plan_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import example
from hypothesis import given
from hypothesis import strategies as st

FILTERS = plugin.FilterModule().filters()
NODES = ["n1", "n2", "n3"]
WEB, DNS = "203.0.113.1", "2001:db8:f::1"
WEB_POD, DNS_POD = "10.244.2.2", "2001:db8:1::2"
NOW = 1795363200.0


@dataclass
class Node:
    """A node and what Ansible knows of it. vips: what it announces; closing: connections by pod of weight 0."""

    vips: tuple[str, ...] = (WEB, DNS)
    closing: dict[str, int] = field(default_factory=dict)
    in_play: bool = True


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """What operators are told."""
    told: list[str] = []
    monkeypatch.setattr(plugin.Display, "warning", lambda _display, text: told.append(text))
    return told


class Cluster:
    """n3 is new and announces nothing, and a pod of web drains, unless told otherwise."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = {"n1": Node(), "n2": Node(), "n3": Node(vips=()), **nodes}
        self.data = example()
        self.data["nodes"]["n3"] = {"addresses": ["192.0.2.13"]}
        self.web["terminating"] = True

    @property
    def web(self) -> dict[str, Any]:
        backend: dict[str, Any] = self.data["services"][0]["backends"][0]
        return backend

    @property
    def dns(self) -> dict[str, Any]:
        backend: dict[str, Any] = self.data["services"][1]["backends"][0]
        return backend

    def plan(self, host: str) -> HostPlan:
        return plan_cluster(parse_cluster(**self.data)).for_host(host)

    def hostvars(self) -> dict[str, Any]:
        marks = {service["name"]: service["mark"] for service in self.plan("n1")["services"]}
        found: dict[str, Any] = {name: {} for name in NODES}
        for name, node in self.nodes.items():
            if not node.in_play:
                continue
            closing = [
                {
                    "mark": marks["dns" if ":" in pod else "web"],
                    "family": "ipv6" if ":" in pod else "ipv4",
                    "address": pod,
                    "connections": count,
                }
                for pod, count in node.closing.items()
            ]
            found[name] = {
                plugin.KEPT: {"vips": list(node.vips), "drained": False},
                plugin.BUILT: {"time": NOW, "closing": closing, "draining": closing},
            }
        json.dumps(found)  # as plain as Ansible has it
        return found

    def ask(self, host: str) -> list[str]:
        return list(FILTERS["announceable"](self.plan(host), hostvars=self.hostvars(), nodes=NODES))


def test_vip_waits_while_its_backend_drains_on_a_director_that_announces_it(warnings: list[str]) -> None:
    assert Cluster(n1=Node(closing={WEB_POD: 3})).ask("n3") == [DNS]
    assert warnings == [
        f"Node n3 does not announce VIP {WEB} yet: a backend of service web still drains, {WEB_POD} (3 connections on"
        " n1), and connections that move to another director now would lose it. Run again when they have ended. To"
        " announce at once, take the backend out of dsr_services, which ends them."
    ]


def test_backend_of_weight_0_is_the_same_without_draining() -> None:
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}))
    cluster.data["services"][0]["backends"][0] = {"address": WEB_POD, "node": "n2", "weight": 0}
    assert cluster.ask("n3") == [DNS]


def test_nodes_that_announce_go_on(warnings: list[str]) -> None:
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}), n2=Node(closing={WEB_POD: 1}))
    assert cluster.ask("n1") == cluster.ask("n2") == [WEB, DNS]
    assert warnings == []


def test_first_install_waits_for_nobody(warnings: list[str]) -> None:
    """Nobody announces yet. That a pod drains is all the plan knows."""
    cluster = Cluster(n1=Node(vips=()), n2=Node(vips=()))
    assert [cluster.ask(name) for name in NODES] == [[WEB, DNS]] * 3
    assert warnings == []


def test_connections_of_a_director_that_announces_nothing_have_moved_already() -> None:
    assert Cluster(n1=Node(vips=(DNS,), closing={WEB_POD: 3})).ask("n3") == [WEB, DNS]


@pytest.mark.parametrize("other", [Node(closing={WEB_POD: 3}, in_play=False), Node()], ids=["not asked", "drained"])
def test_later_run_announces(other: Node, warnings: list[str]) -> None:
    assert Cluster(n1=other).ask("n3") == [WEB, DNS]
    assert warnings == []


def test_deadline_of_draining_ends_the_wait() -> None:
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}))
    cluster.web["drain_until"] = NOW + 1
    assert cluster.ask("n3") == [DNS]
    cluster.web["drain_until"] = NOW
    assert cluster.ask("n3") == [WEB, DNS]


def test_backend_that_is_no_longer_planned_ends_the_wait() -> None:
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}))
    hostvars = cluster.hostvars()
    del cluster.data["services"][0]["backends"][0]
    assert FILTERS["announceable"](cluster.plan("n3"), hostvars=hostvars, nodes=NODES) == [WEB, DNS]


def test_policy_local_does_not_wait() -> None:
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}))
    cluster.data["services"][0]["policy"] = "local"
    cluster.data["services"][0]["backends"].append({"address": "10.244.3.2", "node": "n3"})
    assert cluster.ask("n3") == [WEB, DNS]


def test_host_that_is_drained_or_told_nothing_gets_the_whole_plan(warnings: list[str]) -> None:
    """The module sees to the one, and of the other it is not known what it announces."""
    cluster = Cluster(n1=Node(closing={WEB_POD: 3}))
    hostvars = cluster.hostvars()
    hostvars["n3"][plugin.KEPT]["drained"] = True
    assert FILTERS["announceable"](cluster.plan("n3"), hostvars=hostvars, nodes=NODES) == [WEB, DNS]
    del hostvars["n3"][plugin.KEPT]
    assert FILTERS["announceable"](cluster.plan("n3"), hostvars=hostvars, nodes=NODES) == [WEB, DNS]
    assert warnings == []


def test_others_are_looked_at_only_if_something_is_new_and_may_be_closing() -> None:
    """A run without a change must not read the variables of all hosts on every host."""

    class OnlyOwn(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> Any:
            assert name == "n1"
            return super().__getitem__(name)

    cluster = Cluster(n2=Node(closing={WEB_POD: 3}))
    hostvars = OnlyOwn(cluster.hostvars())
    assert FILTERS["announceable"](cluster.plan("n1"), hostvars=hostvars, nodes=NODES) == [WEB, DNS]
    hostvars["n1"] = {plugin.KEPT: {"vips": [], "drained": False}}
    del cluster.web["terminating"]
    assert FILTERS["announceable"](cluster.plan("n1"), hostvars=hostvars, nodes=NODES) == [WEB, DNS]


states = st.builds(
    Node,
    vips=st.sampled_from([(), (WEB,), (DNS,), (WEB, DNS)]),
    closing=st.sampled_from([{}, {WEB_POD: 1}, {DNS_POD: 2}, {WEB_POD: 1, DNS_POD: 2}]),
    in_play=st.booleans(),
)


@given(st.tuples(states, states, states), st.booleans())
def test_never_a_withdrawal_never_a_first_install_never_a_connection_lost(
    nodes: tuple[Node, Node, Node], dns_is_quiet: bool
) -> None:
    cluster = Cluster(**dict(zip(NODES, nodes)))
    if dns_is_quiet:
        cluster.dns["weight"] = 0
    for host in NODES:
        wanted, now = cluster.plan(host)["announce"], cluster.nodes[host]
        allowed = cluster.ask(host)
        others = [node for name, node in cluster.nodes.items() if name != host and node.in_play]
        for vip, pod, quiet in ((WEB, WEB_POD, True), (DNS, DNS_POD, dns_is_quiet)):
            closing = quiet and any(vip in node.vips and pod in node.closing for node in others)
            waits = closing and now.in_play and vip not in now.vips
            assert (vip in allowed) == (vip in wanted and not waits)
