# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what a module does to a machine: stand before its commands on PATH, note each call and copy its input."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Final

from bench.place import BenchmarkError

COMMANDS: Final = (
    "ip",
    "ip6tables",
    "ip6tables-restore",
    "ip6tables-save",
    "ipset",
    "iptables",
    "iptables-restore",
    "iptables-save",
    "ipvsadm",
    "modprobe",
    "nft",
    "nsenter",
    "sysctl",
)
"""Every command by which the collection's modules change a kernel table."""

_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_BATCHES: Final = '*" -R"*|*" --restore"*|"ipset restore"*|*tables-restore*|*"-batch"*'
_LOOKING: Final = {
    "ipset": ("help", "list", "save", "version", "-L", "-S"),
    "ipvsadm": ("-L", "--list", "-l", "-S", "--save", "-v", "--version", "-h", "--help"),
    "iptables": ("-L", "-S", "-V", "--version"),
    "nft": ("list",),
}
_CHANGING_WORDS: Final = frozenset({"add", "append", "change", "del", "delete", "flush", "replace", "set"})


@dataclass(frozen=True)
class Counted:
    """calls: the words of each. lines: what each command read from its input, all calls together."""

    calls: Sequence[Sequence[str]]
    lines: Mapping[str, Sequence[str]]

    @property
    def writes(self) -> list[str]:
        """The calls that may change something."""
        return [" ".join(words) for words in self.calls if is_write(words)]


def is_write(words: Sequence[str]) -> bool:
    """Whether a call may change the machine. Whatever is not known to only look counts as a write."""
    name, arguments = words[0], list(words[1:])
    if name == "sysctl":
        return any("=" in word or word in ("-w", "--write", "-p", "--load", "--system") for word in arguments)
    if name == "modprobe":
        return not {"-n", "--dry-run", "--show"}.intersection(arguments)
    if name == "ip":
        return bool(_CHANGING_WORDS.intersection(arguments)) or any("-b" in word for word in arguments)
    if name == "nsenter":
        inner = list(dropwhile(lambda word: word.startswith("-"), arguments))
        return bool(inner) and inner[0] not in ("cat", "ls", "test") and is_write(inner)
    if name.endswith("-save"):
        return False
    if name.endswith("-restore"):
        return not {"-t", "--test"}.intersection(arguments)
    looking = _LOOKING.get("iptables" if name == "ip6tables" else name, ())
    return not (arguments and arguments[0].startswith(looking))


class Counter:
    """Counts what is run with its environment."""

    def __init__(self, folder: Path) -> None:
        """The folder, which is made, holds the stand-ins and their notes."""
        self._folder = folder
        folder.mkdir()
        for name in COMMANDS:
            real = shutil.which(name, path=_SYSTEM_PATH)
            if real:
                (folder / name).write_text(_stand_in(name, real, folder))
                (folder / name).chmod(0o755)
        self.env: Mapping[str, str] = {**os.environ, "PATH": f"{folder}:{_SYSTEM_PATH}"}

    def take(self) -> Counted:
        """What was counted since the last time."""
        calls, lines = [], {}
        for path in sorted(self._folder.iterdir()):
            if path.name == "calls":
                calls = [line.split(" ") for line in path.read_text().splitlines()]
            elif path.suffix == ".stdin":
                lines[path.stem] = path.read_text().splitlines()
            else:
                continue
            path.unlink()
        if not calls:
            raise BenchmarkError("nothing was counted: commands in the folder of the benchmark cannot be run")
        return Counted(calls, lines)


def _stand_in(name: str, real: str, folder: Path) -> str:
    notes, copy = shlex.quote(str(folder / "calls")), shlex.quote(str(folder / f"{name}.stdin"))
    real = shlex.quote(real)
    return (
        f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>{notes}\n'
        f'case "{name} $*" in\n{_BATCHES}) tee -a {copy} | {real} "$@" ;;\n*) exec {real} "$@" ;;\nesac\n'
    )
