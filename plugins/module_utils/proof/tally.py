# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts of the packets seen, one per place, interface, direction and connection. Pure."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import (
    Outer,
    address_text,
    parse,
    protocol_name,
)

HOST = "host"
"""The place that is the machine itself; every other place is a pod, named by one of its addresses."""

MAX_ENTRIES = 50_000
"""A capture keeps at most so many counts; packets that would open another are only counted as left out."""

_DIRECTIONS = ("in", "in", "in", "other", "out")
"""By packet type of AF_PACKET: to this host, broadcast, multicast, to another host (flooded), outgoing."""

_Key = tuple[str, str, str, Optional[Outer], bytes, bytes, int, int, int]


class Tally:
    """Counts the packets from or to any of the VIPs.

    left_out: packets not counted because MAX_ENTRIES connections were there already.
    """

    def __init__(self, vips: frozenset[bytes], limit: int = MAX_ENTRIES) -> None:
        self._vips = vips
        self._limit = limit
        self._counts: dict[_Key, list[int]] = {}
        self.left_out = 0

    def add(self, place: str, interface: str, packet_type: int, data: bytes) -> None:
        """Count the packet in data, which starts at its outermost IP header, if it touches a VIP."""
        packet = parse(data)
        if packet is None or (packet.src not in self._vips and packet.dst not in self._vips):
            return
        direction = _DIRECTIONS[packet_type] if 0 <= packet_type < len(_DIRECTIONS) else "other"
        key = (
            place,
            interface,
            direction,
            packet.outer,
            packet.src,
            packet.dst,
            packet.protocol,
            packet.sport,
            packet.dport,
        )
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= self._limit:
                self.left_out += 1
                return
            counts = self._counts[key] = [0, 0, 0]
        counts[0] += 1
        counts[1] += packet.length
        counts[2] += packet.reset

    def entries(self) -> list[dict[str, Any]]:
        """The counts, as the module returns them; outer_src and outer_dst are empty for plain packets."""
        return [_entry(key, counts) for key, counts in self._counts.items()]


def _entry(key: _Key, counts: list[int]) -> dict[str, Any]:
    place, interface, direction, outer, src, dst, protocol, sport, dport = key
    return {
        "place": place,
        "interface": interface,
        "direction": direction,
        "outer_src": address_text(outer[0]) if outer else "",
        "outer_dst": address_text(outer[1]) if outer else "",
        "src": address_text(src),
        "dst": address_text(dst),
        "protocol": protocol_name(protocol),
        "sport": sport,
        "dport": dport,
        "packets": counts[0],
        "bytes": counts[1],
        "resets": counts[2],
    }
