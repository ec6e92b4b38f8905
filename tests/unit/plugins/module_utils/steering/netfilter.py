# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables rules and ipsets do to a packet, for all the matches and targets that steering uses."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.packets import NUMBERS

Chains = dict[str, list[str]]
ENDS = {"ACCEPT", "DROP", "REDIRECT"}
_VALUES = {"--match-set": 2, "--tcp-flags": 2, "-f": 0}


@dataclass
class FakeSet:
    """counts: packets matched by element, of a set that counts."""

    header: str
    entries: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def find(self, fields: list[str]) -> str | None:
        """The element that a packet with these fields matches."""
        if "net" in self.header.split()[0]:
            *head, address = fields
            heads = [one.rpartition(",") for one in self.entries]
            nets = [net for start, _comma, net in heads if start == ",".join(head)]
            holding = [net for net in nets if _lies_in(address, net)]
            return ",".join([*head, holding[0]]) if holding else None
        element = ",".join(fields)
        return element if element in self.entries else None


class Packet:
    """data: an IP packet. mark, tracked, mss: what rules have made of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.version = data[0] >> 4
        self.mark = 0
        self.tracked = True
        self.mss: int | None = None
        if self.version == 4:
            self.source, self.destination = (str(ipaddress.ip_address(data[at : at + 4])) for at in (12, 16))
            self.protocol, start = data[9], (data[0] & 15) * 4
        else:
            self.source, self.destination = (str(ipaddress.ip_address(data[at : at + 16])) for at in (8, 24))
            self.protocol, start = data[6], 40
            while self.protocol == NUMBERS["options"]:
                self.protocol, start = data[start], start + 8 * (data[start + 1] + 1)
        self.fragment = self.version == 4 and int.from_bytes(data[6:8], "big") & 0x1FFF != 0
        self.payload = b"" if self.fragment else data[start:]

    @property
    def port(self) -> int | None:
        return int.from_bytes(self.payload[2:4], "big") if self.protocol in (6, 17) and self.payload else None

    @property
    def icmp_type(self) -> int | None:
        return self.payload[0] if self.protocol in (1, 58) and self.payload else None


class Tables:
    """Rules by chain by table of one family, and the ipsets they use."""

    def __init__(self, tables: dict[str, Chains], sets: dict[str, FakeSet]) -> None:
        self._tables = tables
        self._sets = sets

    def walk(self, table: str, chain: str, packet: Packet) -> str | None:
        """The target that ended the packet's way through the chain, None if it came back."""
        for rule in self._tables[table][chain]:
            tests, target, options = _understood(rule)
            if not all(_TESTS[option](self, packet, values) == wanted for option, values, wanted in tests):
                continue
            if target in self._tables[table]:
                ended = self.walk(table, target, packet)
                if ended:
                    return ended
            elif target == "RETURN":
                return None
            elif target in ENDS:
                return target
            else:
                self._apply(target, options, packet)
        return None

    def _apply(self, target: str, options: list[str], packet: Packet) -> None:
        if target == "CT":
            packet.tracked = False
        elif target == "MARK":
            value, mask = (int(one, 16) for one in options[1].split("/"))
            packet.mark = (packet.mark & ~mask) ^ value
        elif target == "TCPMSS":
            packet.mss = min(int.from_bytes(packet.payload[22:24], "big"), int(options[1]))
        elif target == "SET":
            held = self._sets[options[1]]
            element = held.find(self._fields(held, options[2], packet))
            packet.mark = int(held.entries[element].split()[1], 16) if element else packet.mark
        else:
            assert not target, target

    def _in_set(self, packet: Packet, values: list[str]) -> bool:
        held = self._sets[values[0]]
        if "port" in held.header.split()[0] and packet.port is None:
            return False
        element = held.find(self._fields(held, values[1], packet))
        if element and held.header.endswith("counters"):
            held.counts[element] = held.counts.get(element, 0) + 1
        return element is not None

    def _fields(self, held: FakeSet, directions: str, packet: Packet) -> list[str]:
        kinds = held.header.split()[0].removeprefix("hash:").split(",")
        values = []
        for kind, direction in zip(kinds, directions.split(",")):
            address = packet.destination if direction == "dst" else packet.source
            name = {6: "tcp", 17: "udp"}.get(packet.protocol)
            values.append({"port": f"{name}:{packet.port}", "mark": f"{packet.mark:#010x}"}.get(kind, address))
        return values


@cache
def _understood(rule: str) -> tuple[list[tuple[str, list[str], bool]], str, list[str]]:
    """([(option, its values, whether it must match)], target, the target's options)."""
    words = shlex.split(rule)
    at = words.index("-j") if "-j" in words else len(words)
    rest, wanted, tests = words[:at], True, []
    while rest:
        option = rest.pop(0)
        if option == "!":
            wanted = False
            continue
        values = [rest.pop(0) for _each in range(_VALUES.get(option, 1))]
        if option == "-m" and values[0] in ("tcp", "udp"):
            option = "ports"
        if option not in ("-m", "--comment"):
            tests.append((option, values, wanted))
            wanted = True
    return tests, "".join(words[at + 1 : at + 2]), words[at + 2 :]


@cache
def _lies_in(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def u32(expression: str, data: bytes) -> bool:
    """As net/netfilter/xt_u32.c does it."""
    for test in expression.split("&&"):
        location, wanted = test.split("=")
        steps = re.findall(r"(@|&|>>|)(0x[0-9a-f]+)", location)
        origin = value = 0
        for operator, text in steps:
            number = int(text, 16)
            if operator in ("", "@"):
                origin += value if operator else 0
                if origin + number + 4 > len(data):
                    return False
                value = int.from_bytes(data[origin + number : origin + number + 4], "big")
            else:
                value = value & number if operator == "&" else value >> number
        low, _colon, high = wanted.partition(":")
        if not int(low, 16) <= value <= int(high or low, 16):
            return False
    return True


def _protocol(_tables: Tables, packet: Packet, values: list[str]) -> bool:
    return packet.protocol == (int(values[0]) if values[0].isdigit() else NUMBERS[values[0]])


def _flags(_tables: Tables, packet: Packet, values: list[str]) -> bool:
    bits = {"SYN": 2, "RST": 4}
    looked, wanted = (sum(bits[name] for name in value.split(",")) for value in values)
    return packet.payload[13] & looked == wanted


_TESTS: dict[str, Callable[[Tables, Packet, list[str]], bool]] = {
    "-p": _protocol,
    "-f": lambda _tables, packet, _values: packet.fragment,
    "-s": lambda _t, packet, v: _lies_in(packet.source, v[0]),
    "-d": lambda _t, packet, v: _lies_in(packet.destination, v[0]),
    "ports": lambda _t, packet, _v: packet.port is not None,
    "--dport": lambda _t, packet, v: packet.port == int(v[0]),
    "--tcp-flags": _flags,
    "--icmp-type": lambda _t, packet, v: packet.icmp_type == int(v[0]),
    "--icmpv6-type": lambda _t, packet, v: packet.icmp_type == int(v[0]),
    "--length": lambda _t, packet, v: int(v[0].split(":")[0]) <= len(packet.data) <= int(v[0].split(":")[1]),
    "--mark": lambda _t, packet, v: packet.mark == int(v[0], 16),
    "--match-set": lambda tables, packet, v: tables._in_set(packet, v),
    "--u32": lambda _t, packet, v: u32(v[0], packet.data),
}
