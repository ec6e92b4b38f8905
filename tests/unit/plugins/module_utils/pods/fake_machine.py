# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with network namespaces: a tree that stands for /proc, and a runner that acts on it as a kernel would."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

FIXTURES = Path(__file__).parents[3] / "fixtures" / "pods"
KERNEL_MODULES = {"ipip": "ipip", "ip6tnl": "ip6_tunnel"}
ARP = ("net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce")


def recorded(state: str, what: str) -> str:
    """What a real machine said. what: addr.json, sysctl or proc."""
    return (FIXTURES / f"iproute2-6.15-linux-6.12-{state}.{what}").read_text(encoding="ascii")


class Killed(BaseException):
    """SIGKILL between two writes."""


class Refused(Exception):
    """The kernel refuses one operation."""


@dataclass
class Link:
    """A network device."""

    kind: str
    group: str = "default"
    mode: str = ""
    local: str = ""
    alias: str = ""
    up: bool = False
    addresses: list[str] = field(default_factory=list)

    def as_json(self, name: str) -> dict[str, Any]:
        data = {"proto": self.mode, "remote": "any", "local": self.local}
        shown: dict[str, Any] = {
            "ifname": name,
            "flags": ["NOARP", "UP", "LOWER_UP"] if self.up else ["NOARP"],
            "group": self.group,
            "linkinfo": {"info_kind": self.kind, "info_data": data},
            "addr_info": [
                {"family": _inet(address), "local": address.split("/")[0], "prefixlen": int(address.split("/")[1])}
                for address in self.addresses
            ],
        }
        return {**shown, "ifalias": self.alias} if self.alias else shown


@dataclass
class Netns:
    """A network namespace; its identity is the inode of `file`."""

    file: Path
    links: dict[str, Link]
    sysctls: dict[str, str]
    process: Path | None = None

    def dump(self) -> dict[str, Any]:
        """Everything in it, for comparison."""
        return {"links": {name: link.as_json(name) for name, link in self.links.items()}, **self.sysctls}


class FakeMachine(Runner):
    """read_only: a write is a failed test. die_after: writes that happen before the run is killed.

    modules: what modprobe can find. modular: whether the kernel can load any. built_in: what
    /sys/module shows besides loaded ones, None if that folder is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(str(root / "proc"), (str(root / "netns"),))
        self.host = Netns(root / "host", {"eth0": Link("veth", addresses=["192.0.2.11/24"])}, {})
        self.namespaces: list[Netns] = []
        self.modules = {"ipip", "ip6_tunnel"}
        self.loaded = {"ipip", "ip6_tunnel"}
        self.modular = True
        self.built_in: set[str] | None = set()
        self.absent: set[str] = set()
        self.read_only = False
        self.die_after: int | None = None
        self.writes: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        self.on_write: Callable[[str], None] = lambda line: None
        for folder in ("proc/self/ns", "netns"):
            (root / folder).mkdir(parents=True)
        self.host.file.touch()
        os.link(self.host.file, root / "proc/self/ns/net")

    def add(self, *addresses: str, pid: int | None = None, handle: str | None = None) -> Netns:
        """A pod with these addresses ("10.244.1.2/24") on eth0."""
        file = self.root / f"namespace{len(self.namespaces)}"
        file.touch()
        links = {"lo": Link("", addresses=["127.0.0.1/8", "::1/128"]), "eth0": Link("veth", up=True)}
        links["eth0"].addresses = list(addresses)
        namespace = Netns(file, links, dict.fromkeys(ARP, "0"))
        if pid is not None:
            namespace.process = self.root / "proc" / str(pid)
            (namespace.process / "ns").mkdir(parents=True)
            (namespace.process / "net").mkdir()
            os.link(file, namespace.process / "ns" / "net")
        if handle is not None:
            os.link(file, self.root / "netns" / handle)
        self.namespaces.append(namespace)
        self.publish(namespace)
        return namespace

    def kill(self, namespace: Netns) -> None:
        """The pod ends: its process and its network go."""
        if namespace.process is not None:
            shutil.rmtree(namespace.process)
            namespace.process = None
        namespace.links["eth0"].addresses = []

    def dump(self) -> list[dict[str, Any]]:
        return [namespace.dump() for namespace in self.namespaces]

    def has(self, command: str) -> bool:
        return command not in self.absent

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        self.commands.append(tuple(argv))
        if writes and self.read_only:
            raise AssertionError(f"written in check mode: {argv}")
        if argv[0] == "modprobe":
            return self._modprobe(argv, writes)
        if list(argv) == ["cat", "/proc/modules"]:
            if not self.modular:
                return Result(1, "", "cat: /proc/modules: No such file or directory")
            return Result(0, "".join(f"{module} 16384 0 - Live 0x0\n" for module in sorted(self.loaded)), "")
        if list(argv) == ["ls", "/sys/module"]:
            if self.built_in is None:
                return Result(2, "", "ls: cannot access '/sys/module': No such file or directory")
            return Result(0, "".join(f"{module}\n" for module in sorted(self.loaded | self.built_in)), "")
        if argv[0] != "nsenter":
            return self._inside(self.host, argv, stdin, writes)
        inode = os.stat(argv[1].split("=", 1)[1]).st_ino
        for namespace in self.namespaces:
            if namespace.file.stat().st_ino == inode:
                return self._inside(namespace, argv[2:], stdin, writes)
        raise AssertionError(f"entered a foreign namespace: {argv}")

    def _modprobe(self, argv: Sequence[str], writes: bool) -> Result:
        module = argv[-1]
        if module not in self.modules:
            return Result(1, "", f"modprobe: FATAL: Module {module} not found in directory /lib/modules/6.12.0")
        if argv[1:-1] != ["-n", "-q"]:
            assert writes
            self._count(f"modprobe {module}")
            self.loaded.add(module)
        return Result(0, "", "")

    def _inside(self, namespace: Netns, argv: Sequence[str], stdin: str | None, writes: bool) -> Result:
        if argv[0] == "cat":
            return Result(0, _contents(namespace), "")
        if list(argv) == ["ip", "-json", "-details", "addr", "show"]:
            links = [link.as_json(name) for name, link in namespace.links.items()]
            return Result(0, json.dumps(links), "")
        if argv[:2] == ["sysctl", "-e"]:
            found = [f"{key} = {namespace.sysctls[key]}\n" for key in argv[2:] if key in namespace.sysctls]
            return Result(0, "".join(found), "")
        assert writes, argv
        lines = str(stdin).splitlines() if stdin is not None else [" ".join(["sysctl", item]) for item in argv[2:]]
        for number, line in enumerate(lines, 1):
            self._count(line)
            try:
                _act(self, namespace, line.split())
            except Refused as error:
                return Result(1, "", f"{error}\nCommand failed -:{number}")
            self.publish(namespace)
            _check_silent(namespace, line)
        return Result(0, "", "")

    def _count(self, line: str) -> None:
        if self.die_after is not None and len(self.writes) >= self.die_after:
            raise Killed
        self.writes.append(line)
        self.on_write(line)

    def publish(self, namespace: Netns) -> None:
        """Show the namespace in the tree, as it is now."""
        if namespace.process is not None:
            (namespace.process / "net" / "fib_trie").write_text(_contents(namespace), encoding="ascii")


def _act(machine: FakeMachine, namespace: Netns, words: list[str]) -> None:
    links = namespace.links
    if words[0] == "sysctl":
        key, value = words[1].split("=")
        if key not in namespace.sysctls:
            raise Refused(f"sysctl: cannot stat {key}")
        namespace.sysctls[key] = value
    elif words[:2] == ["link", "add"]:
        _create(machine, namespace, words)
    elif words[:2] == ["addr", "add"]:
        if words[2] in _link(links, words[4]).addresses:
            raise Refused("Error: ipv4: Address already assigned.")
        _link(links, words[4]).addresses.append(words[2])
    elif words[:2] == ["addr", "del"]:
        if words[2] not in _link(links, words[4]).addresses:
            raise Refused("Error: ipv4: Address not found.")
        _link(links, words[4]).addresses.remove(words[2])
    elif words[:2] == ["link", "del"]:
        _link(links, words[2])
        del links[words[2]]
        namespace.sysctls = {key: v for key, v in namespace.sysctls.items() if f".{words[2]}." not in key}
    elif words[:2] == ["link", "set"] and words[3] == "up":
        _link(links, words[2]).up = True
    elif words[:2] == ["link", "set"] and words[3] == "alias":
        _link(links, words[2]).alias = words[4]
    else:
        raise AssertionError(f"unknown command: {words}")


def _create(machine: FakeMachine, namespace: Netns, words: list[str]) -> None:
    name, options = words[2], dict(zip(words[3::2], words[4::2]))
    if name in namespace.links:
        raise Refused("RTNETLINK answers: File exists")
    if KERNEL_MODULES[options["type"]] not in machine.loaded:
        raise Refused("Error: Unknown device type.")
    namespace.links[name] = Link(options["type"], options["group"], options["mode"], options["local"])
    if name == "dsr4":
        namespace.sysctls["net.ipv4.conf.dsr4.rp_filter"] = "0"
    else:
        namespace.sysctls["net.ipv6.conf.dsr6.disable_ipv6"] = "1"


def _link(links: dict[str, Link], name: str) -> Link:
    if name not in links:
        raise Refused(f'Cannot find device "{name}"')
    return links[name]


def _check_silent(namespace: Netns, line: str) -> None:
    """No VIP may ever stand in a pod that would answer ARP for it."""
    device = namespace.links.get("dsr4")
    if device and device.kind == "ipip" and device.addresses:
        assert [namespace.sysctls[key] for key in ARP] == ["1", "2"], f"VIP without silent ARP after: {line}"


def _inet(address: str) -> str:
    return "inet6" if ":" in address else "inet"


def _contents(namespace: Netns) -> str:
    text = "Local:\n"
    for name, link in namespace.links.items():
        for address in link.addresses:
            plain = ipaddress.ip_interface(address).ip
            if plain.version == 4:
                text += f"           |-- {plain}\n              /32 host LOCAL\n"
            else:
                text += f"{int(plain):032x} 04 40 00 82     {name}\n"
    return text + "".join(
        f"{name:>6}:     266       3    0    0    0     0          0         0\n" for name in namespace.links
    )
