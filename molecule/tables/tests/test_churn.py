# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 3: whatever happened before, every director has the same destinations in the same order, and so sends every
connection to the same pod."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hands import NODES, Services, planned, services

VIP = "203.0.113.77"
CHANGES = 200
DESTINATIONS = 20
CLIENTS = ("198.51.100.10", "198.51.100.110", "198.51.100.111", "198.51.100.112")
PORTS = range(20000, 20500)
Weights = dict[str, int]
POOL = [f"10.244.{node}.{pod}" for node in (1, 2, 3) for pod in range(100, 120)]


def history(chance: random.Random) -> Iterator[Weights]:
    """The destinations after each of the random adds, removes and weight changes; at the end there are DESTINATIONS."""
    held: Weights = {}
    for left in range(CHANGES, 0, -1):
        free = [address for address in POOL if address not in held]
        verbs = ["add"] * bool(free) + ["remove", "weigh"] * bool(held)
        if abs(DESTINATIONS - len(held)) >= left:
            verbs = ["add" if len(held) < DESTINATIONS else "remove"]
        elif abs(DESTINATIONS - len(held)) + 1 >= left:
            verbs = ["weigh"]
        verb = chance.choice(verbs)
        if verb == "add":
            held[chance.choice(free)] = chance.randint(0, 5)
        elif verb == "remove":
            del held[chance.choice(list(held))]
        else:
            held[chance.choice(list(held))] = chance.randint(1, 5)
        yield dict(held)


def with_churn(weights: Weights) -> Services:
    backends = [
        {"address": address, "node": f"n{address.split('.')[2]}", "weight": weight}
        for address, weight in weights.items()
    ]
    return [*services(), {"name": "churn", "vip": VIP, "ports": [{"port": 80}], "backends": backends}]


def calls(node: str, states: list[Weights]) -> list[tuple[str, dict]]:
    """A third of the states, on n3 in an order of its own, each with or without purge; then the last as in site.yml."""
    chance = random.Random(node)
    passed = [state for state in states[:-1] if chance.random() < 1 / 3]
    if node == "n3":
        chance.shuffle(passed)
    last = planned(node, with_churn(states[-1]))
    return [
        *(
            ("ipvs", {"services": planned(node, with_churn(state))["ipvs"], "purge": chance.random() < 0.7})
            for state in passed
        ),
        ("ipvs", {"services": last["ipvs"], "purge": False}),
        ("steering", last["steering"]),
        ("ipvs", {"services": last["ipvs"], "purge": True}),
    ]


@pytest.fixture
def churned(tables):
    """The last state's destinations, all nodes having come to it on ways of their own."""
    states = list(history(random.Random(3)))
    assert len(states[-1]) == DESTINATIONS and len(states) == CHANGES
    tables.modules(lambda node: calls(node, states))
    (churn,) = [one for one in planned("n1", with_churn(states[-1]))["services"] if one["name"] == "churn"]
    (planned_ipvs,) = [one for one in planned("n1", with_churn(states[-1]))["ipvs"] if one["mark"] == churn["mark"]]
    return planned_ipvs


def test_every_director_has_the_same_order_and_sends_every_flow_to_the_same_pod(
    tables, churned, packets, through
) -> None:
    wanted = [[f"{each['address']}:0", str(each["weight"])] for each in churned["destinations"]]
    listings = tables.run(f"ipvsadm -Ln --nosort -f {churned['mark']}")
    for node, (listing,) in listings.items():
        found = [words for words in map(str.split, listing.splitlines()) if words[0] == "->"][1:]
        assert [[words[1], words[3]] for words in found] == wanted, node
    maps = {}
    for node in NODES:
        with through(VIP, node):
            packets("client", "syn", VIP, "80", str(PORTS[0]), str(PORTS[-1]), *CLIENTS)
        (listing,) = tables[node].run("ipvsadm -Lnc")
        entries = [words for words in map(str.split, listing.splitlines()) if words[4:5] == [f"{VIP}:80"]]
        maps[node] = {words[3]: words[5] for words in entries}
    assert {node: len(sent) for node, sent in maps.items()} == dict.fromkeys(NODES, len(CLIENTS) * len(PORTS))
    assert maps["n1"] == maps["n2"] == maps["n3"]
    able = {f"{each['address']}:80" for each in churned["destinations"] if each["weight"]}
    assert set(maps["n1"].values()) == able
