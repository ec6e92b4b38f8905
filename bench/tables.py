# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of any size, made up; the same each time."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

MARK_BASE: Final = 0x00D00000
VIPS: Final = "198.18.0.0/15"
_FIRST_VIP: Final = int(ipaddress.IPv4Address("198.18.0.1"))
_FIRST_POD: Final = int(ipaddress.IPv4Address("10.128.0.0"))
_FIRST_NODE: Final = int(ipaddress.IPv4Address("10.0.0.1"))
_POD_NETWORK: Final = 256

MH_FLAGS: Final = ["mh-fallback", "mh-port"]


def ipvs_services(count: int, backends: int, scheduler: str) -> list[dict[str, Any]]:
    """Services as the module ipvs takes them, no two with a pod in common."""
    return [
        {
            "mark": mark(number),
            "family": "ipv4",
            "scheduler": scheduler,
            "scheduler_flags": MH_FLAGS if scheduler == "mh" else [],
            "destinations": [
                {"address": _address(_FIRST_POD, number * backends + backend), "weight": 1}
                for backend in range(backends)
            ],
        }
        for number in range(count)
    ]


def without_first_backend(services: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The same services, one of them without the backend that stands at the head of its list.

    That is one line in either direction: the kernel adds a destination at the head.
    """
    changed = {**services[number], "destinations": services[number]["destinations"][1:]}
    return [*services[:number], changed, *services[number + 1 :]]


def mark(number: int) -> int:
    """Mark of the service of that number."""
    return MARK_BASE + 2 * (number + 1)


def vip_ports(vips: int, ports: int) -> list[tuple[str, int]]:
    """All pairs of so many VIPs and so many ports."""
    return [(_address(_FIRST_VIP, vip), 1000 + port) for vip in range(vips) for port in range(ports)]


def cluster(services: int, backends: int, nodes: int) -> dict[str, Any]:
    """Arguments of parse_cluster: services of one TCP port each, their backends spread over all nodes."""
    names = [f"node{number:03}" for number in range(nodes)]
    return {
        "services": [
            {
                "name": f"service{number:05}",
                "vip": _address(_FIRST_VIP, number),
                "ports": [{"port": 443}],
                "backends": [_backend(number * backends + backend, names) for backend in range(backends)],
            }
            for number in range(services)
        ],
        "nodes": {
            name: {
                "addresses": [_address(_FIRST_NODE, number)],
                "pod_cidrs": [f"{_address(_FIRST_POD, number * _POD_NETWORK)}/24"],
            }
            for number, name in enumerate(names)
        },
        "vip_pools": [VIPS],
    }


def _backend(number: int, nodes: list[str]) -> dict[str, Any]:
    """A pod with an address of its node's pod network."""
    node, place = number % len(nodes), number // len(nodes)
    return {"address": _address(_FIRST_POD, node * _POD_NETWORK + place + 1), "node": nodes[node]}


def _address(first: int, offset: int) -> str:
    return str(ipaddress.IPv4Address(first + offset))
