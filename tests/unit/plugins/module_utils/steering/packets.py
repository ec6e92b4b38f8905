# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP packets as bytes, valid down to their checksums, so that a real kernel would take them too."""

from __future__ import annotations

import ipaddress
import struct

SYN, SYN_ACK = 0x02, 0x12
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "ipip": 4, "ip6ip6": 41, "gre": 47, "options": 60}
ENCAPSULATION_LIMIT = bytes([41, 0, 4, 1, 4, 1, 0, 0])
"""The destination option header that ip6tnl sends before an IPv6 packet."""


def ip(source: str, destination: str, protocol: int, payload: bytes, options: bytes = b"", offset: int = 0) -> bytes:
    """offset: of an IPv4 fragment, in units of 8 bytes."""
    from_to = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if ":" in destination:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + from_to + payload
    words = 5 + len(options) // 4
    length = 4 * words + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 1, offset, 64, protocol, 0) + from_to + options
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + payload


def tcp(source: str, destination: str, ports: tuple[int, int], flags: int = SYN, mss: int = 1460) -> bytes:
    head = struct.pack("!HHIIBBHHHBBH", *ports, 1, 0, 6 << 4, flags, 1000, 0, 0, 2, 4, mss)
    return ip(source, destination, 6, _with_checksum(source, destination, 6, head, 16))


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes = b"") -> bytes:
    head = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    return ip(source, destination, 17, _with_checksum(source, destination, 17, head, 6))


def icmp(source: str, destination: str, number: int, payload: bytes = b"", options: bytes = b"") -> bytes:
    """payload: of an error the packet that it quotes."""
    protocol = 58 if ":" in source else 1
    head = struct.pack("!BBHI", number, 0, 0, 0x10001) + payload
    if protocol == 58:
        return ip(source, destination, 58, _with_checksum(source, destination, 58, head, 2))
    return ip(source, destination, 1, head[:2] + struct.pack("!H", _checksum(head)) + head[4:], options)


def tunnelled(tunnel: str, source: str, destination: str, inner: bytes, options: bytes = b"") -> bytes:
    """As IPVS sends it; options: of the outer IPv4 header, or an IPv6 destination options header in between."""
    six = ":" in destination
    number = {"ipip": 41 if six else 4, "gre": 47, "gue": 17}[tunnel]
    payload = inner
    if tunnel == "gre":
        payload = struct.pack("!HH", 0, 0x86DD if six else 0x800) + inner
    elif tunnel == "gue":
        payload = struct.pack("!HHHHBBH", 40000, 6080, 12 + len(inner), 0, 0, 41 if six else 4, 0) + inner
    if six and options:
        return ip(source, destination, 60, bytes([number]) + options[1:] + payload)
    return ip(source, destination, number, payload, options)


def _with_checksum(source: str, destination: str, protocol: int, head: bytes, at: int) -> bytes:
    from_to = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    total = _checksum(from_to + struct.pack("!II", len(head), protocol) + head)
    return head[:at] + struct.pack("!H", total) + head[at + 2 :]


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
