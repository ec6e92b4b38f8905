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

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed import Bird, Frr
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.take_back import TakeBack
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

REAL = {"install", "mv", "cp", "rm", "rmdir", "touch", "/bin/sh"}
TOLD = {"reload": ["systemctl", "reload", "frr.service"]}


class Killed(BaseException):
    """The run was killed; nothing catches it."""


class Machine(Runner):
    """up: neighbors whose sessions are up. lives: writes before it dies. refuses: text that its checker refuses."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.folder = folder
        self.config = folder / "daemon.conf"
        self.config.write_text(config)
        self.config.chmod(0o644)
        self.running: str | None = config
        self.up: set[str] = set()
        self.refuses = "no such text"
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
            return Result(int(self.refuses in Path(argv[-1]).read_text()), "line 1: unknown", "")
        elif argv[0] == "vtysh":
            return self._vtysh(argv)
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
        return Result(0, re.sub(r"^!.*\n", "", self.running, flags=re.MULTILINE), "")

    def _birdc(self, argv: list[str]) -> Result:
        if self.running is None:
            return Result(1, "", "Unable to connect to server control socket: No such file or directory")
        names = re.findall(r"^protocol bgp '([^']+)'", self.running, re.MULTILINE)
        return Result(0, "".join(f"{name} BGP --- up 12:00 Established\n" for name in names), "")
