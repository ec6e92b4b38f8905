# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's routes to VIPs: to those that are asked for, and to all that lie in a pool."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.baremetal.dsr.plugins.module_utils._iproute import parse_objects
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.routes import parse_routes, read_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner


def read_fib(runner: Runner, vips: Iterable[object], pools: Iterable[object]) -> list[dict[str, Any]]:
    """[{"vip", "next_hops", "type", "protocol"}] of the table main, in numerical order, without hops over dead links.

    A VIP that is asked for and has no host route has type "none"; one that is found in a pool always has a route.
    A pool costs one command however many VIPs it holds, a VIP outside the pools one of its own.
    """
    wanted = [parse_address(f"VIP {vip}", vip) for vip in vips]
    networks = [parse_prefix(f"VIP pool {pool}", pool) for pool in pools]
    alone = [vip for vip in wanted if not any(pool.holds(vip) for pool in networks)]
    if wanted or networks:
        runner.require("ip")
    found = {vip.text: _no_route(vip) for vip in wanted}
    routes = [route for pool in networks for route in _pool_routes(runner, pool)]
    for route in routes + read_routes(runner, [vip.text for vip in alone]):
        found[route["vip"]] = {
            "vip": route["vip"],
            "next_hops": sorted(route["hops"]),
            "type": route["type"],
            "protocol": route["protocol"],
        }
    return sorted(found.values(), key=lambda each: parse_address("route", each["vip"]))


def _pool_routes(runner: Runner, pool: Prefix) -> list[dict[str, Any]]:
    argv = ["ip", "-json", f"-{pool.version}", "route", "show", "root", pool.text]
    routes = parse_objects(" ".join(argv), runner.read(argv))
    return parse_routes(json.dumps([route for route in routes if _is_host(route.get("dst"))]))


def _is_host(destination: object) -> bool:
    """`ip` leaves the length of a host route away."""
    try:
        parse_address("route", destination)
    except DsrError:
        return False
    return True


def _no_route(vip: Address) -> dict[str, Any]:
    return {"vip": vip.text, "next_hops": [], "type": "none", "protocol": ""}
