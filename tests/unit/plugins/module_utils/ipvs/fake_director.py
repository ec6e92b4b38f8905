# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director with an IPVS table of its own, as Linux 6.12 and ipvsadm 1.31 were seen to behave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.sysctls.fake_kernel import Files

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "ipvs"

THRESHOLDS = "-Ln --nosort --thresholds"

Tokens = tuple[str, ...]


class Killed(BaseException):
    """The module's process dies here."""


@dataclass
class FakeService:
    """options: the words after the selector; destinations: `address:port` to its words, the head first.

    last_weights: what the scheduler mh makes its table of, which no command shows.
    """

    options: Tokens
    destinations: dict[str, Tokens] = field(default_factory=dict)
    last_weights: dict[str, int] = field(default_factory=dict)

    def mh_table(self) -> list[tuple[str, int]]:
        """What decides which destination has which slots."""
        return [(server, self.last_weights[server]) for server in self.destinations]


def recorded(name: str, version: str = "1.31") -> tuple[str, str]:
    """A recorded pair: output of `ipvsadm -Ln --nosort --tun-info` and of `ipvsadm -S -n`."""
    stem = f"ipvsadm-{version}-linux-6.12-{name}"
    return (FIXTURES / f"{stem}.list").read_text(), (FIXTURES / f"{stem}.save").read_text()


def recorded_thresholds(name: str, version: str = "1.31") -> str:
    """The recorded output of `ipvsadm -Ln --nosort --thresholds`."""
    return (FIXTURES / f"ipvsadm-{version}-linux-6.12-{name}.thresholds").read_text()


class FakeDirector(Runner):
    """read_only: refuse writes. die_after: writes (commands, and lines of a batch) until the process is killed."""

    def __init__(self, *, loaded: bool = True, modules: Sequence[str] = ("ip_vs", "ip_vs_mh", "ip_vs_rr")) -> None:
        self.available = set(modules)
        self.loaded = {"ip_vs"} if loaded else set()
        self.commands = {"ipvsadm", "sysctl", "modprobe"}
        self.table: dict[Tokens, FakeService] = {}
        self.sysctls = {
            "net.ipv4.vs.conn_reuse_mode": "1",
            "net.ipv4.vs.expire_nodest_conn": "0",
            "net.ipv4.vs.expire_quiescent_template": "0",
            "net.ipv4.vs.schedule_icmp": "0",
            "net.ipv4.vs.sloppy_tcp": "0",
            "net.ipv4.vs.sync_threshold": "3\t50",
        }
        self.files = Files()
        self.read_only = False
        self.die_after: int | None = None
        self.writes: list[tuple[list[str], str]] = []
        self.reads: list[list[str]] = []
        self.refuse: set[str] = set()
        self.weak_moments: list[str] = []
        self.active: dict[str, int] = {}

    def has(self, command: str) -> bool:
        return command in self.commands

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        argv = list(argv)
        if writes:
            assert not self.read_only, f"a write in check mode: {argv}"
            self.writes.append((argv, stdin or ""))
            return self._write(argv, stdin or "")
        self.reads.append(argv)
        return self._read(argv)

    def restore(self, text: str) -> Result:
        """`ipvsadm -R`: goes on after what the kernel refuses, stops at what it cannot read."""
        rc, said = 0, []
        for line in text.splitlines():
            self._tick()
            rc, message = self._line(line)
            said.append(message)
            if rc == 2:
                break
        return Result(rc, "", "".join(said))

    def _tick(self) -> None:
        if self.die_after is not None:
            if self.die_after == 0:
                raise Killed
            self.die_after -= 1

    def _write(self, argv: list[str], stdin: str) -> Result:
        if argv == ["ipvsadm", "-R"]:
            return self.restore(stdin)
        self._tick()
        if argv[0] == "modprobe":
            self.loaded |= {argv[-1]} & self.available
            return Result(0 if argv[-1] in self.loaded else 1, "", "")
        if (result := self.files.run(argv, stdin)) is not None:
            return result
        assert argv[:3] == ["sysctl", "-q", "-w"], argv
        for setting in argv[3:]:
            name, value = setting.split("=", 1)
            assert "ip_vs" in self.loaded
            assert name in self.sysctls
            self.sysctls[name] = value.replace(" ", "\t")
        return Result(0, "", "")

    def _read(self, argv: list[str]) -> Result:
        if argv == ["test", "-e", "/proc/net/ip_vs"]:
            return Result(0 if "ip_vs" in self.loaded else 1, "", "")
        if argv == ["cat", "/proc/modules"]:
            return Result(0, "".join(f"{name} 12288 1 - Live 0x0\n" for name in sorted(self.loaded)), "")
        if argv == ["ls", "/sys/module"]:
            return Result(0, "".join(f"{name}\n" for name in sorted({"tcp_cubic", *self.loaded})), "")
        if argv[0] == "ipvsadm":
            assert "ip_vs" in self.loaded, "ipvsadm would load the module"
            told = {"-S -n": self.save, "-Ln --nosort --tun-info": self.listing, THRESHOLDS: self.thresholds}
            return Result(0, told[" ".join(argv[1:])](), "")
        if argv[:3] == ["modprobe", "-n", "-q"]:
            return Result(0 if argv[3] in self.available else 1, "", "")
        if (result := self.files.run(argv, None)) is not None:
            return result
        if argv[:2] == ["sysctl", "-e"]:
            here = [name for name in argv[2:] if name in self.sysctls and "ip_vs" in self.loaded]
            return Result(0, "".join(f"{name} = {self.sysctls[name]}\n" for name in here), "")
        assert argv[:2] == ["sysctl", "-n"], argv
        absent = [name for name in argv[2:] if name not in self.sysctls]
        out = "".join(f"{self.sysctls[name]}\n" for name in argv[2:] if name in self.sysctls)
        return Result(1 if absent else 0, out, "".join(f"sysctl: cannot stat {name}\n" for name in absent))

    def _line(self, line: str) -> tuple[int, str]:
        words = line.split()
        if line in self.refuse:
            return 255, "Memory allocation problem\n"
        if not words or words[0] not in {"-A", "-E", "-D", "-a", "-e", "-d"}:
            return 2, "Try `ipvsadm -h'\n"
        length = 4 if words[3:4] == ["-6"] else 3
        key, options = tuple(words[1:length]), words[length:]
        service = self.table.get(key)
        if words[0] == "-A":
            return self._new(key, options) if service is None else (255, "Service already exists\n")
        if service is None:
            return 255, "No such service\n"
        if words[0] == "-E":
            return self._edit(service, options)
        if words[0] == "-D":
            del self.table[key]
        else:
            return self._destination(words[0], service, options)
        return 0, ""

    def _new(self, key: Tokens, options: list[str]) -> tuple[int, str]:
        service = FakeService(())
        told = self._edit(service, options)
        if service.options:
            self.table[key] = service
        return told

    def _edit(self, service: FakeService, options: list[str]) -> tuple[int, str]:
        scheduler = _after(tuple(options), "-s")
        flags = _after(tuple(options), "-b").split(",") if "-b" in options else []
        if any(not flag.startswith((f"{scheduler}-", "flag-")) for flag in flags):
            return 2, f"incompatible scheduler flag `{flags[0]}'\n"
        if scheduler != "none":
            if f"ip_vs_{scheduler}" not in self.available:
                return 0, "Scheduler or persistence engine not found\n"
            self.loaded.add(f"ip_vs_{scheduler}")
        service.options = tuple(options)
        return 0, ""

    def _destination(self, verb: str, service: FakeService, options: list[str]) -> tuple[int, str]:
        assert options[0] == "-r"
        server, rest = options[1], tuple(options[2:])
        if not server.rpartition(":")[2].isdecimal():
            return 2, "illegal real server address[:port] specified\n"
        if verb == "-a" and server in service.destinations:
            return 0, "Destination already exists\n"
        if verb != "-a" and server not in service.destinations:
            return 255, "No such destination\n"
        if verb == "-d":
            del service.destinations[server], service.last_weights[server]
            self.weak_moments.append(self.sysctls["net.ipv4.vs.expire_nodest_conn"])
            return 0, ""
        if _threshold(rest, "-y") > _threshold(rest, "-x"):
            return 255, "Numerical result out of range\n"
        service.destinations = {server: rest, **service.destinations} if verb == "-a" else service.destinations
        service.destinations[server] = rest
        weight = int(_after(rest, "-w"))
        if weight or verb == "-a":
            service.last_weights[server] = weight
        return 0, ""

    def save(self) -> str:
        lines = []
        for key, service in sorted(self.table.items()):
            lines.append(" ".join(("-A", *key, *service.options)))
            for server, words in sorted(service.destinations.items()):
                tunnel = ("--tun-type", "ipip") if "-i" in words and "--tun-type" not in words else ()
                shown = words[: words.index("-w") + 2]
                lines.append(" ".join(("-a", *key, "-r", server, *shown, *tunnel)))
        return "".join(line + "\n" for line in lines)

    def listing(self) -> str:
        lines = ["IP Virtual Server version 1.2.1 (size=4096)", "Prot LocalAddress:Port Scheduler Flags"]
        lines.append("  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn")
        for key, service in self.table.items():
            lines.append(_header(key, service))
            for server, words in service.destinations.items():
                method = next(name for flag, name in _METHODS.items() if flag in words)
                tunnel = _tunnel(words) if method == "Tunnel" else "n/a"
                weight = _after(words, "-w")
                active = self.active.get(server, 0)
                lines.append(f"  -> {server:<28} {method:<7} {tunnel:<13} {weight:<6} {active:<10} 0         ")
        return "".join(line + "\n" for line in lines)

    def thresholds(self) -> str:
        lines = ["IP Virtual Server version 1.2.1 (size=4096)"]
        lines.append("Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ")
        lines.append("  -> RemoteAddress:Port")
        for key, service in self.table.items():
            lines.append(_header(key, service))
            for server, words in service.destinations.items():
                upper, lower = _threshold(words, "-x"), _threshold(words, "-y")
                lines.append(f"  -> {server:<28} {upper:<10} {lower:<10} 0          0         ")
        return "".join(line + "\n" for line in lines)


def _header(key: Tokens, service: FakeService) -> str:
    name = {"-f": "FWM", "-t": "TCP"}[key[0]] + f"  {key[1]}" + (" IPv6" if "-6" in key else "")
    return f"{name} {_listed(service.options)}"


_METHODS = {"-i": "Tunnel", "-m": "Masq", "-g": "Route"}


def _after(words: Tokens, option: str) -> str:
    return words[words.index(option) + 1]


def _threshold(words: Tokens, option: str) -> int:
    return int(_after(words, option)) if option in words else 0


def _tunnel(words: Tokens) -> str:
    kind = _after(words, "--tun-type") if "--tun-type" in words else "ipip"
    return {"ipip": "ipip", "gre": "gre:-c", "gue": "gue:6080:-c"}[kind]


def _listed(options: Tokens) -> str:
    words = [_after(options, "-s")]
    words += [_flags(words[0], _after(options, "-b"))] if "-b" in options else []
    for option, name in (("-p", "persistent"), ("-M", "mask")):
        words += [name, _after(options, option)] if option in options else []
    return " ".join([*words, *(["ops"] if "-o" in options else [])])


def _flags(scheduler: str, flags: str) -> str:
    """Flags as shown: flag-3 is left out of those of mh and sh."""
    return f"({','.join(flag for flag in flags.split(',') if scheduler not in ('mh', 'sh') or flag != 'flag-3')})"
