# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge against a cluster that works, and against one for each link that can break."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.filter.verdict import verdict
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.world import NODES, World

N1, N2 = frozenset(("n1",)), frozenset(("n2",))


def judged(
    world: World, services: list[dict[str, Any]] | None = None, hostvars: dict[str, Any] | None = None
) -> dict[str, Any]:
    return verdict(
        services or world.services(),
        hostvars=hostvars or world.hostvars(),
        nodes=NODES,
        routers=["r1"],
        clients=["client"],
        announcers=world.announcers(),
    )


def row(world: World) -> dict[str, Any]:
    return dict(judged(world)["rows"][0])


def links(world: World) -> list[str]:
    return [broken["link"] for broken in row(world)["broken"]]


def reasons(world: World) -> list[str]:
    return [broken["reason"] for broken in row(world)["broken"]]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_cluster_that_works(version: int, protocol: str) -> None:
    world = World(version=version, protocol=protocol)
    told = row(world)
    pods = {f"{world.family.pod_of(node)}@{node}": 6 for node in NODES}
    assert told["ok"], told["broken"]
    assert told["clients"] == [world.family.client]
    assert told["next_hops"] == {"r1": ["n1", "n2", "n3"]}
    assert told["director_packets"] == {"n1": 6, "n2": 6, "n3": 6}
    assert (told["foreign_replies"], told["pods"], told["nodes"]) == (0, pods, list(NODES))
    assert (told["sent"], told["answered"], told["notes"]) == (18, 18, [])


def test_the_table_of_a_cluster_that_works() -> None:
    table = judged(World(connections=9))["lines"]
    cells = [re.split("  +", line) for line in table[:3]]
    assert cells[0][:2] == ["VIP", "CLIENT SEEN BY POD"]
    assert set("".join(cells[1])) == {"-"}
    assert cells[2] == [
        "203.0.113.1:80/tcp",
        "198.51.100.10",
        "r1: n1 n2 n3",
        "n1:3 n2:3 n3:3",
        "0",
        "10.244.1.2@n1 10.244.2.2@n2 10.244.3.2@n3",
        "9/9",
        "OK",
    ]
    assert table[3:] == ["", "All 1 OK"]


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"next_hops": ()}, "route", "no route in the FIB of r1"),
    ({"next_hops": ("n1", "n3")}, "route", "2 of 3 next hops in the FIB of r1: n2 missing"),
    ({"deaf_router": True}, "client", "18 of 18 connections never came to a router"),
    ({"drops": True}, "router", "18 of 18 connections came to no director"),
    ({"unmarked": N1}, "director", "n1 did not tunnel 6 of 6 connections (mark or IPVS)"),
    ({"unmarked": frozenset(NODES)}, "director", "n1 did not tunnel 6 of 6 connections (mark or IPVS)"),
    ({"cut": N2}, "network", "6 of 18 connections were tunnelled to pod {n2} on n2 and lost on the way"),
    ({"deaf": N2}, "tunnel", "pod {n2} on n2 did not decapsulate 6 of 18 connections"),
    ({"mute": N2}, "pod", "pod {n2} on n2 got 6 of 18 connections and did not answer from the VIP"),
    ({"stale": N1}, "stale", "n1 tunnels to {n9}, which is no backend"),
    ({"absent": N2}, "missing", "pod {n2} is in no network namespace of n2"),
    ({"detour": {"n2": "n3"}}, "foreign", "6 reply packets passed n3, whose pods did not send them"),
    ({"nat": True}, "address", "client address rewritten: the directors saw {nat} instead of {client}"),
    ({"masquerading": N1}, "address", "client address rewritten: pod {n1} on n1 saw {n1_host} instead of {client}"),
    ({"no_return": True}, "return", "18 of 18 connections were answered by a pod but not for the client: "),
]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("fault", "link", "reason"), BROKEN, ids=lambda value: str(value)[:24])
def test_each_broken_link_is_named_first(
    fault: dict[str, Any], link: str, reason: str, version: int, protocol: str
) -> None:
    world = World(version=version, protocol=protocol, **fault)
    words = {name: world.family.pod_of(name) for name in (*NODES, "n9")}
    more = {"client": world.family.client, "nat": world.family.node("n9"), "n1_host": world.family.node("n1")}
    told = judged(world)
    assert not told["ok"]
    assert links(world)[0] == link
    assert reasons(world)[0].startswith(reason.format(**words, **more))
    assert told["lines"][-1] == "1 of 1 FAILED"


def test_only_links_that_are_broken_are_named() -> None:
    for fault, link, _reason in BROKEN:
        if link != "missing":
            assert set(links(World(**fault))) == {link}, fault


def test_a_closed_port_is_told_from_a_missing_vip() -> None:
    assert reasons(World(closed=N2)) == ["pod 10.244.2.2 on n2 refused 6 of 18 connections: nothing listens"]


def test_the_client_address_that_pods_saw_is_shown_also_when_it_is_wrong() -> None:
    assert row(World(masquerading=frozenset(NODES)))["clients"] == ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    assert row(World(nat=True))["clients"] == ["192.0.2.19"]


def test_foreign_replies_are_counted_per_packet() -> None:
    told = row(World(connections=27, detour={"n1": "n2", "n2": "n3"}))
    assert told["foreign_replies"] == 18
    assert told["answered"] == 27, "everything was answered, and yet it is no direct return"


def test_replies_that_no_pod_sent_are_foreign() -> None:
    world = World(unmarked=frozenset(NODES))
    for flow in world.flows:
        flow.update(answered=True, error="")
        world._see("n1", "host", "fabric0", 4, world._reply(world.family.client, flow["port"], refused=False))
    assert links(world) == ["director", "director", "director", "foreign"]
    assert row(world)["foreign_replies"] == 18


def test_several_faults_are_told_in_the_order_of_the_way() -> None:
    world = World(connections=45, next_hops=("n1", "n2"), unmarked=N1, deaf=N2, mute=frozenset(("n3",)))
    assert links(world) == ["route", "director", "tunnel", "pod"]


def test_flooded_frames_at_other_nodes_are_no_replies() -> None:
    world = World()
    world._see("n3", "host", "fabric0", 3, world._reply(world.family.client, 40000, refused=False))
    assert row(world)["foreign_replies"] == 0


def test_other_clients_do_not_count() -> None:
    world = World()
    world._travel(0, 50000)
    world.detour = {"n2": "n1"}
    world._travel(0, 50001)
    told = row(world)
    assert told["ok"], told["broken"]
    assert told["director_packets"]["n1"] == 6


def test_a_nat_in_front_of_the_client_is_only_a_note() -> None:
    told = row(World(client_nat=True))
    assert told["ok"], told["broken"]
    assert told["notes"] == ["a NAT on the client's side turns 192.168.1.5 into 198.51.100.10"]


def test_what_the_application_says_is_only_a_note() -> None:
    told = row(World(proxy="127.0.0.1"))
    assert told["ok"]
    assert told["notes"] == ["the application says it saw 127.0.0.1 as client"]


def test_one_director_for_all_is_a_note() -> None:
    told = row(World(same_hash=True))
    assert told["ok"]
    assert told["notes"] == ["all connections came in at n1: does the router hash by port (L4)?"]
    assert row(World(next_hops=("n1",)))["notes"] == [], "there is no choice"


@pytest.mark.parametrize("host", ["n2", "r1", "client"])
@pytest.mark.parametrize("left", [{}, {"failed": True, "msg": "unreachable"}])
def test_nothing_is_proven_without_every_hosts_evidence(host: str, left: dict[str, Any]) -> None:
    world = World()
    hostvars = world.hostvars()
    hostvars[host] = {"dsr_verify_capture": left, "dsr_verify_probe": left} if left else {}
    told = judged(world, hostvars=hostvars)
    kind = "probe" if host == "client" else "capture"
    assert told["rows"][0]["broken"][0]["reason"] == f"no {kind} from {host}"


def test_a_vip_that_was_not_probed_fails() -> None:
    world = World()
    world.flows = []
    assert reasons(world) == ["no client probed it"]


def test_a_vip_without_backends_must_have_no_route() -> None:
    world = World()
    empty: dict[str, Any] = {"name": "empty", "vip": "203.0.113.9", "policy": "cluster", "backends": []}
    empty["ports"] = [{"port": 80, "protocol": "tcp"}]
    assert judged(world, services=[empty])["ok"]
    hostvars = world.hostvars()
    route = {"vip": "203.0.113.9", "type": "unicast", "protocol": "bgp", "hops": ["192.0.2.11"]}
    hostvars["r1"]["dsr_verify_capture"]["routes"].append(route)
    told = judged(world, services=[empty], hostvars=hostvars)
    assert [broken["link"] for broken in told["rows"][0]["broken"]] == ["withdrawal"]


def test_a_service_without_backends_on_an_announced_vip() -> None:
    world = World()
    empty = {**world.services()[0], "name": "later", "ports": [{"port": 81, "protocol": "tcp"}], "backends": []}
    told = judged(world, services=[*world.services(), empty])
    assert told["ok"], told["rows"]


def test_an_unreachable_route_is_no_route() -> None:
    world = World()
    hostvars = world.hostvars()
    hostvars["r1"]["dsr_verify_capture"]["routes"][0].update(type="unreachable", hops=[])
    told = judged(world, hostvars=hostvars)["rows"][0]
    assert told["broken"][0]["reason"] == "no route in the FIB of r1"


def test_next_hops_by_link_local_address_are_counted() -> None:
    world = World(version=6)
    hostvars = world.hostvars()
    route = hostvars["r1"]["dsr_verify_capture"]["routes"][0]
    route["hops"] = ["fe80::1", "fe80::2", "fe80::3"]
    assert judged(world, hostvars=hostvars)["ok"]
    route["hops"] = ["fe80::1", "fe80::3"]
    told = judged(world, hostvars=hostvars)["rows"][0]["broken"]
    assert [broken["reason"] for broken in told] == ["2 of 3 next hops in the FIB of r1"]


def test_a_capture_that_missed_packets_says_so() -> None:
    world = World()
    hostvars = world.hostvars()
    hostvars["n1"]["dsr_verify_capture"].update(dropped=5, left_out=2)
    told = judged(world, hostvars=hostvars)
    assert told["rows"][0]["notes"] == ["the capture on n1 missed 7 packets"]
    assert "Note: the capture on n1 missed 7 packets (203.0.113.1:80/tcp)" in told["lines"]


def test_each_cure_is_told_once() -> None:
    told = judged(World(unmarked=frozenset(NODES)))["lines"]
    assert sum("ipvsadm -Ln" in line for line in told) == 1
    assert sum("did not tunnel" in line for line in told) == 3


def test_no_services() -> None:
    told = verdict([], hostvars={}, nodes=[], routers=[], clients=[])
    assert (told["ok"], told["lines"]) == (True, ["There is no service to verify."])
