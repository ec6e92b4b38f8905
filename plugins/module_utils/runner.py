# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to the machine: argv in, text out, reads and writes kept apart.

Keeping the two apart is what makes check mode provable (a runner that refuses writes), a second run
countable (no writes) and crash tests exhaustive (die after the n-th write).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

PACKAGES = {
    "bird": "bird2",
    "birdc": "bird2",
    "ip": "iproute2",
    "ip6tables-restore": "iptables",
    "ip6tables-save": "iptables",
    "ipset": "ipset",
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
    "ipvsadm": "ipvsadm",
    "modprobe": "kmod",
    "nsenter": "util-linux",
    "sysctl": "procps",
}
"""Debian package that brings a command; used only to word the cure."""


FAULT = "BAREMETAL_DSR_FAULT"
WRITES = "BAREMETAL_DSR_WRITES"
"""Environment variables for crash tests, see CrashTest. Nothing else sets or reads them."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    rc: int
    out: str
    err: str


class Runner(ABC):
    """Runs commands; a subclass decides where (this machine, a fake, a counting wrapper)."""

    @abstractmethod
    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        """Run argv with stdin as its input; writes says whether it may change the machine."""

    def read(self, argv: Sequence[str], stdin: str | None = None) -> str:
        """Output of a command that changes nothing; DsrError if it fails."""
        return _output(argv, self.run(argv, stdin, writes=False))

    def write(self, argv: Sequence[str], stdin: str | None = None) -> str:
        """Output of a command that changes the machine; DsrError if it fails."""
        return _output(argv, self.run(argv, stdin, writes=True))

    def require(self, *commands: str) -> None:
        """DsrError naming the first command that this machine lacks and the package that brings it."""
        for command in commands:
            if not self.has(command):
                raise DsrError(
                    f"command {command}",
                    "not found on this machine",
                    f"Install the package {PACKAGES.get(command, command)}",
                )

    @abstractmethod
    def has(self, command: str) -> bool:
        """Whether the command can be found."""


@dataclass
class _Write:
    """The write at hand. number: of the writes of this process, from 1. lines: of its input. done: of these, by
    earlier tries."""

    number: int = 0
    argv: Sequence[str] = ()
    lines: Sequence[str] = ()
    done: int = 0


class CrashTest:
    """Test hook: kills this process by SIGKILL at a chosen write, and tells which writes there are.

    BAREMETAL_DSR_FAULT=3       after the third write of this process
    BAREMETAL_DSR_FAULT=3:7     after the first 7 lines of the third write's input; 3:0: right before the third write
    BAREMETAL_DSR_WRITES=FILE   a line of JSON {"number", "argv", "lines"} is added to FILE for every write, before it

    What follows a write of the same command and repeats the end of its input is a further try of it and has its number.
    A write that fails does not kill, so that the caller can try again.
    """

    _last = _Write()

    def __init__(self, environment: Mapping[str, str]) -> None:
        number, _colon, lines = environment.get(FAULT, "0").partition(":")
        self._number, self._lines = int(number), int(lines) if lines else None
        self._file = environment.get(WRITES, "")

    def about_to_write(self, argv: Sequence[str], stdin: str | None) -> str | None:
        """To be called before a write: what of its input it may be given. Does not return when that is nothing."""
        lines = (stdin or "").splitlines(keepends=True)
        last = CrashTest._last
        if lines and list(argv) == last.argv and last.lines[-len(lines) :] == lines:
            last.done = len(last.lines) - len(lines)
        else:
            last = CrashTest._last = _Write(last.number + 1, list(argv), lines)
            self._tell(last)
        if last.number != self._number or self._lines is None:
            return stdin
        if self._lines <= last.done:
            _die()
        return "".join(lines[: self._lines - last.done]) if lines else stdin

    def has_written(self) -> None:
        """To be called after a write that succeeded."""
        if CrashTest._last.number == self._number:
            _die()

    def _tell(self, write: _Write) -> None:
        if self._file:
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(json.dumps({"number": write.number, "argv": write.argv, "lines": write.lines}) + "\n")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class LocalRunner(Runner):
    """This machine, in the C locale, with /sbin on the path. No shell is ever involved."""

    def __init__(self) -> None:
        path = os.environ.get("PATH", "/usr/bin:/bin")
        self._path = path + ":/usr/local/sbin:/usr/sbin:/sbin"
        self._env = {**os.environ, "LC_ALL": "C", "PATH": self._path}
        self._crash_test = CrashTest(os.environ) if {FAULT, WRITES} & os.environ.keys() else None

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        if self._crash_test is None or not writes:
            return self._run(argv, stdin)
        result = self._run(argv, self._crash_test.about_to_write(argv, stdin))
        if result.rc == 0:
            self._crash_test.has_written()
        return result

    def _run(self, argv: Sequence[str], stdin: str | None) -> Result:
        try:
            done = subprocess.run(
                list(argv),
                input="" if stdin is None else stdin,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._env,
                check=False,
            )
        except OSError as error:
            self.require(argv[0])
            raise DsrError(f"command {argv[0]}", f"cannot be run: {error.strerror}", "Mend it and run again") from error
        return Result(done.returncode, done.stdout, done.stderr)

    def has(self, command: str) -> bool:
        return shutil.which(command, path=self._path) is not None


def _output(argv: Sequence[str], result: Result) -> str:
    if result.rc != 0:
        said = " ".join((result.err.strip() or result.out.strip()).split()) or f"exit status {result.rc}"
        raise DsrError(f"command '{' '.join(argv)}'", f"failed: {said}", "Mend what it names and run again")
    return result.out
