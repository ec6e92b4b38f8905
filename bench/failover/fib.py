# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the network namespace of a router: tells each change of the next hops by which its kernel sends to VIPs.

Usage: fib.py VIP...

It prints "ready" and in the same line as JSON the next hops, {VIP: [GATEWAY, ...]}. For each change, as it comes, it
prints a line of JSON, {"at", "hops"}: when the kernel told it, in seconds of CLOCK_BOOTTIME, and all next hops after
that. It ends with its input.

The kernel's notices say when to look, `ip route` says what there is: daemons change routes, groups of next hops, or
both. Changes that follow each other within the time of one look (some 10 ms) are told as one, with the time of the
first.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

ROUTES4, ROUTES6, NEXT_HOPS = 1 << 6, 1 << 10, 1 << 31
"""Groups of notices: RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Even without a notice."""
GONE = ("dead", "linkdown")

Hops = dict[str, list[str]]


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def parse(text: str, vips: Collection[str]) -> Hops:
    """Gateways of the VIPs of what `ip -json route show` printed, sorted, without those over dead links.

    An IPv6 route with several next hops is one object or one for each of them, as the version of `ip` has it.
    """
    found: dict[str, set[str]] = {}
    for route in json.loads(text or "[]"):
        if route.get("dst") in vips:
            found.setdefault(route["dst"], set()).update(_gateways(route))
    return {vip: sorted(gateways) for vip, gateways in found.items()}


def _gateways(route: Mapping[str, Any]) -> Iterable[str]:
    for hop in route.get("nexthops", [route]):
        gateway = hop.get("gateway") or (hop.get("via") or {}).get("host")
        if gateway and not set(GONE).intersection(hop.get("flags", [])):
            yield gateway


def look(vips: Collection[str]) -> Hops:
    """A VIP without a route has no next hops."""
    hops: Hops = {vip: [] for vip in vips}
    for family in ("-4", "-6"):
        command = ["ip", "-json", family, "route", "show"]
        hops.update(parse(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout, vips))
    return hops


def listen() -> socket.socket:
    notices = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    notices.bind((0, ROUTES4 | ROUTES6 | NEXT_HOPS))
    notices.setblocking(False)
    return notices


def drain(notices: socket.socket) -> None:
    while True:
        try:
            notices.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: there were more than the kernel keeps
            continue


def main(vips: Collection[str]) -> None:
    notices = listen()
    hops = look(vips)
    print("ready", json.dumps(hops), flush=True)
    while True:
        ready, _writable, _errors = select.select([sys.stdin, notices], [], [], SECONDS_BETWEEN_LOOKS)
        at = now()
        if sys.stdin in ready:
            return
        drain(notices)
        found = look(vips)
        if found != hops:
            hops = found
            print(json.dumps({"at": round(at, 2), "hops": hops}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
