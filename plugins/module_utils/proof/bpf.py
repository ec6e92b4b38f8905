# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A classic BPF program that lets the kernel drop what a capture would throw away anyway. Pure.

It is for packet sockets of type SOCK_DGRAM, where offset 0 is the outermost IP header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_LOAD_BYTE = 0x30
_LOAD_WORD = 0x20
_SHIFT_RIGHT = 0x74
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_RETURN = 0x06

_KEEP_BYTES = 256
_MAX_INSTRUCTIONS = 4096
_MAYBE_TUNNEL_V4 = (4, 41)
_MAYBE_TUNNEL_V6 = (0, 4, 41, 43, 44, 60)

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""


def program(vips: Iterable[bytes]) -> list[Instruction] | None:
    """Keeps the first bytes of IP packets from or to a VIP and of all that may be tunnelled; drops the rest.

    None if that is more than the kernel takes: the capture then sees every packet, and counts the same.
    """
    vips = sorted(vips)
    v4 = _family([vip for vip in vips if len(vip) == 4], 9, _MAYBE_TUNNEL_V4, (12, 16))
    v6 = _family([vip for vip in vips if len(vip) == 16], 6, _MAYBE_TUNNEL_V6, (8, 24))
    dispatch: list[Instruction] = [
        (_LOAD_BYTE, 0, 0, 0),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_JUMP_EQUAL, 2, 0, 6),
        (_JUMP_EQUAL, 2, 0, 4),
        (_RETURN, 0, 0, 0),
        (_JUMP, 0, 0, len(v4)),
    ]
    whole = [*dispatch, *v4, *v6]
    return whole if len(whole) <= _MAX_INSTRUCTIONS else None


def pack(instructions: Iterable[Instruction]) -> bytes:
    """The instructions as an array of struct sock_filter."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def _family(
    vips: list[bytes], protocol_at: int, tunnels: Iterable[int], addresses_at: Iterable[int]
) -> list[Instruction]:
    code: list[Instruction] = [(_LOAD_BYTE, 0, 0, protocol_at)]
    for protocol in tunnels:
        code += [(_JUMP_EQUAL, 0, 1, protocol), (_RETURN, 0, 0, _KEEP_BYTES)]
    for offset in addresses_at:
        for vip in vips:
            code += _match(vip, offset)
    return [*code, (_RETURN, 0, 0, 0)]


def _match(vip: bytes, offset: int) -> list[Instruction]:
    words = struct.unpack(f"!{len(vip) // 4}I", vip)
    code: list[Instruction] = []
    for index, word in enumerate(words):
        to_next_vip = 2 * (len(words) - 1 - index) + 1
        code += [(_LOAD_WORD, 0, 0, offset + 4 * index), (_JUMP_EQUAL, 0, to_next_vip, word)]
    return [*code, (_RETURN, 0, 0, _KEEP_BYTES)]
