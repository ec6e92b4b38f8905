# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command inside a namespace, and running it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_STILL_USED: Final = re.compile(r"Error in line (\d+): Set cannot be destroyed: it is in use")
_TRIES: Final = 50
_PAUSE: Final = 0.1
"""Seconds between tries."""


@dataclass(frozen=True)
class Step:
    """One command that changes the namespace."""

    argv: tuple[str, ...]
    stdin: str | None = None


def batch(argv: Iterable[str], lines: Iterable[str]) -> list[Step]:
    """The lines as input of one command; nothing if there are none."""
    text = "".join(f"{line}\n" for line in lines)
    return [Step(tuple(argv), text)] if text else []


def ip_batch(lines: Iterable[str]) -> list[Step]:
    return batch(("ip", "-batch", "-"), lines)


def ipset_batch(lines: Iterable[str]) -> list[Step]:
    return batch(("ipset", "restore", "-exist"), lines)


def sysctl(values: Mapping[str, str]) -> list[Step]:
    return [Step(("sysctl", "-w", *(f"{key}={value}" for key, value in values.items())))] if values else []


def perform(runner: Runner, entry: str, step: Step) -> None:
    """Run it in the namespace behind the path `entry`; DsrError if it fails.

    The kernel takes a deleted rule apart later: for some milliseconds the rule's ipset still counts as used. So a set
    that cannot go yet is tried again, from the line that failed.
    """
    argv, text = ["nsenter", f"--net={entry}", *step.argv], step.stdin
    for _try in range(_TRIES):
        try:
            runner.write(argv, text)
            return
        except DsrError as error:
            busy = _STILL_USED.search(error.reason)
            if busy is None or text is None:
                raise
            text = "".join(text.splitlines(keepends=True)[max(int(busy[1]), 1) - 1 :])
            time.sleep(_PAUSE)
    runner.write(argv, text)
