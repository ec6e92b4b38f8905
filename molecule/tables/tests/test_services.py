# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service can ask for beyond the defaults, under traffic: affinity, limits, tunnels; and where VIPs can stand.

Nobody announces the VIPs of these services: each test has the router send them to a director of its choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hands import NODES, Cluster, Services, known_nodes, options, planned, services

POD = {4: "10.244.{}.2", 6: "2001:db8:244:{}::2"}
CLIENT = {4: "198.51.100.10", 6: "2001:db8:c::10"}
OTHERS = {
    4: [f"198.51.100.{number}" for number in range(110, 118)],
    6: [f"2001:db8:c::{number}" for number in range(110, 118)],
}
PORTS = ("21000", "21019")
SIZE = 1_000_000
UDP, GRE = 17, 47
OUTER = {"gue": (UDP, 6080), "gre": (GRE, None)}
"""Protocol of the outermost header of a tunnelled packet, and its UDP port."""

ASKED: dict[str, dict[str, Any]] = {
    "hash": {"affinity": "hash"},
    "sticky": {"affinity": "persistent", "affinity_timeout": 20, "scheduler": "rr"},
    "limited": {"scheduler": "rr"},
    "gue": {"tunnel": "gue"},
    "gre": {"tunnel": "gre"},
}
HOSTS = {"limited": (1, 2), "gue": (2, 3), "gre": (2, 3)}
"""Nodes with backends, where not all have one. Those of tunnels are not on the director of their test."""


def vips(name: str) -> dict[int, str]:
    number = 31 + list(ASKED).index(name)
    return {4: f"203.0.113.{number}", 6: f"2001:db8:f::{number}"}


def asked(name: str, version: int) -> dict[str, Any]:
    """One of the services. Only of `limited` a backend has a limit, of one connection; the other has none."""
    limits = {1: {"max_connections": 1}} if name == "limited" else {}
    backends = [
        {"address": POD[version].format(number), "node": f"n{number}", **limits.get(number, {})}
        for number in HOSTS.get(name, (1, 2, 3))
    ]
    ports = [{"port": 80}]
    return {"name": f"{name}{version}", "vip": vips(name)[version], "ports": ports, "backends": backends, **ASKED[name]}


def wanted() -> Services:
    return [*services(), *(asked(name, version) for name in ASKED for version in (4, 6))]


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with all these services beside those of the inventory."""
    cluster.bring(wanted())
    yield cluster
    cluster.bring()


@pytest.fixture
def by_way_of(through):
    """`with by_way_of("n1", "hash", ...):` this director gets the packets of these services."""

    def steer(node: str, *names: str) -> ExitStack:
        with ExitStack() as stack:
            for name in names:
                for vip in vips(name).values():
                    stack.enter_context(through(vip, node))
            return stack.pop_all()

    return steer


def pods_of(flows: Iterable[dict[str, Any]], vip: str) -> list[str]:
    return [flow["pod"] for flow in flows if flow["vip"] == vip]


def served_at(vip: str) -> str:
    """As ipvsadm shows it."""
    return f"[{vip}]:80" if ":" in vip else f"{vip}:80"


@pytest.mark.parametrize("version", [4, 6])
def test_hash_gives_a_client_the_same_pod_on_every_director(served, packets, through, version: int) -> None:
    vip = vips("hash")[version]
    clients = [CLIENT[version], *OTHERS[version]]
    found = {}
    for node in NODES:
        with through(vip, node):
            packets("client", "syn", vip, "80", *PORTS, *clients)
        (listing,) = served[node].run("ipvsadm -Lnc")
        entries = [words for words in map(str.split, listing.splitlines()) if words[4:5] == [served_at(vip)]]
        found[node] = {(words[3], words[5]) for words in entries}
    pods = {
        client: {pod for source, pod in found["n1"] if source.rpartition(":")[0].strip("[]") == client}
        for client in clients
    }
    assert [len(each) for each in pods.values()] == [1] * len(clients), pods
    assert len(set.union(*pods.values())) > 1, pods
    assert found["n1"] == found["n2"] == found["n3"]


def test_persistence_gives_a_client_the_same_pod_again(served, flows, by_way_of) -> None:
    (listing,) = served["n2"].run("ipvsadm -Ln")
    assert listing.count(" persistent 20") == 2, listing
    both = vips("sticky").values()
    with by_way_of("n2", "sticky"):
        with flows(4, *both) as first:
            pass
        with flows(4, *both) as later:
            pass
    for vip in both:
        assert len(set(pods_of([*first["flows"], *later["flows"]], vip))) == 1, (first, later)


def test_limited_backend_gets_no_more_connections_than_it_may(
    served, forgetful, flows, by_way_of, destinations, until
) -> None:
    both = vips("limited").values()

    def connections() -> dict[int, int]:
        """Of the limited backends, at the director."""
        held = destinations(wanted())["n3"]
        return {version: held[f"limited{version}", POD[version].format(1)][1] for version in (4, 6)}

    with by_way_of("n3", "limited"):
        with flows(4, *both) as first:
            assert connections() == {4: 1, 6: 1}
            with flows(4, *both) as second:
                assert connections() == {4: 1, 6: 1}
        until(lambda: connections() == {4: 0, 6: 0})
        with flows(4, *both) as later:
            pass
    for vip in both:
        given = [sorted(pods_of(result["flows"], vip)) for result in (first, second, later)]
        assert given == [["web-1", *["web-2"] * 3], ["web-2"] * 4, ["web-1", *["web-2"] * 3]]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("tunnel", OUTER)
def test_tunnel(served, machine, answer, sniff, through, tunnel: str, version: int) -> None:
    vip = vips(tunnel)[version]
    pods = [POD[version].format(number) for number in HOSTS[tunnel]]
    host = f"[{vip}]" if version == 6 else vip
    with through(vip, "n1"), sniff("n1", *pods) as seen:
        assert answer(vip)["peer"] == CLIENT[version]
        got = machine("client").check_output(
            f"curl -gsS -m 30 -o /dev/null -w '%{{size_download}}' http://{host}/bytes/{SIZE}"
        )
    assert got == str(SIZE)
    sent = [packet for packet in seen if packet["interface"] == "fabric" and packet["outgoing"]]
    outer = [(packet["layers"][0], packet["ports"][1] if packet["layers"][0][2] == UDP else None) for packet in sent]
    assert {(protocol, port) for (_source, _target, protocol), port in outer} == {OUTER[tunnel]}, seen
    assert {source for (source, _target, _protocol), _port in outer} <= {*known_nodes()["n1"]["addresses"]}, seen


def test_vips_move_to_other_devices_of_the_pods(served, machine, flows, in_pod, by_way_of) -> None:
    """With connections open to them, whatever tunnel their packets come out of."""
    web, dns = ("203.0.113.1", "2001:db8:f::1"), ("203.0.113.2", "2001:db8:f::2")
    asking = [*web, *dns, *vips("gue").values(), *vips("gre").values()]
    urls = " ".join(f"http://[{vip}]/" if ":" in vip else f"http://{vip}/" for vip in asking)
    with by_way_of("n1", "gue", "gre"), flows(3, *asking) as result:
        for place, devices in {"lo": ("lo", "lo"), "interface": ("eth0", "eth0"), "tunnel": ("dsr4", "dsr6")}.items():
            served.modules(lambda node, place=place: [("pods", on_device(node, place))])
            assert vip_devices(in_pod("n2/web-2", "ip -json address")) == set(zip((4, 6), devices)), place
            answers = machine("client").check_output(f"curl -gsS -m 10 {urls}").splitlines()
            assert [json.loads(each)["peer"] for each in answers] == [CLIENT[6 if ":" in vip else 4] for vip in asking]
    assert result["broken"] == [] and result["alive"] == 3 * len(asking), result


def on_device(node: str, place: str) -> dict[str, Any]:
    """Options of the module pods for a node."""
    return {**options(planned(node, wanted()))["pods"], "vip_device": place, "purge": True}


def vip_devices(shown: str) -> set[tuple[int, str]]:
    """Version and device of every VIP that a pod has on some device."""
    return {
        (6 if ":" in info["local"] else 4, link["ifname"])
        for link in json.loads(shown)
        for info in link["addr_info"]
        if info["local"].startswith(("203.0.113.", "2001:db8:f::"))
    }
