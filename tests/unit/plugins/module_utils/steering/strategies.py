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
    "rule_priority": 780,
}


def entry(vip: str, port: int, mark: int = 0xD00002, protocol: str = "tcp") -> dict[str, Any]:
    return {"vip": vip, "protocol": protocol, "port": port, "mark": mark}


def options(vips: list[str], *entries: dict[str, Any], **others: Any) -> dict[str, Any]:
    """The module's options."""
    return {**DEFAULTS, "vips": vips, "entries": list(entries), **others}


RECORDED_WISH = options(
    ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:f::1"],
    entry("203.0.113.1", 80),
    entry("203.0.113.1", 53, protocol="udp"),
    entry("203.0.113.2", 80, 0xD00004),
    entry("203.0.113.2", 443, 0xD00006),
    entry("2001:db8:f::1", 80, 0xD00008),
    entry("2001:db8:f::1", 53, 0xD00008, "udp"),
)
"""What the director held when the fixtures were recorded."""


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid options over a few VIPs, ports and marks, in either form, sometimes with other numbers."""
    vips = draw(st.lists(st.sampled_from(VIPS), unique=True))
    ports = st.tuples(st.sampled_from(vips), st.sampled_from(["tcp", "udp"]), st.sampled_from([53, 80, 443]))
    offsets = draw(st.dictionaries(ports, st.sampled_from([2, 4, 6]), max_size=8)) if vips else {}
    base = draw(st.sampled_from([0xD00000, 0xE00000]))
    entries = [entry(vip, port, base + offset, protocol) for (vip, protocol, port), offset in offsets.items()]
    return options(
        vips,
        *entries,
        form=draw(st.sampled_from(["ipset", "iptables"])),
        mark_base=hex(base),
        table=draw(st.sampled_from([78, 178])),
        refuse_table=draw(st.sampled_from([79, 179])),
        rule_priority=draw(st.sampled_from([780, 500])),
    )
