# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that cannot be: a message with item, reason and cure, before any write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.apply import reconcile
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import FakeDirector
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import entry, options

V4, OTHER = "203.0.113.1", "203.0.113.2"


def guard(**others: Any) -> dict[str, Any]:
    return {"sources": [], "pods": [], "pools": [], "tunnels": [], **others}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (options(["203.0.113.256"]), "is not an IP address"),
        (options([V4], entry(OTHER, 80)), f"entry {OTHER} tcp/80: VIP {OTHER} is not in vips"),
        (options([V4], entry(V4, 80), entry(V4, 80, 0xD00004)), "two marks, 0xd00002 and 0xd00004"),
        (options([V4], entry(V4, 0)), "port: is 0, out of range"),
        (options([V4], entry(V4, 65536)), "port: is 65536, out of range"),
        (options([V4], entry(V4, 80, protocol="sctp")), "protocol sctp cannot be steered"),
        (options([V4], entry(V4, 80, 0xD00000)), "mark 0xd00000 is none a service can have.*from 0xd00002 to 0xdfffff"),
        (options([V4], entry(V4, 80, 0xD00001)), "none a service can have"),
        (options([V4], entry(V4, 80, 0xE00002)), "none a service can have"),
        (options([V4], table=255), "table: 255 is a table of the kernel's own"),
        (options([V4], table=79), "refuse_table: is 79, as table is"),
        (options([V4], rule_priority=32765), "rule_priority: is 32765, out of range"),
        (options([V4], mark_mask="0xff0ff000"), "not contiguous"),
        (options([V4], mark_base="0x1", mark_mask="0xffffffff"), "makes a range of 1, but 8 marks are the least"),
        (options([V4], mark_base="many"), "not a number"),
        (
            options([V4], entry(V4, 80, source_ranges=["2001:db8::/32"])),
            "is not of the VIP's family. Use IPv4 networks",
        ),
        (options([V4], entry(V4, 80, source_ranges=["192.0.2.1/24"])), "has host bits set"),
        (options([V4], entry(V4, 80, source_ranges=["192.0.2.1"])), "is not a network"),
        (options([V4], entry(V4, 80, source_ranges="192.0.2.0/24")), "source_ranges: is .* not a list"),
        (options([V4], entry(V4, 80), entry(V4, 80, source_ranges=["192.0.2.0/24"])), "two different source_ranges"),
        (options([V4], mss={"ipv4": 255, "ipv6": None}), "mss: ipv4: is 255, out of range"),
        (options([V4], mss={"ipv4": 1400, "ipv6": 65496}), "mss: ipv6: is 65496, out of range"),
        (options([V4], mss={"ipv5": 1400}), "has unknown keys: ipv5"),
        (options([V4], mss=1400), "not a mapping"),
        (options([V4], guard={"sources": [], "pods": [], "pools": []}), "lacks the keys tunnels"),
        (options([V4], guard=guard(tunnels=["vxlan"])), "there is no tunnel vxlan. Use some of gre, gue, ipip"),
        (options([V4], guard=guard(pods=["10.0.0.0/8"])), "guard: pods: .* is not an IP address"),
        (options([V4], guard=guard(sources=["node1"])), "guard: sources: .* is not an IP address"),
        (options([V4], guard=guard(pools=["203.0.113.1/24"])), "guard: pools: .* has host bits set"),
    ],
)
def test_bad_input(wish: dict[str, Any], message: str) -> None:
    director = FakeDirector()
    director.read_only = True
    with pytest.raises(DsrError, match=message):
        reconcile(director, wish, check_mode=False)
