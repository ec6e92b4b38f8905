# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Backend, parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import Data, example
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.model.changes import (
    Change,
    backend,
    both,
    more,
    node,
    parsed_web,
    refusal,
    web,
    without,
)

REFUSED: dict[str, tuple[Change, str]] = {
    "backends a string": (web(backends="10.244.1.2"), "service web, backends: is '10.244.1.2', not a list"),
    "backend a string": (web(backends=["10.244.1.2"]), "service web, backends[0]: is '10.244.1.2', not a mapping"),
    "backend of unknown key": (
        backend(host="n1"),
        "service web, backend 10.244.2.2: has unknown keys: host. Valid keys are address, drain_until, max_connections,"
        " min_connections, node, ready, terminating, weight",
    ),
    "backend without address": (
        without("services", 0, "backends", 1, "address"),
        "service web, backends[1]: lacks the keys address",
    ),
    "backend without node": (
        without("services", 0, "backends", 0, "node"),
        "service web, backend 10.244.2.2: lacks the keys node",
    ),
    "backend not an address": (backend(address="pod-1"), "service web, backend pod-1: 'pod-1' is not an IP address"),
    "backend's address of control characters": (
        backend(address="10.244.2.2\n"),
        "service web, backends[0]: '10.244.2.2\\n' is not an IP address",
    ),
    "backend on unknown node": (
        backend(node="n9"),
        "service web, backend 10.244.2.2: is on node 'n9', which is not in the cluster",
    ),
    "backend's node a list": (backend(node=["n1"]), "is on node ['n1'], which is not in the cluster"),
    "backend of other family": (
        backend(address="2001:db8:1::7", node="n1"),
        "service web, backend 2001:db8:1::7: is IPv6, but the vip 203.0.113.1 is IPv4",
    ),
    "backend outside its node's networks": (
        backend(node="n1"),
        "service web, backend 10.244.2.2: is outside the pod networks of node n1 (10.244.1.0/24, 2001:db8:1::/64)",
    ),
    "backend with hostNetwork": (
        backend(address="192.0.2.12"),
        "service web, backend 192.0.2.12: is an address of node n2: a director delivers to a destination of its own"
        " without encapsulation, so a hostNetwork pod cannot be a backend",
    ),
    "backend is an overlay device": (
        both(node(tunnel_addresses=["10.244.1.0"]), backend(address="10.244.1.0", node="n1")),
        "service web, backend 10.244.1.0: is an address of node n1: a director delivers to a destination of its own",
    ),
    "backend listed twice": (
        backend(address="10.244.1.10", node="n1"),
        "service web, backend 10.244.1.10: is listed twice in this service",
    ),
    "backend on two nodes": (
        both(
            without("nodes", "n1", "pod_cidrs"),
            more(backends=[{"address": "10.244.2.2", "node": "n1"}]),
        ),
        "service more, backend 10.244.2.2: is on node n1 here, but on node n2 in service web",
    ),
    "weight negative": (backend(weight=-1), "service web, backend 10.244.2.2, weight: is -1, out of range"),
    "weight too high": (backend(weight=65536), "service web, backend 10.244.2.2, weight: is 65536, out of range"),
    "weight null": (backend(weight=None), "service web, backend 10.244.2.2, weight: is None, not a number"),
    "ready not a boolean": (backend(ready="maybe"), "backend 10.244.2.2, ready: is 'maybe', not true or false"),
    "ready a number": (backend(ready=1), "service web, backend 10.244.2.2, ready: is 1, not true or false"),
    "terminating null": (backend(terminating=None), "backend 10.244.2.2, terminating: is None, not true or false"),
    "drain_until on a ready backend": (
        backend(drain_until=1782907200),
        "service web, backend 10.244.2.2: has drain_until, but is ready and not terminating, so it does not drain."
        " Take drain_until away, or set ready to false or terminating to true",
    ),
    "drain_until on a backend said to be ready": (
        backend(drain_until="2026-07-01T12:00:00Z", ready=True, terminating=False),
        "service web, backend 10.244.2.2: has drain_until, but is ready and not terminating",
    ),
    "drain_until no time": (
        backend(drain_until="tomorrow", ready=False),
        "service web, backend 10.244.2.2, drain_until: is 'tomorrow', not a time. Use unix seconds (not a duration), or"
        " ISO 8601 with a zone, such as '2026-07-01T12:00:00Z'",
    ),
    "drain_until without zone": (
        backend(drain_until="2026-07-01T12:00:00", ready=False),
        "service web, backend 10.244.2.2, drain_until: is '2026-07-01T12:00:00', which has no zone. Add one: Z for UTC",
    ),
    "drain_until a duration": (
        backend(drain_until=300, terminating=True),
        "service web, backend 10.244.2.2, drain_until: is 300, which is no time in the years 2000 to 9999",
    ),
    "max_connections negative": (backend(max_connections=-1), "10.244.2.2, max_connections: is -1, out of range"),
    "max_connections too high": (
        backend(max_connections=2**31),
        "backend 10.244.2.2, max_connections: is 2147483648, out of range. Use a whole number from 0 to 2147483647",
    ),
    "min_connections a word": (backend(min_connections="few"), "min_connections: is 'few', not a number"),
    "min_connections above max": (
        backend(max_connections=10, min_connections=11),
        "service web, backend 10.244.2.2: has min_connections 11, but max_connections 10.",
    ),
    "min_connections without max": (
        backend(min_connections=5),
        "service web, backend 10.244.2.2: has min_connections 5, but max_connections 0 (no limit).",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    assert message in refusal(change)


def changed(**fields: object) -> Backend:
    """Web's backend 10.244.2.2 with these fields."""
    return next(each for each in parsed_web(backend(**fields)).backends if each.address.text == "10.244.2.2")


def test_backends_stand_in_numeric_order_with_their_defaults() -> None:
    assert [
        (b.address.text, b.node, b.weight, b.draining, b.drain_until, b.max_connections, b.min_connections)
        for b in parsed_web().backends
    ] == [
        ("10.244.1.10", "n1", 1, False, None, 0, 0),
        ("10.244.2.2", "n2", 3, False, None, 0, 0),
    ]


def test_weight_may_come_as_text() -> None:
    assert changed(weight="7").weight == 7


@pytest.mark.parametrize(
    ("state", "draining"),
    [
        ({}, False),
        ({"ready": True}, False),
        ({"ready": False}, True),
        ({"terminating": True}, True),
        ({"ready": True, "terminating": True}, True),
        ({"ready": False, "terminating": False}, True),
        ({"ready": "False"}, True),
        ({"ready": "yes", "terminating": "no"}, False),
    ],
)
def test_backend_not_ready_or_terminating_is_draining(state: Data, draining: bool) -> None:
    assert changed(**state).draining is draining


@pytest.mark.parametrize("until", [1782907200, 1782907200.0, "1782907200", "2026-07-01T12:00:00Z"])
def test_drain_until(until: object) -> None:
    assert changed(ready=False, drain_until=until).drain_until == 1782907200.0


@pytest.mark.parametrize("ready", [True, False])
def test_drain_until_null_is_none(ready: bool) -> None:
    assert changed(ready=ready, drain_until=None).drain_until is None


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"max_connections": 100}, (100, 0)),
        ({"max_connections": 2**31 - 1, "min_connections": 2**31 - 1}, (2**31 - 1, 2**31 - 1)),
        ({"max_connections": "0", "min_connections": 0}, (0, 0)),
    ],
)
def test_limits(given: Data, limits: tuple[int, int]) -> None:
    found = changed(**given)
    assert (found.max_connections, found.min_connections) == limits


def test_a_pod_may_drain_from_one_service_only() -> None:
    data = example()
    more(backends=[{"address": "10.244.2.2", "node": "n2", "ready": False}])(data)
    assert [
        each.draining
        for service in parse_cluster(**data).services
        for each in service.backends
        if each.address.text == "10.244.2.2"
    ] == [True, False]


def test_backends_of_a_node_that_states_no_pod_networks_are_not_checked_against_them() -> None:
    data = example()
    without("nodes", "n2", "pod_cidrs")(data)
    backend(address="198.51.100.77")(data)
    assert "198.51.100.77" in [b.address.text for b in parse_cluster(**data).services[2].backends]
