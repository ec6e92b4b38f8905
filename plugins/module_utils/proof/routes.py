# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel of a router does with packets to the VIPs: its own routes, not what a routing daemon believes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_DEAD = frozenset(("dead", "linkdown"))


def read_routes(runner: Runner, vips: Iterable[str]) -> list[dict[str, Any]]:
    """The kernel's host routes to the VIPs, a command per address family.

    Returns [{"vip", "type": "unicast" | "unreachable" | ..., "protocol", "hops": [gateway, ...]}]; a VIP without
    a route of its own is left out. A next hop on a link that is down does not count.
    """
    vips = list(vips)
    runner.require("ip")
    routes = []
    for option, family in (("-4", [v for v in vips if ":" not in v]), ("-6", [v for v in vips if ":" in v])):
        if family:
            lines = "".join(f"route show {vip}\n" for vip in family)
            routes += parse_routes(runner.read(["ip", "-json", option, "-batch", "-"], stdin=lines))
    return routes


def parse_routes(text: str) -> list[dict[str, Any]]:
    """Routes in the output of `ip -json route show`, one JSON list per command; those of one address are joined."""
    found: dict[str, dict[str, Any]] = {}
    for route in _documents(text):
        vip = str(route.get("dst", "")).split("/", 1)[0]
        entry = found.setdefault(
            vip,
            {
                "vip": vip,
                "type": str(route.get("type", "unicast")),
                "protocol": str(route.get("protocol", "")),
                "hops": [],
            },
        )
        entry["hops"] += [hop for hop in _hops(route) if hop not in entry["hops"]]
    return list(found.values())


def _documents(text: str) -> Iterator[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            raise DsrError(
                "routes of the VIPs", "`ip -json` printed what is no JSON", "Install iproute2 4.17 or later"
            ) from None
        if isinstance(document, list):
            yield from (item for item in document if isinstance(item, dict))
        rest = rest[end:].lstrip()


def _hops(route: Mapping[str, Any]) -> Iterator[str]:
    nexthops = route.get("nexthops")
    for hop in nexthops if isinstance(nexthops, list) else [route]:
        if not isinstance(hop, dict) or _DEAD.intersection(_flags(hop)):
            continue
        via = hop.get("via")
        gateway = hop.get("gateway") or (via.get("host") if isinstance(via, dict) else None)
        if gateway or hop.get("dev"):
            yield str(gateway or f"dev {hop['dev']}")


def _flags(hop: Mapping[str, Any]) -> list[str]:
    flags = hop.get("flags")
    return [str(flag) for flag in flags] if isinstance(flags, list) else []
