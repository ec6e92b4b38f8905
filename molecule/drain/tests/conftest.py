# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest


@pytest.fixture
def until() -> Callable[..., None]:
    def wait(condition: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.3)

    return wait


@pytest.fixture
def hops(machine) -> Callable[[str], set[str]]:
    """Next hops of a VIP in the kernel of the router, by the last number of their address."""

    def read(vip: str) -> set[str]:
        family = "-6" if ":" in vip else "-4"
        routes = json.loads(machine("r1").check_output(f"ip {family} -json route show {vip}"))
        gateways = {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}
        return {re.split(r"[.:]", gateway)[-1] for gateway in gateways}

    return read


@pytest.fixture
def announced(machine) -> Callable[[str], set[str]]:
    """The VIPs that BIRD of a node holds."""

    def read(node: str) -> set[str]:
        shown = machine(node).check_output("birdc -s /run/baremetal-dsr/bird.ctl show route")
        return set(re.findall(r"^(\S+)/(?:32|128)\s", shown, re.MULTILINE))

    return read
