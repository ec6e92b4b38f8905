# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets made by hand."""

from __future__ import annotations

import ipaddress
import struct

TCP, UDP = 6, 17
SYN, RST, ACK = 0x02, 0x04, 0x10


def tcp(sport: int, dport: int, flags: int = SYN) -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, flags, 65535, 0, 0)


def udp(sport: int, dport: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def ip(src: str, dst: str, protocol: int, payload: bytes) -> bytes:
    """IPv4 or IPv6, as the addresses are."""
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if source.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0)
    else:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + source.packed + target.packed + payload


def tunnelled(src: str, dst: str, inner: bytes) -> bytes:
    """IPIP or ip6ip6, and the mixed forms."""
    return ip(src, dst, 4 if inner[0] >> 4 == 4 else 41, inner)
