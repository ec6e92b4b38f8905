# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import address_bytes
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.packets import (
    ACK,
    RST,
    TCP,
    ip,
    tcp,
    tunnelled,
)

VIP, CLIENT = "203.0.113.1", "198.51.100.10"
VIPS = frozenset((address_bytes(VIP),))
REQUEST = ip(CLIENT, VIP, TCP, tcp(40000, 80))
IN, OTHERHOST, OUT = 0, 3, 4


def test_one_count_per_place_interface_direction_and_tunnel() -> None:
    tally = Tally(VIPS)
    for _again in range(2):
        tally.add(HOST, "eth0", IN, REQUEST)
        tally.add(HOST, "eth0", OUT, tunnelled("192.0.2.11", "10.244.1.2", REQUEST))
        tally.add("10.244.1.2", "dsr4", IN, REQUEST)
    tally.add(HOST, "eth0", OTHERHOST, REQUEST)
    told = [
        (e["place"], e["interface"], e["direction"], e["outer_src"], e["outer_dst"], e["packets"], e["bytes"])
        for e in tally.entries()
    ]
    assert told == [
        ("host", "eth0", "in", "", "", 2, 80),
        ("host", "eth0", "out", "192.0.2.11", "10.244.1.2", 2, 80),
        ("10.244.1.2", "dsr4", "in", "", "", 2, 80),
        ("host", "eth0", "other", "", "", 1, 40),
    ]


def test_an_entry_as_the_module_returns_it() -> None:
    tally = Tally(VIPS)
    tally.add(HOST, "eth0", OUT, ip(VIP, CLIENT, TCP, tcp(80, 40000, RST | ACK)))
    assert tally.entries() == [
        {
            "place": "host",
            "interface": "eth0",
            "direction": "out",
            "outer_src": "",
            "outer_dst": "",
            "src": VIP,
            "dst": CLIENT,
            "protocol": "tcp",
            "sport": 80,
            "dport": 40000,
            "packets": 1,
            "bytes": 40,
            "resets": 1,
        }
    ]


def test_packets_of_others_are_not_counted() -> None:
    tally = Tally(VIPS)
    tally.add(HOST, "eth0", IN, ip(CLIENT, "203.0.113.2", TCP, tcp(40000, 80)))
    tally.add(HOST, "eth0", IN, tunnelled(CLIENT, VIP, ip(CLIENT, "10.0.0.1", TCP, tcp(40000, 80))))
    tally.add(HOST, "eth0", IN, b"garbage")
    assert tally.entries() == []


def test_a_flood_of_connections_is_counted_but_not_kept() -> None:
    tally = Tally(VIPS, limit=3)
    for port in range(10):
        tally.add(HOST, "eth0", IN, ip(CLIENT, VIP, TCP, tcp(port, 80)))
    tally.add(HOST, "eth0", IN, ip(CLIENT, VIP, TCP, tcp(0, 80)))
    assert (len(tally.entries()), tally.left_out, tally.entries()[0]["packets"]) == (3, 7, 2)


def test_an_unknown_packet_type_is_neither_in_nor_out() -> None:
    tally = Tally(VIPS)
    tally.add(HOST, "eth0", 7, REQUEST)
    assert tally.entries()[0]["direction"] == "other"
