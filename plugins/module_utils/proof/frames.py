# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets as bytes, read down to the connection they belong to. Pure."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

TCP = 6
UDP = 17

_PROTOCOL_NAMES = {1: "icmp", TCP: "tcp", UDP: "udp", 58: "icmp6", 132: "sctp"}
_IPIP = 4
_IPV6_IN = 41
_V6_OPTIONS = frozenset((0, 43, 60))
_V6_FRAGMENT = 44
_MAX_LAYERS = 4
_MAX_EXTENSIONS = 8
_TCP_RST = 0x04

Outer = tuple[bytes, bytes]


class Packet(NamedTuple):
    """The innermost IP packet of a frame. Addresses are packed (4 or 16 bytes).

    outer: source and destination of the tunnel header right above it; None if it travels plain.
    sport, dport: 0 where the protocol has none or the packet is a later fragment.
    length: bytes of this IP packet, its header included.
    reset: a TCP segment with RST.
    """

    outer: Outer | None
    src: bytes
    dst: bytes
    protocol: int
    sport: int
    dport: int
    length: int
    reset: bool


class _Header(NamedTuple):
    src: bytes
    dst: bytes
    protocol: int
    payload: int
    length: int
    later_fragment: bool


def parse(data: bytes) -> Packet | None:
    """The packet in data, which starts at the outermost IP header; None if it is none or is cut short."""
    outer: Outer | None = None
    offset = 0
    for _layer in range(_MAX_LAYERS):
        header = _header(data, offset)
        if header is None:
            return None
        if header.protocol not in (_IPIP, _IPV6_IN) or header.later_fragment:
            return _packet(data, outer, header)
        outer = (header.src, header.dst)
        offset = header.payload
    return None


def protocol_name(number: int) -> str:
    """tcp, udp, icmp, icmp6, sctp; otherwise the number."""
    return _PROTOCOL_NAMES.get(number, str(number))


def address_text(packed: bytes) -> str:
    """Canonical text of a packed address."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def address_bytes(text: str) -> bytes:
    """Packed form of an address; ValueError if text is none."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        raise ValueError(f"{text!r} is not an IP address") from None


def _packet(data: bytes, outer: Outer | None, header: _Header) -> Packet | None:
    sport = dport = 0
    reset = False
    if header.protocol in (TCP, UDP) and not header.later_fragment:
        if len(data) < header.payload + (14 if header.protocol == TCP else 4):
            return None
        sport, dport = struct.unpack_from("!HH", data, header.payload)
        reset = header.protocol == TCP and bool(data[header.payload + 13] & _TCP_RST)
    return Packet(outer, header.src, header.dst, header.protocol, sport, dport, header.length, reset)


def _header(data: bytes, offset: int) -> _Header | None:
    version = data[offset] >> 4 if offset < len(data) else 0
    if version == 4:
        return _header4(data, offset)
    if version == 6:
        return _header6(data, offset)
    return None


def _header4(data: bytes, offset: int) -> _Header | None:
    size = (data[offset] & 0x0F) * 4
    if size < 20 or len(data) < offset + size:
        return None
    length, fragment = struct.unpack_from("!2xH2xH", data, offset)
    return _Header(
        src=data[offset + 12 : offset + 16],
        dst=data[offset + 16 : offset + 20],
        protocol=data[offset + 9],
        payload=offset + size,
        length=length,
        later_fragment=bool(fragment & 0x1FFF),
    )


def _header6(data: bytes, offset: int) -> _Header | None:
    payload = offset + 40
    if len(data) < payload:
        return None
    (length,) = struct.unpack_from("!H", data, offset + 4)
    protocol = data[offset + 6]
    later_fragment = False
    for _extension in range(_MAX_EXTENSIONS):
        if (protocol not in _V6_OPTIONS and protocol != _V6_FRAGMENT) or later_fragment:
            break
        if len(data) < payload + 8:
            return None
        if protocol == _V6_FRAGMENT:
            later_fragment = bool(struct.unpack_from("!H", data, payload + 2)[0] & 0xFFF8)
            size = 8
        else:
            size = (data[payload + 1] + 1) * 8
        protocol = data[payload]
        payload += size
    return _Header(
        src=data[offset + 8 : offset + 24],
        dst=data[offset + 24 : offset + 40],
        protocol=protocol,
        payload=payload,
        length=40 + length,
        later_fragment=later_fragment,
    )
