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
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_netfilter import (
    Netfilter,
    Refused,
    tool_version,
)

FIXTURES = Path(__file__).parents[3] / "fixtures" / "pods"
KERNEL_MODULES = {"ipip": "ipip", "ip6tnl": "ip6_tunnel", "gre": "ip_gre", "ip6gre": "ip6_gre"}
CLIENT = {4: "198.51.100.7", 6: "2001:db8:77::7"}
_INET = {4: "inet", 6: "inet6"}
ARP = ("net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce")


def recorded(state: str, what: str) -> str:
    """What a real machine said. what: addr.json, sysctl or proc."""
    return (FIXTURES / f"iproute2-6.15-linux-6.12-{state}.{what}").read_text(encoding="ascii")


class Killed(BaseException):
    """SIGKILL between two writes."""


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
    metrics: dict[str, int] = field(default_factory=dict)
    """By address."""
    mtu: int = 1500

    def as_json(self, name: str) -> dict[str, Any]:
        data = {"remote": "any", "local": self.local, **({"proto": self.mode} if self.mode else {})}
        shown: dict[str, Any] = {
            "ifname": name,
            "mtu": self.mtu,
            "flags": ["NOARP", "UP", "LOWER_UP"] if self.up else ["NOARP"],
            "group": self.group,
            "linkinfo": {"info_kind": self.kind, "info_data": data},
            "addr_info": [
                {
                    "family": _inet(address),
                    "local": address.split("/")[0],
                    "prefixlen": int(address.split("/")[1]),
                    **({"metric": self.metrics[address]} if address in self.metrics else {}),
                }
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
    ports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What `ip -json fou show` says of each, by "inet" or "inet6"."""
    netfilter: Netfilter = field(default_factory=Netfilter)

    def dump(self) -> dict[str, Any]:
        """Everything in it, for comparison."""
        links = {name: link.as_json(name) for name, link in self.links.items()}
        for link in links.values():
            link["addr_info"].sort(key=str)
        return {"links": links, **self.sysctls, "ports": dict(self.ports), **self.netfilter.dump()}

    def takes(self, source: str, tunnel: str, destination: str) -> bool:
        """Whether what `source` sends through the tunnel to `destination` reaches an application."""
        version = 6 if ":" in source else 4
        name = f"dsr{version}gre" if tunnel == "gre" else f"dsr{version}"
        device = self.links.get(name)
        if device is None or not device.up or (tunnel == "gue" and _INET[version] not in self.ports):
            return False
        protocol = {"ipip": "4" if version == 4 else "41", "gre": "47", "gue": "udp"}[tunnel]
        outer = {"source": source, "destination": device.local, "protocol": protocol, "port": "6080", "device": "eth0"}
        inner = {"source": CLIENT[version], "destination": destination, "protocol": "tcp", "device": name}
        if self.netfilter.drops(version, **outer) or self.netfilter.drops(version, **inner):
            return False
        # A loose rp_filter refuses what comes out of a device without any IPv4 address.
        if version == 4 and not any(":" not in address for address in device.addresses):
            return False
        return any(address.split("/")[0] == destination for link in self.links.values() for address in link.addresses)


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
        self.modules = {"ipip", "ip6_tunnel", "ip_gre", "ip6_gre", "fou"}
        self.loaded = set(self.modules)
        self.sends_from = {4: "10.244.1.1", 6: "2001:db8:244:1::1"}
        self.unreachable: set[str] = set()
        self.keeps_metrics = True
        self.modular = True
        self.built_in: set[str] | None = set()
        self.absent: set[str] = set()
        self.read_only = False
        self.die_after: int | None = None
        self.writes: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        self.on_write: Callable[[str], None] = lambda line: None
        self.after_write: Callable[[str], None] = lambda line: None
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
        if list(argv) == ["ip", "-json", "-force", "-batch", "-"]:
            return self._routes(str(stdin))
        if argv[0] != "nsenter":
            return self._inside(self.host, argv, stdin, writes)
        inode = os.stat(argv[1].split("=", 1)[1]).st_ino
        for namespace in self.namespaces:
            if namespace.file.stat().st_ino == inode:
                return self._inside(namespace, argv[2:], stdin, writes)
        raise AssertionError(f"entered a foreign namespace: {argv}")

    def _routes(self, lines: str) -> Result:
        out, failed = "", False
        for line in lines.splitlines():
            pod = line.removeprefix("route get ")
            if pod in self.unreachable:
                failed = True
            else:
                out += json.dumps([{"dst": pod, "dev": "cni0", "prefsrc": self.sends_from[6 if ":" in pod else 4]}])
        return Result(int(failed), out + "\n", "RTNETLINK answers: Network is unreachable" if failed else "")

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
        links = json.dumps([link.as_json(name) for name, link in namespace.links.items()])
        if list(argv) in (["ip", "-json", "-details", "addr", "show"], ["ip", "-json", "addr", "show"]):
            return Result(0, links, "")
        if list(argv) == ["ip", "-json", "-details", "-batch", "-"] and stdin == "addr show\nfou show\n":
            return self._show_ports(namespace, links + "\n")
        if list(argv) == ["ip", "-json", "fou", "show"]:
            return self._show_ports(namespace, "")
        if list(argv) == ["ipset", "save"]:
            return Result(0, namespace.netfilter.save_sets(), "")
        if argv[0].endswith("tables-save"):
            assert argv[1:3] == ["-t", "raw"], argv
            return Result(0, namespace.netfilter.save_table(tool_version(argv[0]), "-c" in argv), "")
        if argv[:2] == ["sysctl", "-e"]:
            found = [f"{key} = {namespace.sysctls[key]}\n" for key in argv[2:] if key in namespace.sysctls]
            return Result(0, "".join(found), "")
        assert writes, argv
        for number, (line, act) in enumerate(self._writes(namespace, argv, stdin), 1):
            self._count(line)
            try:
                act()
            except Refused as error:
                place = (
                    f"Error in line {number}: {error}" if argv[0] == "ipset" else f"{error}\nCommand failed -:{number}"
                )
                return Result(1, "", place)
            self.publish(namespace)
            _check_silent(namespace, line)
            self.after_write(line)
        return Result(0, "", "")

    def _show_ports(self, namespace: Netns, before: str) -> Result:
        if "fou" not in self.loaded:
            return Result(1, before, "RTNETLINK answers: No such file or directory\nError talking to the kernel")
        return Result(0, f"{before}{json.dumps(list(namespace.ports.values()))}\n", "")

    def _writes(self, namespace: Netns, argv: Sequence[str], stdin: str | None) -> list[tuple[str, Callable[[], None]]]:
        """Each single write of a command, and how to do it."""
        lines = str(stdin).splitlines()
        if argv[0] == "ipset":
            assert argv[1:] == ["restore", "-exist"], argv
            return [(f"ipset {line}", partial(namespace.netfilter.restore_set, line)) for line in lines]
        if argv[0].endswith("tables-restore"):
            assert argv[1:] == ["--noflush", "--wait=10"], argv
            act = partial(namespace.netfilter.restore_table, tool_version(argv[0]), str(stdin))
            return [(" | ".join([argv[0], *lines[1:-1]]), act)]
        if "fou" in argv:
            return [(" ".join(argv), partial(_fou, self, namespace, list(argv)))]
        if argv[0] == "sysctl":
            lines = [f"sysctl {item}" for item in argv[2:]]
        return [(line, partial(_act, self, namespace, line.split())) for line in lines]

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
        if "metric" in words and machine.keeps_metrics:
            _link(links, words[4]).metrics[words[2]] = int(words[words.index("metric") + 1])
    elif words[:2] == ["addr", "del"]:
        if words[2] not in _link(links, words[4]).addresses:
            raise Refused("Error: ipv4: Address not found.")
        _link(links, words[4]).addresses.remove(words[2])
        _link(links, words[4]).metrics.pop(words[2], None)
    elif words[:2] == ["link", "del"]:
        _link(links, words[2])
        del links[words[2]]
        namespace.sysctls = {key: v for key, v in namespace.sysctls.items() if f".{words[2]}." not in key}
    elif words[:2] == ["link", "set"] and words[3] in ("up", "down"):
        _link(links, words[2]).up = words[3] == "up"
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
    namespace.links[name] = Link(options["type"], options["group"], options.get("mode", ""), options["local"])
    key, value = ("ipv4.conf.{}.rp_filter", "0") if "6" not in name else ("ipv6.conf.{}.disable_ipv6", "1")
    namespace.sysctls[f"net.{key.format(name)}"] = value


def _fou(machine: FakeMachine, namespace: Netns, argv: list[str]) -> None:
    inet = "inet6" if argv[1] == "-6" else "inet"
    if "fou" not in machine.loaded:
        raise Refused("RTNETLINK answers: No such file or directory\nError talking to the kernel")
    if "add" in argv:
        assert argv[-3:] == ["port", "6080", "gue"], argv
        if inet in namespace.ports:
            raise Refused("RTNETLINK answers: Address already in use")
        namespace.ports[inet] = {"port": 6080, "gue": None, "family": inet}
    else:
        assert argv[-3:] == ["del", "port", "6080"], argv
        if inet not in namespace.ports:
            raise Refused("RTNETLINK answers: No such device")
        del namespace.ports[inet]


def _link(links: dict[str, Link], name: str) -> Link:
    if name not in links:
        raise Refused(f'Cannot find device "{name}"')
    return links[name]


def _check_silent(namespace: Netns, line: str) -> None:
    """No VIP may ever stand in a pod that would answer ARP for it."""
    vips = [each for link in namespace.links.values() for each in link.addresses if each.startswith("203.0.113.")]
    if vips and "dsr4" in namespace.links and namespace.links["dsr4"].kind == "ipip":
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
