# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and settings of a machine, as cat, test, install, mv, rm and sysctl show and change them."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner


class Killed(BaseException):
    """The run was killed; nothing catches it."""


class Files:
    """Files by path; `run` is None for commands that it does not know."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def run(self, argv: Sequence[str], stdin: str | None) -> Result | None:
        argv = list(argv)
        if argv[0] == "cat" and argv[1] in self.texts:
            return Result(0, self.texts[argv[1]], "")
        if argv[0] == "cat" and not argv[1].startswith("/proc/"):
            return Result(1, "", f"cat: {argv[1]}: No such file or directory\n")
        if argv[:2] == ["test", "-e"] and not argv[2].startswith("/proc/"):
            return Result(0 if argv[2] in self.texts else 1, "", "")
        if argv[:4] == ["install", "--mode=0644", "--no-target-directory", "/dev/stdin"]:
            self.texts[argv[4]] = stdin or ""
        elif argv[:3] == ["mv", "--force", "--no-target-directory"]:
            self.texts[argv[4]] = self.texts.pop(argv[3])
        elif argv[:2] == ["rm", "--force"]:
            for path in argv[2:]:
                self.texts.pop(path, None)
        else:
            return None
        return Result(0, "", "")


class FakeKernel(Runner):
    """read_only: refuse writes. die_after: writes (each setting is one) until the process is killed.

    deaf: settings that do not take what is written to them.
    """

    def __init__(self, **settings: str) -> None:
        self.settings = {f"net.{name.replace('__', '.')}": value for name, value in settings.items()}
        self.files = Files()
        self.read_only = False
        self.die_after: int | None = None
        self.deaf: set[str] = set()
        self.writes: list[list[str]] = []

    def has(self, command: str) -> bool:
        return True

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        argv = list(argv)
        if argv[:2] == ["sysctl", "-e"]:
            shown = [f"{name} = {self.settings[name]}\n" for name in argv[2:] if name in self.settings]
            return Result(0, "".join(shown), "")
        if not writes:
            assert argv[0] in {"cat", "test"}, argv
        else:
            assert not self.read_only, f"a write in check mode: {argv}"
            self.writes.append(argv)
            if argv[:3] == ["sysctl", "-q", "-w"]:
                return self._set(argv[3:])
            self._tick()
        result = self.files.run(argv, stdin)
        assert result is not None, argv
        return result

    def _set(self, assignments: Sequence[str]) -> Result:
        for assignment in assignments:
            self._tick()
            name, value = assignment.split("=", 1)
            assert name in self.settings
            if name not in self.deaf:
                self.settings[name] = value.replace(" ", "\t")
        return Result(0, "", "")

    def _tick(self) -> None:
        if self.die_after is not None:
            if self.die_after == 0:
                raise Killed
            self.die_after -= 1
