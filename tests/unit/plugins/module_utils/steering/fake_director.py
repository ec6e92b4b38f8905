# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director with ip rules, ipsets and iptables of its own, as Linux 6.12, iptables 1.8.11 and ipset 7.22 were seen to
behave, through which a packet can be sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering import packets
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.netfilter import (
    Chains,
    FakeSet,
    Packet,
    Tables,
)

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "steering"

MAIN_RULES = [
    {"priority": 0, "src": "all", "table": "255"},
    {"priority": 32766, "src": "all", "table": "254"},
]
BUILTIN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
HELP = "create SETNAME hash:ip,port\n               [skbinfo]\n"


class Killed(BaseException):
    """The module's process dies here."""


class Refused(Exception):
    """The command fails with this message."""


def recorded(name: str) -> str:
    return (FIXTURES / name).read_text()


class FakeDirector(Runner):
    """read_only: refuse writes. nft: its ruleset, None if it cannot be asked. die_after: writes (lines of ip and ipset,
    tables of iptables) until the process is killed. observe: called after each of these."""

    def __init__(self) -> None:
        self.commands = {"grep", "ip", "ipset", *(f"{name}-{verb}" for name in TOOLS for verb in ("save", "restore"))}
        self.addresses: dict[str, str] = {"127.0.0.1": "lo", "::1": "lo", "198.51.100.11": "eth0"}
        self.rules: dict[int, list[dict[str, Any]]] = {4: list(MAIN_RULES), 6: list(MAIN_RULES)}
        self.routes: dict[int, dict[int, list[dict[str, Any]]]] = {4: {}, 6: {}}
        self.sets: dict[str, FakeSet] = {}
        self.tables: dict[int, dict[str, Chains]] = {
            version: {table: {chain: [] for chain in chains} for table, chains in BUILTIN.items()} for version in (4, 6)
        }
        self.set_help = HELP
        self.marked_sources: list[str] = []
        self.nft: str | None = ""
        self.lingering = 0
        self.read_only = False
        self.die_after: int | None = None
        self.observe: Callable[[], None] = lambda: None
        self.observe_read: Callable[[list[str]], object] = lambda _words: None
        self.writes: list[list[str]] = []
        self.commands_run = 0

    def has(self, command: str) -> bool:
        return command in self.commands

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        words = list(argv)
        assert self.has(words[0]), f"{words[0]} is not installed"
        self.commands_run += 1
        if writes:
            assert not self.read_only, f"{words} writes"
            self.writes.append(words)
        else:
            self.observe_read(words)
        try:
            return Result(0, self._answer(words, stdin or "", writes), "")
        except Refused as reason:
            return Result(2, "", str(reason))

    def snapshot(self) -> str:
        """Everything there is."""
        sets = {name: [one.header, sorted(one.entries.items())] for name, one in self.sets.items()}
        routes = {
            version: {table: held for table, held in tables.items() if held} for version, tables in self.routes.items()
        }
        return json.dumps([self.rules, routes, sets, self.tables], indent=1)

    def _answer(self, words: list[str], stdin: str, writes: bool) -> str:
        if words[0] == "grep":
            assert words[1:] == ["-rslxv", "0", "--include=src_valid_mark", "/proc/sys/net/ipv4/conf"]
            return "".join(f"/proc/sys/net/ipv4/conf/{name}/src_valid_mark\n" for name in self.marked_sources)
        if words[0] == "nft":
            assert words[1:] == ["-t", "list", "ruleset"]
            if self.nft is None:
                raise Refused("nft: invalid option -- 't'")
            return self.nft
        if words == ["ip", "-json", "address"]:
            return json.dumps([_device(address, device) for address, device in self.addresses.items()])
        if words[0] == "ip":
            return self._ip(int(words[1][1]), words[2:], stdin, writes)
        if words[0] == "ipset":
            return self._ipset(words[1:], stdin, writes)
        tool, verb = words[0].split("-")
        if verb == "save":
            assert words[1] == "-t"
            return self._saved(TOOLS[tool], words[2])
        assert writes
        assert words[1:] == ["--noflush", "--wait=10"]
        self._restore(TOOLS[tool], stdin)
        return ""

    # ip

    def _ip(self, version: int, words: list[str], stdin: str, writes: bool) -> str:
        if words == ["-N", "-json", "rule"]:
            if version not in self.rules:
                raise Refused("RTNETLINK answers: Address family not supported by protocol\nDump terminated")
            return json.dumps(self.rules[version])
        if words[:5] == ["-N", "-json", "route", "show", "table"]:
            table = int(words[5])
            if table not in self.routes[version]:
                raise Refused(f"Error: ipv{version}: FIB table does not exist.\nDump terminated")
            return json.dumps(self.routes[version][table])
        assert writes
        assert words == ["-batch", "-"]
        for number, line in enumerate(stdin.splitlines(), 1):
            self._before_write()
            try:
                self._ip_line(version, line)
            except Refused as reason:
                raise Refused(f"{reason}\nCommand failed -:{number}") from None
            self.observe()
        return ""

    def _ip_line(self, version: int, line: str) -> None:
        rule = re.fullmatch(r"rule (add|del) priority (\d+) fwmark (\w+)/(\w+) lookup (\d+) protocol (\d+)", line)
        if rule:
            verb, priority, mark, mask, table, protocol = rule.groups()
            item = {
                "priority": int(priority),
                "src": "all",
                "fwmark": mark,
                "fwmask": mask,
                "table": table,
                "protocol": protocol,
            }
            if mask == "0xffffffff":
                del item["fwmask"]
            _change(verb, self.rules[version], item)
            self.rules[version].sort(key=lambda one: one["priority"])
            return
        route = re.fullmatch(
            r"route (add|del) (local default dev lo|unreachable default|default dev lo mtu (\d+) metric (\d+))"
            r" table (\d+) protocol (\d+)",
            line,
        )
        assert route, line
        verb, target, mtu, metric, number, protocol = route.groups()
        item: dict[str, Any] = {"dst": "default", "protocol": protocol}
        if mtu:
            item.update(metric=int(metric), metrics=[{"mtu": int(mtu)}])
        else:
            item["type"] = {"local": "2", "unreachable": "7"}[target.split()[0]]
        if "dev lo" in target or version == 6:
            item["dev"] = "lo"
        _change(verb, self.routes[version].setdefault(int(number), []), item)

    # ipset

    def _ipset(self, words: list[str], stdin: str, writes: bool) -> str:
        if words == ["save"]:
            return "".join(
                f"create {name} {_as_saved(one.header)}\n"
                + "".join(f"add {name} {_as_listed(one, element)}".rstrip() + "\n" for element in one.entries)
                for name, one in self.sets.items()
            )
        if words == ["help", "hash:ip,port"]:
            return self.set_help
        assert writes
        assert words == ["restore", "-exist"]
        for number, line in enumerate(stdin.splitlines(), 1):
            self._before_write()
            try:
                self._ipset_line(line.split())
            except Refused as reason:
                raise Refused(f"ipset v7.22: Error in line {number}: {reason}") from None
            self.observe()
        return ""

    def _ipset_line(self, words: list[str]) -> None:
        verb, name, *rest = words
        if verb == "create":
            if name in self.sets and self.sets[name].header != " ".join(rest):
                raise Refused("Set cannot be created: set with the same name already exists")
            self.sets.setdefault(name, FakeSet(" ".join(rest)))
            return
        if name not in self.sets:
            raise Refused("The set with the given name does not exist")
        if verb == "add":
            self.sets[name].entries[rest[0]] = " ".join(rest[1:])
        elif verb == "del":
            self.sets[name].entries.pop(rest[0], None)
        elif verb == "swap":
            self._swap(name, rest[0])
        else:
            assert verb == "destroy"
            self._destroy(name)

    def _swap(self, one: str, other: str) -> None:
        if self.sets[one].header.split()[:3] != self.sets[other].header.split()[:3]:
            raise Refused("The sets cannot be swapped: their type does not match")
        self.sets[one], self.sets[other] = self.sets[other], self.sets[one]

    def _destroy(self, name: str) -> None:
        rules = [
            rule
            for tables in self.tables.values()
            for chains in tables.values()
            for held in chains.values()
            for rule in held
        ]
        used = any(re.search(rf"--(match|map)-set {name} ", rule) for rule in rules)
        if used or self.lingering:
            self.lingering -= not used
            raise Refused("Set cannot be destroyed: it is in use by a kernel component")
        del self.sets[name]

    # iptables

    def _saved(self, version: int, table: str) -> str:
        chains = self.tables[version][table]
        policies = [f":{name} {'ACCEPT' if name in BUILTIN[table] else '-'} [0:0]" for name in chains]
        rules = [f"-A {name} {rule}".rstrip() for name, held in chains.items() for rule in held]
        head = "# Generated by iptables-save v1.8.11 (nf_tables) on Sun Nov 22 12:33:15 2026"
        return "\n".join(
            [head, f"*{table}", *policies, *rules, "COMMIT", "# Completed on Sun Nov 22 12:33:15 2026", ""]
        )

    def _restore(self, version: int, stdin: str) -> None:
        table, chains = "", Chains()
        for number, line in enumerate(stdin.splitlines(), 1):
            if line.startswith("*"):
                table = line[1:]
                chains = {name: list(rules) for name, rules in self.tables[version][table].items()}
            elif line == "COMMIT":
                self._before_write()
                self.tables[version][table] = chains
                self.observe()
            else:
                self._restore_line(chains, line, number)

    def _restore_line(self, chains: Chains, line: str, number: int) -> None:
        verb, name, *rest = line.split(" ", 2)
        rule = rest[0] if rest else ""
        for used in re.findall(r"--(?:match|map)-set (\S+) ", rule):
            if used not in self.sets:
                raise Refused(f"iptables-restore v1.8.11 (nf_tables): Set {used} doesn't exist.")
        if line.startswith(":"):
            chains[verb[1:]] = []
        elif verb == "-A":
            chains[name].append(rule)
        elif verb == "-I":
            chains[name].insert(0, rule.split(" ", 1)[1])
        elif verb == "-F":
            chains[name] = []
        elif verb == "-X":
            if chains[name] or any(rule.endswith(f"-j {name}") for rules in chains.values() for rule in rules):
                raise Refused(f"iptables-restore v1.8.11 (nf_tables): line {number}: CHAIN_DEL failed (Device busy)")
            del chains[name]
        else:
            assert verb == "-D", line
            if rule not in chains[name]:
                raise Refused("iptables-restore v1.8.11 (nf_tables): Bad rule (does a matching rule exist?).")
            chains[name].remove(rule)

    def _before_write(self) -> None:
        if self.die_after == 0:
            raise Killed
        if self.die_after is not None:
            self.die_after -= 1

    # a packet

    def fate(self, address: str, what: str, source: str | None = None) -> str:
        """What becomes of a packet that arrives for address.

        what: "tcp:80", "icmp:3" (an echo request or an error that quotes nothing), "icmp:3 tcp:80" (an error that
        quotes a TCP packet from port 80 of address), "fragment". Answers "local MARK", "refused", "answered" (by this
        node) or "forwarded"; tracked ones say so.
        """
        return self.route(_packet(address, what, source or ("2001:db8:1::1" if ":" in address else "192.0.2.1")))

    def route(self, data: bytes) -> str:
        """The same of any packet, and "dropped"."""
        packet = Packet(data)
        tables = Tables(self.tables[packet.version], self.sets)
        for table in ("raw", "mangle"):
            if tables.walk(table, "PREROUTING", packet) == "DROP":
                return "dropped"
        if packet.tracked and tables.walk("nat", "PREROUTING", packet) == "REDIRECT":
            return "answered"
        where = self._looked_up(packet.version, packet.mark)
        return where + (" tracked" if packet.tracked else "") + (f" mss {packet.mss}" if packet.mss else "")

    def _looked_up(self, version: int, mark: int) -> str:
        for rule in self.rules[version]:
            mask = int(rule.get("fwmask", "0xffffffff"), 16)
            if "fwmark" in rule and mark & mask == int(rule["fwmark"], 16):
                routes = self.routes[version].get(int(rule["table"]), [])
                if routes:
                    fate = {"7": "refused", "2": f"local {mark:#x}"}
                    return fate.get(routes[0].get("type", ""), f"too big for {routes[0].get('metric')}")
        return "forwarded"


TOOLS = {"iptables": 4, "ip6tables": 6}


@cache
def _packet(address: str, what: str, source: str) -> bytes:
    kind, _colon, number = what.partition(":")
    if kind == "fragment":
        return packets.ip(source, address, 17, bytes(16), offset=100)
    if kind in ("tcp", "udp"):
        return {"tcp": packets.tcp, "udp": packets.udp}[kind](source, address, (1000, int(number)))
    number, _space, quoted = number.partition(" ")
    protocol, _colon, port = quoted.partition(":")
    reply = {"": None, "tcp": packets.tcp, "udp": packets.udp}[protocol]
    return packets.icmp(source, address, int(number), reply(address, source, (int(port), 1000)) if reply else b"")


def _as_listed(held: FakeSet, element: str) -> str:
    if not held.header.endswith("counters"):
        return f"{element} {held.entries[element]}"
    number = held.counts.get(element, 0)
    return f"{element} packets {number} bytes {60 * number}"


def _device(address: str, device: str) -> dict[str, Any]:
    family = "inet6" if ":" in address else "inet"
    return {"ifname": device, "addr_info": [{"family": family, "local": address, "prefixlen": 24}]}


def _change(verb: str, items: list[dict[str, Any]], item: dict[str, Any]) -> None:
    if verb == "add":
        if item in items:
            raise Refused("RTNETLINK answers: File exists")
        items.append(item)
    else:
        if item not in items:
            raise Refused("RTNETLINK answers: No such file or directory")
        items.remove(item)


def _as_saved(header: str) -> str:
    kind, family, inet, *options = header.split()
    return " ".join([kind, family, inet, "hashsize 1024", *options, "bucketsize 12 initval 0x3f2ff229"])
