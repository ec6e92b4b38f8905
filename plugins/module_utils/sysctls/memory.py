# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the kernel that are ours, with the values that were there before: the file's text, and what follows.

The file has the format of sysctl.d, so that it also works there; the former values are comments:

    # former net.ipv4.ip_forward = 0
    net.ipv4.ip_forward = 1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_HEADER: Final = (
    "# Written by the Ansible collection baremetal.dsr; it overwrites every other change.\n"
    "# When these settings are no longer needed, the former values are put back from the comments.\n"
)
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_VALUE: Final = re.compile(r"[!-~]+( [!-~]+)*\Z")
_LINE: Final = re.compile(r"(# former )?(\S+) = (\S.*)\Z")


@dataclass(frozen=True)
class Kept:
    """former: the value before our first change. value: what we set."""

    former: str
    value: str


Memory = Mapping[str, Kept]
"""By full name, as net.ipv4.ip_forward."""


def parse(text: str) -> dict[str, Kept]:
    """Memory from the file's text. A setting without its former value is not remembered, any other line is skipped."""
    former: dict[str, str] = {}
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and _NAME.match(match[2]) and _VALUE.match(normal(match[3])):
            (former if match[1] else values)[match[2]] = normal(match[3])
    return {name: Kept(former[name], value) for name, value in sorted(values.items()) if name in former}


def render(memory: Memory) -> str:
    """The file's text."""
    lines = (f"# former {name} = {kept.former}\n{name} = {kept.value}\n" for name, kept in sorted(memory.items()))
    return _HEADER + "".join(lines)


def normal(value: object) -> str:
    """A value as text with single spaces, whichever way the kernel or YAML writes it."""
    return " ".join(str(int(value) if isinstance(value, bool) else value).split())


def parse_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings from the option of a module; DsrError on the first that cannot be one."""
    found = {str(name): normal(value) for name, value in values.items()}
    for name, value in found.items():
        if not _NAME.match(name):
            raise DsrError(f"sysctl {name}", "is no name of a setting", "Write it with dots, as net.ipv4.ip_forward")
        if not _VALUE.match(value):
            raise DsrError(f"sysctl {name}", f"'{value}' is no value of it", "Give a number or a word")
    return found


def remembered(memory: Memory, current: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Kept]:
    """The memory once `wanted` is set: what was there before our very first change stays remembered.

    Every wanted setting that is known now is kept, also one that has its value already.
    """
    return {
        **memory,
        **{
            name: Kept(memory[name].former if name in memory else current[name], value)
            for name, value in wanted.items()
            if name in current
        },
    }


def put_back(memory: Memory, current: Mapping[str, str]) -> dict[str, str]:
    """Values to return to. A setting that no longer has our value was changed by someone since and stays as it is."""
    return {name: kept.former for name, kept in memory.items() if current.get(name) == kept.value}
