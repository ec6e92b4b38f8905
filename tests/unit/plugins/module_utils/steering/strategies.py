# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

VIPS = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:f::1", "2001:db8:f::2"]

DEFAULTS: dict[str, Any] = {
    "state": "present",
    "form": "ipset",
    "mark_base": "0x00d00000",
    "mark_mask": "0xfff00000",
    "table": 78,
    "refuse_table": 79,
    "mtu_table": 0,
    "rule_priority": 780,
    "mss": None,
    "ping": False,
    "guard": None,
}


def entry(
    vip: str, port: int, mark: int = 0xD00002, protocol: str = "tcp", source_ranges: list[str] | None = None
) -> dict[str, Any]:
    return {"vip": vip, "protocol": protocol, "port": port, "mark": mark, "source_ranges": source_ranges}


def options(vips: list[str], *entries: dict[str, Any], **others: Any) -> dict[str, Any]:
    """The module's options."""
    return {**DEFAULTS, "vips": vips, "entries": list(entries), **others}


RECORDED_WISH = options(
    ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:f::1"],
    entry("203.0.113.1", 80, source_ranges=["192.0.2.0/24", "198.51.100.7/32"]),
    entry("203.0.113.1", 53, protocol="udp"),
    entry("203.0.113.2", 80, 0xD00004),
    entry("203.0.113.2", 443, 0xD00006, source_ranges=["10.0.0.0/8"]),
    entry("2001:db8:f::1", 80, 0xD00008),
    entry("2001:db8:f::1", 53, 0xD00008, "udp", ["2001:db8:1::/48", "2001:db8:2::5/128"]),
    entry("2001:db8:f::1", 443, 0xD0000A),
    mss={"ipv4": 1440, "ipv6": 1400},
    ping=True,
    guard={
        "sources": ["198.51.100.11", "198.51.100.12", "2001:db8:1::11"],
        "pods": ["10.244.1.2", "10.244.1.3", "2001:db8:244:1::2"],
        "pools": ["203.0.113.0/24", "198.18.0.1/32", "2001:db8:f::/64", "2001:db8:8::/45"],
        "tunnels": ["gre", "gue", "ipip"],
    },
)
"""What the director held when the fixtures were recorded."""

SOURCES = ["192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8:1::1", "2001:db8:2::2"]
_RANGES = {
    4: ["192.0.2.0/24", "192.0.2.0/25", "198.51.100.7/32"],
    6: ["2001:db8:1::/48", "2001:db8::/32", "2001:db8:2::2/128"],
}


@st.composite
def guards(draw: st.DrawFn) -> dict[str, Any]:
    def some(*values: str) -> list[str]:
        return draw(st.lists(st.sampled_from(values), unique=True))

    return {
        "sources": some("198.51.100.11", "198.51.100.12", "2001:db8:1::11"),
        "pods": some("10.244.1.2", "10.244.1.3", "2001:db8:244:1::2"),
        "pools": some("203.0.113.0/24", "0.0.0.0/0", "198.18.0.1/32", "2001:db8:f::/64", "2001:db8:8::/45", "::/0"),
        "tunnels": some("gre", "gue", "ipip"),
    }


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid options over a few VIPs, ports, marks and sources, in either form, sometimes with other numbers."""
    vips = draw(st.lists(st.sampled_from(VIPS), unique=True))
    ports = st.tuples(st.sampled_from(vips), st.sampled_from(["tcp", "udp"]), st.sampled_from([53, 80, 443]))
    offsets = draw(st.dictionaries(ports, st.sampled_from([2, 4, 6]), max_size=8)) if vips else {}
    base = draw(st.sampled_from([0xD00000, 0xE00000]))
    ranges = {
        vip: st.one_of(st.none(), st.lists(st.sampled_from(_RANGES[6 if ":" in vip else 4]), max_size=2))
        for vip in vips
    }
    entries = [
        entry(vip, port, base + offset, protocol, draw(ranges[vip]))
        for (vip, protocol, port), offset in offsets.items()
    ]
    mss = st.fixed_dictionaries({"ipv4": st.sampled_from([None, 1380, 1440]), "ipv6": st.just(1400)})
    return options(
        vips,
        *entries,
        form=draw(st.sampled_from(["ipset", "iptables"])),
        mark_base=hex(base),
        table=draw(st.sampled_from([78, 178])),
        refuse_table=draw(st.sampled_from([79, 179])),
        rule_priority=draw(st.sampled_from([780, 500])),
        mss=draw(st.one_of(st.none(), mss)),
        ping=draw(st.booleans()),
        guard=draw(st.one_of(st.none(), guards())),
    )
