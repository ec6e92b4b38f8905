# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to the machine: argv in, text out, reads and writes kept apart.

Keeping the two apart is what makes check mode provable (a runner that refuses writes), a second run
countable (no writes) and crash tests exhaustive (die after the n-th write).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
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


class LocalRunner(Runner):
    """This machine, in the C locale, with /sbin on the path. No shell is ever involved."""

    def __init__(self) -> None:
        path = os.environ.get("PATH", "/usr/bin:/bin")
        self._path = path + ":/usr/local/sbin:/usr/sbin:/sbin"
        self._env = {**os.environ, "LC_ALL": "C", "PATH": self._path}

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
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
