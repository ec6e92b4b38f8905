# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils._advice import advice
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import Data, example

Fields = dict[str, Any]


def said(data: Data) -> list[str]:
    return list(advice(parse_cluster(**data)))


def said_of_web(fields: Fields, backend: Fields) -> list[str]:
    """What is said of the example when the service web, and its first backend, have these fields."""
    data = example()
    data["services"][0].update(fields)
    data["services"][0]["backends"][0].update(backend)
    return said(data)


def test_nothing_is_said_of_the_example() -> None:
    assert said(example()) == []


@pytest.mark.parametrize(
    ("fields", "backend", "warning"),
    [
        (
            {"affinity": "persistent"},
            {},
            "Service web has affinity persistent, which each director keeps for itself: when the router moves a client"
            " to another director, the client may change its pod. With affinity hash it does not.",
        ),
        (
            {},
            {"max_connections": 100},
            "Service web limits the connections of its backends: each director counts its own only, so directors"
            " disagree about which backend is full, and together pass more than the limit.",
        ),
        (
            {"scheduler_flags": ["mh-port"]},
            {},
            "Service web does without mh-fallback: new connections that hash to a backend that is draining, has weight"
            " 0 or is full are dropped.",
        ),
        (
            {"scheduler": "sh", "affinity": "hash", "scheduler_flags": []},
            {},
            "Service web does without sh-fallback: new connections that hash to a backend that is draining, has weight"
            " 0 or is full are dropped.",
        ),
    ],
)
def test_one_warning(fields: Fields, backend: Fields, warning: str) -> None:
    assert said_of_web(fields, backend) == [warning]


@pytest.mark.parametrize(
    ("fields", "backend"),
    [
        ({"affinity": "hash"}, {}),
        ({"scheduler": "rr", "scheduler_flags": []}, {}),
        ({"tunnel": "gue", "source_ranges": ["198.51.100.0/24"]}, {}),
        ({}, {"ready": False}),
        ({}, {"weight": 0}),
        ({"backends": []}, None),
    ],
)
def test_no_warning(fields: Fields, backend: Fields | None) -> None:
    data = example()
    data["services"][0].update(fields)
    if backend is not None:
        data["services"][0]["backends"][0].update(backend)
    assert said(data) == []


@pytest.mark.parametrize(
    ("scheduler", "count", "warned"), [("mh", 40, 0), ("mh", 41, 1), ("mh", 300, 1), ("wrr", 41, 0)]
)
def test_warning_of_many_backends_with_mh(scheduler: str, count: int, warned: int) -> None:
    data = example()
    data["nodes"]["n1"]["pod_cidrs"] = ["10.244.0.0/16", "2001:db8:1::/64"]
    backends = [{"address": f"10.244.{pod // 250}.{pod % 250 + 2}", "node": "n1"} for pod in range(count)]
    data["services"][0].update(scheduler=scheduler, backends=backends)
    assert [warning.startswith(f"Service web has {count} backends:") for warning in said(data)] == [True] * warned


def test_warning_of_a_service_that_only_drains() -> None:
    data = example()
    data["services"][1]["backends"][0]["terminating"] = True
    assert said(data) == [
        "All backends of service dns are draining: VIP 2001:db8:f::1 is withdrawn unless another service on it has a"
        " backend that is not. Nothing leads to the directors then, so open connections end too, not only new ones. To"
        " let them end by themselves, add a backend that is ready, or let one serve on until the others have drained."
    ]


@pytest.mark.parametrize(
    ("mtu", "overlay_overhead", "tunnel", "left"),
    [(1320, 0, "ipip", None), (1319, 0, "ipip", 1279), (1332, 0, "gue", None), (1369, 50, "ipip", 1279)],
)
def test_warning_of_an_mtu_at_which_ipvs_sends_no_ipv6(
    mtu: int, overlay_overhead: int, tunnel: str, left: int | None
) -> None:
    path = {"mtu": mtu, "overlay_overhead": overlay_overhead, "tunnel": tunnel}
    assert said({**example(), **path}) == (
        []
        if left is None
        else [
            f"A dsr_mtu of {mtu} leaves {left} bytes for IPv6 packets to pods: with less than 1280 IPVS sends none."
            " Raise the MTU of the network between the nodes."
        ]
    )
    only_ipv4 = {**example(), "services": example()["services"][:1]}
    assert said({**only_ipv4, **path}) == []


def test_warnings_stand_in_the_order_of_services() -> None:
    data = example()
    for service in data["services"]:
        service["affinity"] = "persistent"
    names = [warning.split()[1] for warning in said(data)]
    data["services"].reverse()
    assert names == [warning.split()[1] for warning in said(data)] == ["dns", "idle", "web"]
