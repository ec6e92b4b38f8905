# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a machine or in a pod: sees packets and makes some that no honest program would send. Needs root.

sniff ADDRESS...
    prints "ready", and when its input ends the packets that show an address in any layer, as JSON: [Packet, ...]
syn VIP PORT FIRST LAST SOURCE...
    one SYN from each port of each source address
tunnelled OUTER_SOURCE OUTER_TARGET SOURCE TARGET PORT TEXT...
    IP in IP: a datagram from port 7007 for each text
too_big VIP CLIENT PORT SEQUENCE MTU
    "frag needed" or "packet too big" about a segment from VIP port 80 to the client's port, sent to the VIP from this
    machine's own address
ask PORT FIRST LAST VIP...
    sends a datagram to each VIP's port from each port, and prints which pods answered as JSON: {VIP: {port: pod}}
probe VIP PORT SIZE
    sends a datagram in an IP packet of SIZE bytes with DF set, and prints what came back within some seconds as JSON:
    {"answer": text or null, "error": {"errno", "type", "code", "mtu", "from"} or null}
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from typing import Any

HTTP, ECHO = 80, 7007
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
SYN = 2
Packet = dict[str, Any]
"""interface, outgoing: where it was seen. size: bytes of the outermost IP packet.
layers: [source, target, protocol number] of each IP header, outermost first, at last the one an ICMP error quotes.
df, fragment: of the innermost header that is not quoted. icmp: [type, code, MTU].
ports: of the last layer; flags, seq, next (seq after it), mss: of its TCP segment; text: of its UDP payload.
"""


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An IP packet, DF set where there is such a thing."""
    ends = packed(source) + packed(target)
    if ":" in target:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def transport(source: str, target: str, protocol: int, segment: bytes, at: int) -> bytes:
    """The segment with its checksum filled in at that offset."""
    pseudo = packed(source) + packed(target) + struct.pack("!II", len(segment), protocol)
    return segment[:at] + struct.pack("!H", checksum(pseudo + segment)) + segment[at + 2 :]


def syn(source: str, target: str, sport: int, dport: int) -> bytes:
    segment = struct.pack("!HHIIBBHHH", sport, dport, sport, 0, 5 << 4, SYN, 64240, 0, 0)
    return ip(source, target, TCP, transport(source, target, TCP, segment, 16))


def datagram(source: str, target: str, sport: int, dport: int, text: str) -> bytes:
    segment = struct.pack("!HHHH", sport, dport, 8 + len(text), 0) + text.encode()
    return ip(source, target, UDP, transport(source, target, UDP, segment, 6))


def too_big(vip: str, client: str, port: int, sequence: int, mtu: int) -> bytes:
    """The ICMP message alone; for IPv6 the kernel fills in the checksum."""
    segment = struct.pack("!HHIIBBHHH", HTTP, port, sequence & 0xFFFFFFFF, 0, 5 << 4, 16, 64240, 0, 0)
    quoted = ip(vip, client, TCP, segment)
    if ":" in vip:
        return struct.pack("!BBHI", 2, 0, 0, mtu) + quoted
    message = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def raw(target: str, protocol: int = socket.IPPROTO_RAW) -> socket.socket:
    """A raw socket; with IPPROTO_RAW what it sends begins with the IP header."""
    return socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_RAW, protocol)


def header(data: bytes) -> tuple[int, int, int, int, bool, bool] | None:
    """Of the IP header that data begins with: version, its length, protocol, packet size, DF, whether a fragment."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        size, bits = struct.unpack_from("!H2xH", data, 2)
        return 4, (data[0] & 15) * 4, data[9], size, bool(bits & 0x4000), bool(bits & 0x3FFF)
    if version == 6 and len(data) >= 40:
        size, protocol = struct.unpack_from("!HB", data, 4)
        if protocol == 60 and len(data) >= 48:  # destination options, which ip6tnl adds
            return 6, 40 + (data[41] + 1) * 8, data[40], 40 + size, True, False
        return 6, 40, protocol, 40 + size, True, protocol == 44
    return None


def parse(data: bytes, packet: Packet) -> Packet:
    """What data shows from its first IP header on, added to packet."""
    found = header(data)
    if found is None:
        return packet
    version, length, protocol, size, df, fragment = found
    ends = (data[12:16], data[16:20]) if version == 4 else (data[8:24], data[24:40])
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    packet.setdefault("layers", []).append([*(socket.inet_ntop(family, end) for end in ends), protocol])
    packet.setdefault("size", size)
    rest = data[length:]
    if "icmp" not in packet:
        packet.update(df=df, fragment=fragment)
    if protocol in (4, 41):
        return parse(rest, packet)
    if protocol in (TCP, UDP) and len(rest) >= 8:
        packet["ports"] = list(struct.unpack_from("!HH", rest))
    if protocol == UDP:
        packet["text"] = rest[8:].decode("ascii", "replace")
    if protocol == TCP and len(rest) >= 20:
        (seq,), head, flags = struct.unpack_from("!I", rest, 4), (rest[12] >> 4) * 4, rest[13]
        after = seq + size - length - head + (flags & 1) + (flags >> 1 & 1)
        packet.update(seq=seq, next=after & 0xFFFFFFFF, flags=flags, mss=mss(rest[20:head]))
    errors = (3, 11) if protocol == ICMP else (1, 2, 3)
    if protocol in (ICMP, ICMP6) and len(rest) >= 8 and "icmp" not in packet:
        mtu = struct.unpack_from("!H" if protocol == ICMP else "!I", rest, 6 if protocol == ICMP else 4)[0]
        packet["icmp"] = [rest[0], rest[1], mtu]
        return parse(rest[8:], packet) if rest[0] in errors else packet
    return packet


def mss(options: bytes) -> int | None:
    """What the TCP option 2 says."""
    while options and options[0] != 0:
        if options[0] == 1:
            options = options[1:]
            continue
        if options[0] == 2:
            return int(struct.unpack_from("!H", options, 2)[0])
        options = options[max(options[1], 1) :] if len(options) > 1 else b""
    return None


def sniff(addresses: set[str]) -> list[Packet]:
    seen = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as sniffer:
        sniffer.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        print("ready", flush=True)
        over = False
        while not over:
            ready = select.select([sniffer, sys.stdin], [], [])[0]
            over = sys.stdin in ready
            while select.select([sniffer], [], [], 0)[0]:
                data, (interface, _protocol, kind, *_rest) = sniffer.recvfrom(1024)
                packet = parse(data, {"interface": interface, "outgoing": kind == 4})
                if any(addresses.intersection(layer[:2]) for layer in packet.get("layers", [])):
                    seen.append(packet)
    return seen


def ask(port: int, ports: range, vips: list[str]) -> dict[str, dict[int, str]]:
    """Who has not got an answer asks again some times."""
    waiting = {}
    for vip in vips:
        for number in ports:
            sender = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port for each of the VIPs
            sender.bind(("", number))
            sender.connect((vip, port))
            waiting[sender] = vip, number
    pods: dict[str, dict[int, str]] = {vip: {} for vip in vips}
    for _try in range(5):
        for sender in waiting:
            sender.send(b"?")
            time.sleep(0.001)  # the queues between the machines are short
        while waiting and (ready := select.select([*waiting], [], [], 2)[0]):
            for sender in ready:
                vip, number = waiting.pop(sender)
                pods[vip][number] = json.loads(sender.recv(4096))["pod"]
    return pods


def probe(vip: str, port: int, size: int) -> dict[str, Any]:
    # Linux's IP_MTU_DISCOVER and IP_RECVERR, and their IPv6 twins; 3 is PROBE: DF, whatever is known of the path.
    level, discover, receive, headers = (41, 23, 25, 48) if ":" in vip else (0, 10, 11, 28)
    with socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(level, discover, 3)
        sender.setsockopt(level, receive, 1)
        sender.connect((vip, port))
        sender.send(b"x" * (size - headers))
        waiting = select.poll()
        waiting.register(sender, select.POLLIN)
        events = dict(waiting.poll(5000)).get(sender.fileno(), 0)
        if events & select.POLLERR:
            return {"answer": None, "error": told(sender)}
        return {"answer": sender.recv(65536).decode() if events else None, "error": None}


def told(sender: socket.socket) -> dict[str, Any]:
    """The ICMP message in the socket's error queue (struct sock_extended_err and the address of who sent it)."""
    data = sender.recvmsg(65536, 512, socket.MSG_ERRQUEUE)[1][0][2]
    number, _origin, kind, code, mtu = struct.unpack_from("=IBBBxI", data)
    family, *_rest = struct.unpack_from("=H", data, 16)
    offender = data[20:24] if family == socket.AF_INET else data[24:40]
    return {"errno": number, "type": kind, "code": code, "mtu": mtu, "from": socket.inet_ntop(family, offender)}


def main(verb: str, *words: str) -> None:
    if verb == "sniff":
        print(json.dumps(sniff(set(words))))
    elif verb == "syn":
        vip, port, first, last, *sources = words
        with raw(vip) as sender:
            for number in range(int(first), int(last) + 1):
                for source in sources:
                    sender.sendto(syn(source, vip, number, int(port)), (vip, 0))
                time.sleep(0.001)  # the queues between the machines are short
    elif verb == "tunnelled":
        outer_source, outer_target, source, target, port, *texts = words
        with raw(outer_target) as sender:
            for text in texts:
                inner = datagram(source, target, ECHO, int(port), text)
                outer = ip(outer_source, outer_target, 41 if ":" in target else 4, inner)
                sender.sendto(outer, (outer_target, 0))
    elif verb == "too_big":
        vip, client, *numbers = words
        with raw(vip, ICMP6 if ":" in vip else ICMP) as sender:
            sender.sendto(too_big(vip, client, *map(int, numbers)), (vip, 0))
    elif verb == "ask":
        port, first, last, *vips = words
        print(json.dumps(ask(int(port), range(int(first), int(last) + 1), vips)))
    elif verb == "probe":
        print(json.dumps(probe(words[0], int(words[1]), int(words[2]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
