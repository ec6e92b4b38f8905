# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many packets to VIPs a node takes, by the counter of the rule that all of them match."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

COMMANDS: Final = ("iptables-save", "ip6tables-save")

_EVERY_VIP: Final = re.compile(
    r'^\[(\d+):\d+\] -A DSR-MARK -m comment --comment "?baremetal\.dsr"? -j MARK --set-(?:x?mark) 0x[0-9a-f]+\S*$',
    re.MULTILINE,
)
"""The rule that gives every packet to a VIP the refuse mark, before others give it that of its service."""


@dataclass(frozen=True)
class Traffic:
    """rate: packets to VIPs per second, of the last look. waited: seconds it took."""

    rate: float
    waited: float


def packets(saved: str) -> int:
    """Packets to VIPs since the rule was made, from `iptables-save -c -t mangle`; 0 if there is no such rule."""
    found = _EVERY_VIP.search(saved)
    return int(found[1]) if found else 0


def wait_until_quiet(
    runner: Runner,
    *,
    below: float,
    interval: float,
    timeout: float,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Traffic:
    """Wait until at most `below` packets per second come to VIPs, measured over `interval` seconds.

    DsrError if there are more after `timeout` seconds. A counter that starts anew counts from 0.
    """
    begin = clock()
    counted, at = _count(runner), begin
    while True:
        pause(interval)
        now, then = _count(runner), clock()
        gone = sum(new - old if new >= old else new for old, new in zip(counted, now))
        rate = gone / max(then - at, 0.001)
        counted, at = now, then
        if rate <= below:
            return Traffic(round(rate, 1), round(then - begin, 1))
        if then - begin >= timeout:
            raise DsrError(
                "traffic",
                f"{rate:.1f} packets per second still come to VIPs after {then - begin:.0f} seconds",
                "Look for a router that is not in the inventory and ignores the community 65535:0, or for clients in"
                f" pods of this node; if these packets may move now, allow more than {below:g} per second",
            )


def _count(runner: Runner) -> list[int]:
    return [packets(runner.read([command, "-c", "-t", "mangle"])) if runner.has(command) else 0 for command in COMMANDS]
