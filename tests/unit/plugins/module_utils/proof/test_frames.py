# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.proof import bpf
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import (
    Packet,
    address_bytes,
    address_text,
    parse,
    protocol_name,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.packets import (
    ACK,
    RST,
    SYN,
    TCP,
    UDP,
    ip,
    tcp,
    tunnelled,
    udp,
)
from hypothesis import example, given
from hypothesis import strategies as st

CLIENT4, VIP4, NODE4, POD4 = "198.51.100.10", "203.0.113.1", "192.0.2.11", "10.244.1.2"
CLIENT6, VIP6, NODE6, POD6 = "2001:db8:c::10", "2001:db8:f::1", "2001:db8:fab::11", "2001:db8:244:1::2"
VIPS = frozenset(map(address_bytes, (VIP4, VIP6, "2001:db8:f::2")))


def told(packet: Packet | None) -> tuple[object, ...]:
    assert packet is not None
    outer = tuple(map(address_text, packet.outer)) if packet.outer else None
    ends = (address_text(packet.src), packet.sport, address_text(packet.dst), packet.dport)
    return (outer, *ends, protocol_name(packet.protocol), packet.length, packet.reset)


@pytest.mark.parametrize(("client", "vip", "size"), [(CLIENT4, VIP4, 20), (CLIENT6, VIP6, 40)])
def test_plain_packets(client: str, vip: str, size: int) -> None:
    assert told(parse(ip(client, vip, TCP, tcp(40000, 80)))) == (
        *(None, client, 40000, vip, 80),
        *("tcp", size + 20, False),
    )
    assert told(parse(ip(vip, client, TCP, tcp(80, 40000, RST | ACK))))[-1] is True
    assert told(parse(ip(client, vip, UDP, udp(5, 53, b"abc")))) == (None, client, 5, vip, 53, "udp", size + 11, False)


@pytest.mark.parametrize(("outer", "inner"), [((NODE4, POD4), (CLIENT4, VIP4)), ((NODE6, POD6), (CLIENT6, VIP6))])
def test_tunnelled_packets(outer: tuple[str, str], inner: tuple[str, str]) -> None:
    frame = tunnelled(*outer, ip(*inner, TCP, tcp(40000, 80)))
    assert told(parse(frame))[:5] == (outer, inner[0], 40000, inner[1], 80)
    twice = tunnelled("192.0.2.12", "192.0.2.13", frame)
    assert told(parse(twice))[0] == outer, "the tunnel that leads to the pod, not the one of the CNI around it"


def test_mixed_families() -> None:
    assert told(parse(tunnelled(NODE6, POD6, ip(CLIENT4, VIP4, UDP, udp(1, 2)))))[0] == (NODE6, POD6)
    assert told(parse(tunnelled(NODE4, POD4, ip(CLIENT6, VIP6, UDP, udp(1, 2)))))[0] == (NODE4, POD4)


def test_ipv6_extension_headers_are_skipped() -> None:
    encapsulation_limit = bytes((41, 0, 4, 1, 4, 1, 0, 0))
    inner = ip(CLIENT6, VIP6, TCP, tcp(40000, 80))
    assert told(parse(ip(NODE6, POD6, 60, encapsulation_limit + inner)))[:3] == ((NODE6, POD6), CLIENT6, 40000)
    hop_by_hop = bytes((UDP, 1)) + bytes(14)
    assert told(parse(ip(CLIENT6, VIP6, 0, hop_by_hop + udp(7, 8))))[1:5] == (CLIENT6, 7, VIP6, 8)


def test_later_fragments_have_no_ports() -> None:
    later = bytearray(ip(CLIENT4, VIP4, UDP, udp(7, 8)))
    later[6:8] = struct.pack("!H", 100)
    assert told(parse(bytes(later)))[2] == 0
    fragment_header = struct.pack("!BBHI", UDP, 0, 100 << 3, 1)
    assert told(parse(ip(CLIENT6, VIP6, 44, fragment_header + udp(7, 8))))[1:6] == (CLIENT6, 0, VIP6, 0, "udp")
    first = struct.pack("!BBHI", UDP, 0, 1, 1)
    assert told(parse(ip(CLIENT6, VIP6, 44, first + udp(7, 8))))[2] == 7


def test_protocols_without_ports() -> None:
    assert told(parse(ip(CLIENT4, VIP4, 1, bytes(8))))[1:6] == (CLIENT4, 0, VIP4, 0, "icmp")
    assert told(parse(ip(CLIENT4, VIP4, 89, b"")))[5] == "89"


FRAMES = (
    ip(CLIENT4, VIP4, TCP, tcp(40000, 80, SYN)),
    ip(VIP6, CLIENT6, UDP, udp(53, 40000, b"answer")),
    tunnelled(NODE4, POD4, ip(CLIENT4, VIP4, TCP, tcp(40000, 80))),
    tunnelled(NODE6, POD6, ip(CLIENT6, VIP6, UDP, udp(40000, 53))),
    ip(NODE6, POD6, 60, bytes((41, 0, 4, 1, 4, 1, 0, 0)) + ip(CLIENT6, VIP6, TCP, tcp(40000, 80))),
    ip(NODE4, CLIENT4, TCP, tcp(22, 40000)),
)


@pytest.mark.parametrize("frame", FRAMES)
def test_whatever_is_cut_short_is_no_packet(frame: bytes) -> None:
    whole = parse(frame)
    assert whole is not None
    for size in range(len(frame) - 20):
        cut = parse(frame[:size])
        assert cut is None or cut == whole


mutated = st.builds(
    lambda frame, changes: bytes(changes.get(at, byte) for at, byte in enumerate(frame)),
    st.sampled_from(FRAMES),
    st.dictionaries(st.integers(0, 100), st.integers(0, 255), max_size=6),
)


@given(st.one_of(st.binary(max_size=300), mutated))
@example(b"")
@example(b"\x45")
def test_no_bytes_make_the_parser_stumble(data: bytes) -> None:
    packet = parse(data)
    assert packet is None or (len(packet.src), len(packet.dst)) in {(4, 4), (16, 16)}


def kept(program: list[bpf.Instruction], data: bytes) -> int:
    """What the kernel's filter machine returns: bytes to keep, 0 to drop."""
    accumulator = at = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code in (0x20, 0x30):
            size = 4 if code == 0x20 else 1
            if constant + size > len(data):
                return 0
            accumulator = int.from_bytes(data[constant : constant + size], "big")
        elif code == 0x74:
            accumulator >>= constant
        elif code == 0x05:
            at += constant
        elif code == 0x15:
            at += if_true if accumulator == constant else if_false
        else:
            assert code == 0x06
            return constant


@given(st.one_of(st.binary(max_size=120), mutated))
def test_the_kernel_filter_drops_nothing_that_counts(data: bytes) -> None:
    program = bpf.program(VIPS)
    assert program is not None
    tally = Tally(VIPS)
    tally.add(HOST, "eth0", 0, data)
    if tally.entries():
        assert kept(program, data) > 0


def test_the_kernel_filter_spares_foreign_packets() -> None:
    program = bpf.program(VIPS)
    assert program is not None
    for vip, client in ((VIP4, CLIENT4), (VIP6, CLIENT6), ("2001:db8:f::2", CLIENT6)):
        assert kept(program, ip(client, vip, TCP, tcp(1, 2)))
        assert kept(program, ip(vip, client, TCP, tcp(1, 2)))
    assert not kept(program, ip(CLIENT4, NODE4, TCP, tcp(1, 2)))
    assert not kept(program, ip(CLIENT6, "2001:db8:f::3", TCP, tcp(1, 2)))
    assert not kept(program, b"\x00\x01\x08\x00" + bytes(24)), "ARP"


def test_every_instruction_is_a_sock_filter() -> None:
    program = bpf.program(VIPS)
    assert program is not None
    assert len(bpf.pack(program)) == 8 * len(program)


def test_too_many_vips_for_a_kernel_filter() -> None:
    assert bpf.program(struct.pack("!I", number) for number in range(2000)) is None
    assert bpf.program(()) is not None
