# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a network namespace: UDP packets, as fast as one processor can send them.

Reads lines "DEVICE PAIRS SECONDS", with PAIRS the number of VIP:port pairs that take their turns; answers each by
"started" when the first packets are out, and then by the number of packets sent.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time
from functools import cache
from typing import Final

from bench.tables import vip_ports

DIRECTOR_MAC: Final = "02:00:00:00:00:01"
CLIENT: Final = "198.51.100.10"
_CLIENT_MAC: Final = "02:00:00:00:00:02"
_PAYLOAD: Final = bytes(18)
"""Makes the smallest frame that Ethernet knows."""
_BATCH: Final = 256


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr"""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint32),
    ]


def frame(vip: str, port: int) -> bytes:
    """A UDP packet from the client, with Ethernet header; without UDP checksum, which IPv4 allows."""
    udp = struct.pack("!HHHH", 40000, port, 8 + len(_PAYLOAD), 0) + _PAYLOAD
    addresses = socket.inet_aton(CLIENT) + socket.inet_aton(vip)
    bare = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    header = bare[:10] + struct.pack("!H", checksum(bare)) + bare[12:]
    return _mac(DIRECTOR_MAC) + _mac(_CLIENT_MAC) + b"\x08\x00" + header + udp


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@cache
def _batches(pairs: int) -> list[ctypes.Array[_Message]]:
    """Calls to make one after the other; together they give each pair the same number of packets."""
    frames = [frame(vip, port) for vip, port in vip_ports(pairs)]
    frames *= -(-_BATCH // len(frames))
    buffers = [ctypes.create_string_buffer(one, len(one)) for one in frames]
    vectors = [_Vector(ctypes.addressof(buffer), len(buffer)) for buffer in buffers]
    messages = [_Message(vectors=ctypes.pointer(vector), vector_count=1) for vector in vectors]
    _kept.append((buffers, vectors))
    chunks = [messages[at : at + _BATCH] for at in range(0, len(messages), _BATCH)]
    return [(_Message * len(chunk))(*chunk) for chunk in chunks]


_kept: list[object] = []
"""What the kernel is pointed to must not be collected."""


def _send(device: str, pairs: int, seconds: float) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    batches = _batches(pairs)
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((device, 0))
        print("started", flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for batch in batches:
                count = library.sendmmsg(sender.fileno(), batch, len(batch), 0)
                if count < 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                sent += count
    return sent


def main() -> None:
    os.sched_setaffinity(0, {0})
    for line in sys.stdin:
        device, pairs, seconds = line.split()
        print(_send(device, int(pairs), float(seconds)), flush=True)


if __name__ == "__main__":
    main()
