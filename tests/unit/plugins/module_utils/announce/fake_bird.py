# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with BIRD on it: files in a real folder, a daemon that reads them only when told to."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.files import VipFile
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

SOCKET = "/run/test/bird.ctl"
NOT_RUNNING = f"Unable to connect to server control socket ({SOCKET}): No such file or directory\n"


class Killed(BaseException):
    """The run was killed; nothing catches it."""


class Machine(Runner):
    """Counts writes, refuses them if read_only, and dies after `lives` of them.

    lag: how many `show route` after a change still show the state before it. undo_after: the timer of an undo;
    `time_is_over` ends it.
    """

    def __init__(self, folder: Path, *, running: bool = True, installed: bool = True) -> None:
        self.path = folder / "vips.conf"
        self.running = running
        self.installed = installed
        self.read_only = False
        self.deaf = False
        self.lives: int | None = None
        self.lag = 0
        self.undo_after: int | None = None
        self.writes: list[str] = []
        self._routes: list[str] = []
        self._before: list[str] = []
        self._lagging = 0
        self._undo: list[str] = []

    @property
    def file(self) -> VipFile:
        return VipFile(self, str(self.path))

    @property
    def bird(self) -> Bird:
        return Bird(self, SOCKET)

    @property
    def announced(self) -> set[str]:
        """What the routers hear."""
        return set(self._routes) if self.running else set()

    def start(self, *, before_reading: str | None = None) -> None:
        """Start BIRD, perhaps with another file of VIPs than the one that is there now."""
        self.running = True
        text = before_reading if before_reading is not None else self._text()
        self._routes = self._parse(text) or []

    def time_is_over(self) -> None:
        """BIRD undoes what it was told to, if nobody told it otherwise since."""
        if self.undo_after is not None:
            self._routes, self.undo_after = self._undo, None

    def has(self, command: str) -> bool:
        return command != "birdc" or self.installed

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        if writes:
            assert not self.read_only, f"write in check mode: {argv}"
            if self.lives is not None and len(self.writes) >= self.lives:
                raise Killed
            self.writes.append(argv[0])
        if argv[0] == "birdc":
            assert list(argv[1:3]) == ["-s", SOCKET]
            return self._birdc(list(argv[3:]), writes=writes)
        assert writes
        if argv[0] == "install":
            assert list(argv[1:4]) == ["--mode=0644", "--no-target-directory", "/dev/stdin"]
            Path(argv[4]).write_text(stdin or "", encoding="utf-8")
        elif argv[0] == "mv":
            os.replace(argv[-2], argv[-1])
        else:
            raise AssertionError(f"unknown command {argv}")
        return Result(0, "", "")

    def _birdc(self, words: list[str], *, writes: bool) -> Result:
        if not self.running:
            return Result(1, "", NOT_RUNNING)
        if words == ["show", "route"]:
            self._lagging -= 1
            return Result(0, _show_route(self._before if self._lagging >= 0 else self._routes), "")
        assert words[0] == "configure" and words[1:-1] in ([], ["timeout"])
        assert writes, "configure is a write"
        routes = self._parse(self._text())
        if routes is None:
            return Result(1, f"BIRD 2.17.5 ready.\n{self.path}:1:1 syntax error, unexpected GARBAGE\n", "")
        if not self.deaf:
            self._before, self._routes, self._lagging = self._routes, routes, self.lag
            self._undo, self.undo_after = self._before, int(words[2]) if words[1:] else None
        return Result(0, "BIRD 2.17.5 ready.\nReconfigured\n", "")

    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    @staticmethod
    def _parse(text: str) -> list[str] | None:
        routes = []
        for line in text.splitlines():
            route = re.fullmatch(r"\troute (\S+) blackhole;", line)
            if route:
                routes.append(str(ipaddress.ip_network(route[1])))
            elif not re.fullmatch(r"#.*|protocol static dsr_vip[46] \{|\tipv[46];|\}|", line):
                return None
        return routes


def _show_route(routes: Sequence[str]) -> str:
    """As BIRD 2.17 prints them: a table per family, in no order that could be relied upon."""
    lines = ["BIRD 2.17.5 ready."]
    for version in (4, 6):
        lines += ["", f"Table master{version}:"] if version == 6 else [f"Table master{version}:"]
        for text in sorted(routes, key=hash):
            if (":" in text) == (version == 6):
                lines.append(f"{text:<20} blackhole [dsr_vip{version} 12:39:59.521] * (200)")
    return "\n".join(lines) + "\n"
