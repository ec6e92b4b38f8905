# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's routes to VIPs, as `ip` tells them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.fib import read_fib
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner


class Kernel(Runner):
    """routes: destination as `ip` prints it -> gateways."""

    def __init__(self, routes: dict[str, list[str]]) -> None:
        self.routes = routes
        self.commands = 0

    def has(self, command: str) -> bool:
        return command == "ip"

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert not writes
        assert list(argv[:2]) == ["ip", "-json"]
        self.commands += 1
        if argv[3] == "-batch":
            asked = [line.split()[-1] for line in (stdin or "").splitlines()]
            return Result(0, "".join(json.dumps(self._show(each)) + "\n" for each in asked), "")
        assert list(argv[3:6]) == ["route", "show", "root"]
        return Result(0, json.dumps(self._show(argv[6])), "")

    def _show(self, network: str) -> list[dict[str, Any]]:
        inside = ipaddress.ip_network(network)
        found = []
        for destination, gateways in self.routes.items():
            own = ipaddress.ip_network(destination)
            if own.version == inside.version and int(inside[0]) <= int(own[0]) <= int(own[-1]) <= int(inside[-1]):
                hops = [{"gateway": each, "dev": "d0", "flags": []} for each in gateways]
                found.append({"dst": destination, "protocol": "bgp", "flags": [], "nexthops": hops})
        return found


ROUTES = {
    "203.0.113.0/24": ["192.0.2.254"],
    "203.0.113.0": ["192.0.2.12", "192.0.2.11"],
    "203.0.113.9": ["192.0.2.13"],
    "198.51.100.1": ["192.0.2.11"],
    "2001:db8:f::1": ["2001:db8::11"],
}


def hops(vips: list[object], pools: list[object], kernel: Kernel | None = None) -> dict[str, list[str]]:
    return {each["vip"]: each["next_hops"] for each in read_fib(kernel or Kernel(ROUTES), vips, pools)}


def test_vips_that_are_asked_for() -> None:
    assert read_fib(Kernel(ROUTES), ["203.0.113.0", "203.0.113.5", "2001:DB8:F:0::1"], []) == [
        {"vip": "203.0.113.0", "next_hops": ["192.0.2.11", "192.0.2.12"], "type": "unicast", "protocol": "bgp"},
        {"vip": "203.0.113.5", "next_hops": [], "type": "none", "protocol": ""},
        {"vip": "2001:db8:f::1", "next_hops": ["2001:db8::11"], "type": "unicast", "protocol": "bgp"},
    ]


def test_pools_give_the_host_routes_in_them_and_no_others() -> None:
    assert hops([], ["203.0.113.0/24", "2001:db8:f::/64"]) == {
        "203.0.113.0": ["192.0.2.11", "192.0.2.12"],
        "203.0.113.9": ["192.0.2.13"],
        "2001:db8:f::1": ["2001:db8::11"],
    }


def test_a_vip_in_a_pool_costs_no_command_of_its_own() -> None:
    kernel = Kernel(ROUTES)
    assert hops(["203.0.113.9", "203.0.113.7"], ["203.0.113.0/24"], kernel)["203.0.113.7"] == []
    assert kernel.commands == 1


def test_nothing_asked_for_costs_nothing() -> None:
    kernel = Kernel(ROUTES)
    assert hops([], [], kernel) == {}
    assert kernel.commands == 0


@pytest.mark.parametrize(
    ("vips", "pools", "message"),
    [
        (["203.0.113.0/32"], [], "VIP 203.0.113.0/32: '203.0.113.0/32' is not an IP address"),
        ([], ["203.0.113.1"], "VIP pool 203.0.113.1: '203.0.113.1' is not a network"),
        ([], ["203.0.113.1/24"], "has host bits set"),
    ],
)
def test_bad_input(vips: list[object], pools: list[object], message: str) -> None:
    with pytest.raises(DsrError, match=message):
        read_fib(Kernel(ROUTES), vips, pools)
