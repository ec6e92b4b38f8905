# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge where not every node announces: drained nodes, and services of policy local."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.filter.verdict import verdict
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.world import NODES, World
from hypothesis import given
from hypothesis import strategies as st

N2 = frozenset(("n2",))
EVERY = frozenset(NODES)
some_nodes = st.frozensets(st.sampled_from(NODES), min_size=1)


def judged(world: World, **changed: Any) -> dict[str, Any]:
    given = {"services": world.services(), "hostvars": world.hostvars(), "announcers": world.announcers(), **changed}
    told: dict[str, Any] = verdict(nodes=NODES, routers=["r1"], clients=["client"], **given)
    return told


def row(world: World, **changed: Any) -> dict[str, Any]:
    return dict(judged(world, **changed)["rows"][0])


def broken(world: World, **changed: Any) -> list[tuple[str, str]]:
    return [(each["link"], each["reason"]) for each in row(world, **changed)["broken"]]


@pytest.mark.parametrize("version", [4, 6])
def test_a_drained_node_is_no_next_hop(version: int) -> None:
    told = row(World(version=version, next_hops=("n1", "n3"), drained=N2))
    assert told["ok"], told["broken"]
    assert told["next_hops"] == {"r1": ["n1", "n3"]}
    assert told["notes"] == ["drained, so no next hop: n2"]


def test_a_drained_node_that_is_still_a_next_hop() -> None:
    assert broken(World(drained=N2)) == [("withdrawal", "r1 sends to n2, which is drained")]


def test_a_node_that_is_missing_beside_a_drained_one() -> None:
    assert broken(World(next_hops=("n1",), drained=N2)) == [("route", "1 of 2 next hops in the FIB of r1: n3 missing")]


def test_all_nodes_drained() -> None:
    world = World(next_hops=(), drained=EVERY)
    told = judged(world)
    assert broken(world) == [("announcers", "all nodes that should announce it are drained: n1, n2, n3")]
    assert (told["rows"][0]["sent"], told["rows"][0]["answered"], told["rows"][0]["notes"]) == (18, 0, [])
    assert any("undrain" in line for line in told["lines"])


def test_all_nodes_drained_and_yet_next_hops() -> None:
    assert [link for link, _reason in broken(World(next_hops=("n2",), drained=EVERY))] == ["announcers", "withdrawal"]


def test_a_vip_without_backends_is_right_without_a_word_about_drained_nodes() -> None:
    empty = {**World().services()[0], "vip": "203.0.113.9", "backends": []}
    told = row(World(drained=N2), services=[empty])
    assert (told["ok"], told["notes"]) == (True, [])


@pytest.mark.parametrize("version", [4, 6])
def test_policy_local_is_announced_by_nodes_with_backends(version: int) -> None:
    told = row(World(version=version, policy="local", holders=("n1", "n2"), next_hops=("n1", "n2")))
    assert told["ok"], told["broken"]
    assert told["notes"] == ["policy local: only n1, n2 may announce it"]


def test_policy_local_with_a_backend_on_every_node_is_worth_no_note() -> None:
    told = row(World(policy="local"))
    assert (told["ok"], told["notes"]) == (True, [])


def test_policy_local_next_hop_without_a_backend() -> None:
    world = World(policy="local", holders=("n1", "n2"), unmarked=frozenset(("n3",)))
    assert broken(world)[0] == ("withdrawal", "r1 sends to n3, which must not announce it (policy local)")


def test_policy_local_next_hop_missing() -> None:
    world = World(policy="local", holders=("n1", "n2"), next_hops=("n1",))
    assert broken(world) == [("route", "1 of 2 next hops in the FIB of r1: n2 missing")]


def test_policy_local_with_its_only_node_drained() -> None:
    world = World(policy="local", holders=("n2",), next_hops=(), drained=N2)
    assert broken(world) == [("announcers", "all nodes that should announce it are drained: n2")]


def test_policy_local_that_no_node_may_announce() -> None:
    world = World(policy="local", next_hops=())
    reason = "no node may announce it: policy local, and none has a backend of every service on the VIP"
    assert broken(world, announcers={}) == [("announcers", reason)]


def test_policy_local_tunnels_to_own_pods_only() -> None:
    world = World(policy="local", connections=9, strays=frozenset(("n1",)))
    assert broken(world) == [
        ("stale", "n1 tunnels 1 of 9 connections to pod 10.244.2.2 on n2, but policy local wants its own pods"),
        ("stale", "n1 tunnels 1 of 9 connections to pod 10.244.3.2 on n3, but policy local wants its own pods"),
    ]
    assert row(world)["answered"] == 9, "everything was answered, and yet it took a second hop"


def test_a_next_hop_that_is_no_node() -> None:
    world = World()
    hostvars = world.hostvars()
    hostvars["r1"]["dsr_verify_capture"]["routes"][0]["hops"].append("192.0.2.99")
    assert broken(world, hostvars=hostvars) == [("withdrawal", "r1 sends to 192.0.2.99, which is no node's address")]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        (("fe80::1", "fe80::3"), []),
        (("fe80::1", "fe80::1"), []),
        (("fe80::1", "2001:db8:fab::13"), []),
        (("fe80::1",), [("route", "1 of 2 next hops in the FIB of r1")]),
        (("fe80::1", "fe80::2", "fe80::3"), [("withdrawal", "r1 has 3 next hops instead of 2")]),
        (
            ("2001:db8:fab::12", "fe80::3"),
            [
                ("route", "1 of 2 next hops in the FIB of r1"),
                ("withdrawal", "r1 sends to n2, which is drained"),
            ],
        ),
    ],
)
def test_link_local_next_hops_can_only_be_counted(hops: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    world = World(version=6, next_hops=("n1", "n3"), drained=N2)
    hostvars = world.hostvars()
    hostvars["r1"]["dsr_verify_capture"]["routes"][0]["hops"] = list(hops)
    assert broken(world, hostvars=hostvars) == expected


@given(hops=some_nodes, holders=some_nodes, drained=st.frozensets(st.sampled_from(NODES)), local=st.booleans())
def test_the_route_is_right_exactly_with_those_that_should_announce(
    hops: frozenset[str], holders: frozenset[str], drained: frozenset[str], local: bool
) -> None:
    world = World(
        connections=3,
        policy="local" if local else "cluster",
        holders=tuple(sorted(holders)),
        next_hops=tuple(sorted(hops)),
        drained=drained,
    )
    wanted = (holders if local else EVERY) - drained
    routing = {"announcers", "route", "withdrawal"} & {link for link, _reason in broken(world)}
    assert (not routing) == (hops == wanted)
