# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router: real files in a folder, and an FRR or a BIRD that holds what its file said when last told to read."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.install import apply, confirm, plan
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed import Bird, Frr, Router
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import parse_peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.take_back import TakeBack
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import NODES

FOREIGN = "hostname edge\n!\nrouter bgp 64512\n neighbor 198.51.100.9 remote-as 64999\nexit\n"
ROUTER = {"addresses": ["192.0.2.1", "2001:db8:fab::1"]}
POOLS = ["203.0.113.0/24", "2001:db8:f::/64"]
REAL = {"install", "mv", "cp", "rm", "rmdir", "touch", "/bin/sh"}
TOLD = {"reload": ["systemctl", "reload", "frr.service"]}


class Killed(BaseException):
    """The run was killed; nothing catches it."""


class Machine(Runner):
    """up: neighbors whose sessions are up. lives: writes before it dies. refuses: text that its checker refuses.

    says: what the checker says then. version, started: what FRR tells of how it was built, and bgpd's command line.
    """

    def __init__(self, folder: Path, config: str = "") -> None:
        self.folder = folder
        self.config = folder / "daemon.conf"
        self.config.write_text(config)
        self.config.chmod(0o644)
        self.running: str | None = config
        self.up: set[str] = set()
        self.refuses = "no such text"
        self.says = "line 1: unknown"
        self.version = ""
        self.started = ""
        self.deaf = False
        self.installed = True
        self.timer: list[str] = []
        self.writes: list[list[str]] = []
        self.lives: int | None = None

    @property
    def frr(self) -> Frr:
        return Frr(self, str(self.config))

    @property
    def bird(self) -> Bird:
        return Bird(self, str(self.config), str(self.folder / "bird.ctl"), [str(self.folder / "packaged.conf")])

    def take_back(self, cluster: str = "dsr", load: Sequence[str] = ("true",)) -> TakeBack:
        return TakeBack(self, cluster, str(self.config), load, str(self.folder / "run"))

    def elapse(self) -> None:
        """The timer fires."""
        script = self.timer
        self.timer = []
        subprocess.run(script, check=True)
        self.running = self.config.read_text()

    def has(self, command: str) -> bool:
        return self.installed

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        argv = list(argv)
        if writes:
            if self.lives is not None and len(self.writes) >= self.lives:
                raise Killed
            self.writes.append(argv)
        if argv[0] in REAL:
            done = subprocess.run(argv, input=stdin or "", capture_output=True, text=True, check=False)
            if argv[0] == "/bin/sh":
                self.running = self.config.read_text()
            return Result(done.returncode, done.stdout, done.stderr)
        return self._daemon(argv)

    def _daemon(self, argv: list[str]) -> Result:
        if argv[0] == "systemd-run":
            self.timer = argv[-3:]
        elif argv[:2] == ["systemctl", "stop"]:
            self.timer = []
        elif argv == TOLD["reload"] or argv[-1] == "configure":
            if not self.deaf:
                self.running = self.config.read_text()
        elif argv[0] == "vtysh" and "-C" in argv or argv[:2] == ["bird", "-p"]:
            return Result(int(self.refuses in Path(argv[-1]).read_text()), self.says, "")
        elif argv[0] == "vtysh":
            return self._vtysh(argv)
        elif argv[0] == "pgrep":
            return Result(int(not self.started), self.started, "")
        elif argv[0] == "birdc":
            return self._birdc(argv)
        return Result(0, "", "")

    def _vtysh(self, argv: list[str]) -> Result:
        if self.running is None:
            return Result(1, "", "failed to connect")
        if argv[-1] == "show bgp neighbors json":
            return Result(0, json.dumps({each: {"bgpState": "Established"} for each in sorted(self.up)}), "")
        if "json" in argv[-1]:
            return Result(0, "{}", "")
        version = f"{self.version}\n" if "show version" in argv else ""
        return Result(0, version + re.sub(r"^!.*\n", "", self.running, flags=re.MULTILINE), "")

    def _birdc(self, argv: list[str]) -> Result:
        if self.running is None:
            return Result(1, "", "Unable to connect to server control socket: No such file or directory")
        names = re.findall(r"^protocol bgp '([^']+)'", self.running, re.MULTILINE)
        return Result(0, "".join(f"{name} BGP --- up 12:00 Established\n" for name in names), "")


def peering(**options: Any) -> Peering:
    return parse_peering("edge-1", ROUTER, **{"nodes": NODES, "vip_pools": POOLS, "show_password": True, **options})


def bring(machine: Machine, router: Router, wanted: Peering | None, cluster: str = "dsr", seconds: int = 60) -> Any:
    way_back = machine.take_back(cluster)
    change = plan(router, cluster, wanted, unconfirmed=way_back.pending)
    if change.changed:
        apply(machine, change, way_back, seconds=seconds, pause=lambda _seconds: None)
    return change


def stay(machine: Machine, router: Router, cluster: str = "dsr") -> bool:
    return confirm(router, machine.take_back(cluster), pause=lambda _seconds: machine.elapse())
