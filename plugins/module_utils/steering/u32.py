# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches on bytes that iptables has no option for: headers inside ICMP errors and tunnel packets.

Spelled as iptables-save prints them. u32 reads 4 bytes at an offset, masks and shifts them; "@" moves the origin by
what was read. A packet too short for a test does not match.
"""

from __future__ import annotations

from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Prefix
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import IPV4, Family

PROTOCOLS: Final = {"tcp": 6, "udp": 17}

GUE_PORT: Final = 6080

TUNNEL_MATCHES: Final = {
    ("ipip", 4): "-p 4",
    ("gre", 4): "-p 47",
    ("gue", 4): f"-p udp -m udp --dport {GUE_PORT}",
    ("ipip", 6): "-p 41",
    ("gre", 6): "-p 47",
    ("gue", 6): f"-p udp -m udp --dport {GUE_PORT}",
}
"""Packets of a tunnel, by tunnel and IP version (the same outside and inside)."""

_PAYLOAD_4: Final = "0x0>>0x16&0x3c@"
"""Moves the origin behind an IPv4 header, however many options it has."""

_TUNNEL_HEADERS: Final = {
    # (tests, offset of the inner packet), offsets from the end of the IPv4 header and from the start of the IPv6 one
    ("ipip", 4): ((f"{_PAYLOAD_4}0x0>>0x1c=0x4",), 0),
    ("gre", 4): ((f"{_PAYLOAD_4}0x0=0x800",), 4),
    ("gue", 4): ((f"{_PAYLOAD_4}0x8=0x40000",), 12),
    ("ipip", 6): (("0x4>>0x8&0xff=0x29",), 40),
    ("gre", 6): (("0x4>>0x8&0xff=0x2f", "0x28=0x86dd"), 44),
    ("gue", 6): (("0x4>>0x8&0xff=0x11", "0x30=0x290000"), 52),
}
"""The headers that IPVS sends and no others: no IPv6 extension headers, GRE without checksum, key or sequence number,
GUE version 0 without options."""

_DESTINATION: Final = {4: 16, 6: 24}


def quoted_reply(family: Family, protocol: str, port: int) -> str:
    """An ICMP error about a packet that was sent from this port: its source port is the service's, as it is a reply."""
    number = PROTOCOLS[protocol]
    if family is IPV4:
        no_later_fragment = f"{_PAYLOAD_4}0xc&0x1fff=0x0"
        of_protocol = f"{_PAYLOAD_4}0x10>>0x10&0xff={number:#x}"
        return _match(no_later_fragment, of_protocol, f"{_PAYLOAD_4}0x8>>0x16&0x3c@0x8>>0x10={port:#x}")
    return _match("0x4>>0x8&0xff=0x3a", f"0x34>>0x8&0xff={number:#x}", f"0x58>>0x10={port:#x}")


def tunnelled_to(tunnel: str, pool: Prefix) -> str:
    """A packet of this tunnel, as IPVS sends it, whose inner destination lies in the pool."""
    tests, inner = _TUNNEL_HEADERS[tunnel, pool.version]
    origin = _PAYLOAD_4 if pool.version == 4 else ""
    return _match(*tests, *_inside(pool, origin, inner + _DESTINATION[pool.version]))


def _inside(pool: Prefix, origin: str, offset: int) -> list[str]:
    """Tests of an address at this offset, a word each, none for a word of which the prefix says nothing."""
    words = 1 if pool.version == 4 else 4
    network, mask = pool.bits << pool.shift, (1 << 32 * words) - (1 << pool.shift)
    tests = []
    for number in range(words):
        down = 32 * (words - 1 - number)
        wanted, kept = network >> down & 0xFFFFFFFF, mask >> down & 0xFFFFFFFF
        if kept:
            only = "" if kept == 0xFFFFFFFF else f"&{kept:#x}"
            tests.append(f"{origin}{offset + 4 * number:#x}{only}={wanted:#x}")
    return tests


def _match(*tests: str) -> str:
    return f'-m u32 --u32 "{"&&".join(tests)}"'
