# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct

from bench.traffic import CLIENT, checksum, frame


def test_the_checksum_is_that_of_a_known_header() -> None:
    header = bytes.fromhex("4500003c1c46400040060000ac100a63ac100a0c")
    assert checksum(header) == 0xB1E6


def test_a_frame_is_a_udp_packet_to_the_pair() -> None:
    packet = frame("198.18.0.7", 1049)[14:]
    assert checksum(packet[:20]) == 0
    assert struct.unpack("!H", packet[2:4])[0] == len(packet) == 46
    assert packet[9] == socket.IPPROTO_UDP
    assert (socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])) == (CLIENT, "198.18.0.7")
    assert struct.unpack("!HHHH", packet[20:28]) == (40000, 1049, 26, 0)
