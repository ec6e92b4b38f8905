# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router's next hops: as `ip` prints them, and what their changes tell about a director."""

from __future__ import annotations

import json

import pytest

from bench.failover.fib import parse
from bench.failover.watch import Fib

VIPS = ["203.0.113.1", "203.0.113.2", "2001:db8:f::1"]
N1, N2 = ["192.0.2.11", "2001:db8:fab::11"], ["192.0.2.12", "2001:db8:fab::12"]


def test_groups_single_hops_and_other_routes() -> None:
    routes = [
        {"dst": "default", "gateway": "198.51.100.9", "dev": "outside", "flags": []},
        {
            "dst": "203.0.113.1",
            "nhid": 20,
            "protocol": "bgp",
            "nexthops": [
                {"gateway": "192.0.2.12", "dev": "fabric", "weight": 1, "flags": []},
                {"gateway": "192.0.2.11", "dev": "fabric", "weight": 1, "flags": []},
            ],
        },
        {"dst": "203.0.113.2", "gateway": "192.0.2.13", "dev": "fabric", "flags": []},
        {"dst": "203.0.113.9", "gateway": "192.0.2.13", "dev": "fabric", "flags": []},
        {"type": "unreachable", "dst": "2001:db8:f::1", "dev": "lo", "flags": []},
    ]
    assert parse(json.dumps(routes), VIPS) == {
        "203.0.113.1": ["192.0.2.11", "192.0.2.12"],
        "203.0.113.2": ["192.0.2.13"],
        "2001:db8:f::1": [],
    }


def test_ipv6_next_hops_as_routes_of_their_own_and_ipv4_over_ipv6() -> None:
    routes = [
        {"dst": "2001:db8:f::1", "gateway": "2001:db8:fab::12", "flags": []},
        {"dst": "2001:db8:f::1", "gateway": "2001:db8:fab::11", "flags": []},
        {"dst": "203.0.113.1", "via": {"family": "inet6", "host": "2001:db8:fab::11"}, "flags": []},
    ]
    found = parse(json.dumps(routes), VIPS)
    assert found == {"2001:db8:f::1": ["2001:db8:fab::11", "2001:db8:fab::12"], "203.0.113.1": ["2001:db8:fab::11"]}


@pytest.mark.parametrize("flag", ["dead", "linkdown"])
def test_a_hop_that_the_kernel_does_not_use_is_none(flag: str) -> None:
    hops = [{"gateway": "192.0.2.11", "flags": []}, {"gateway": "192.0.2.12", "flags": [flag]}]
    assert parse(json.dumps([{"dst": VIPS[0], "nexthops": hops}]), VIPS) == {VIPS[0]: ["192.0.2.11"]}


def test_nothing_at_all() -> None:
    assert parse("", VIPS) == {}


def hops(ipv4: list[list[str]], ipv6: list[list[str]]) -> dict[str, list[str]]:
    """Both VIPs over the nodes given for their family."""
    return {VIPS[0]: [node[0] for node in ipv4], VIPS[2]: [node[1] for node in ipv6]}


WHOLE, HALF, LESS = hops([N1, N2], [N1, N2]), hops([N1], [N1, N2]), hops([N1], [N1])


def test_a_director_has_left_when_the_last_vip_has() -> None:
    fib = Fib(WHOLE, [(10.0, HALF), (10.5, LESS)])
    assert fib.left(N2, 9.0) == 1.5
    assert fib.left(N1, 9.0) is None
    assert fib.returned(N2, 9.0) is None
    assert not fib.whole(N2) and fib.whole(N1)


def test_a_director_is_back_when_all_vips_are() -> None:
    fib = Fib(WHOLE, [(10.0, LESS), (12.0, HALF), (13.0, WHOLE)])
    assert fib.returned(N2, 9.0) == 4.0
    assert fib.left(N2, 9.0) == 1.0
    assert fib.whole(N2)


def test_what_was_before_the_event_does_not_count() -> None:
    fib = Fib(WHOLE, [(10.0, LESS), (12.0, WHOLE)])
    assert fib.left(N2, 11.0) is None
    assert fib.returned(N2, 11.0) == 1.0
    assert fib.since(11.0) == [(12.0, WHOLE)]


def test_a_director_that_never_left_is_back_at_once() -> None:
    assert Fib(WHOLE).returned(N2, 9.0) == 0.0
    assert Fib(LESS).returned(N2, 9.0) is None


def test_a_director_that_flaps_is_back_the_last_time() -> None:
    fib = Fib(WHOLE, [(10.0, LESS), (11.0, WHOLE), (12.0, HALF), (14.0, WHOLE)])
    assert fib.returned(N2, 9.0) == 5.0
