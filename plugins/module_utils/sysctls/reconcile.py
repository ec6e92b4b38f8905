# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring settings of the kernel to their values and remember what they were, or put all of them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.file import SettingsFile
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.memory import (
    normal,
    parse,
    put_back,
    remembered,
    render,
)


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do.

    before, after: settings in question by name, as far as this kernel has them. text_before, text_after: the file,
    None where there is none.
    """

    changed: bool
    before: Mapping[str, str]
    after: Mapping[str, str]
    text_before: str | None
    text_after: str | None

    def diff(self, path: str) -> list[dict[str, str]]:
        """The settings as shell commands, and the file."""
        return [
            _diff("settings", as_commands(self.before), as_commands(self.after)),
            _diff(path, self.text_before or "", self.text_after or ""),
        ]


def reconcile(runner: Runner, path: str, wanted: Mapping[str, str], *, check_mode: bool) -> Outcome:
    """Set exactly these settings and keep them, with their former values, in the file at `path`.

    What the file names and `wanted` does not is put back and forgotten; with nothing wanted the file goes. The file
    is written before settings change and forgets after they are back, so a run that is killed is mended by the next.
    DsrError before the first write if this kernel lacks a setting, and after the last if it did not take one.
    """
    file = SettingsFile(runner, path)
    text = file.read()
    memory = parse(text or "")
    current = read(runner, {*memory, *wanted})
    _require(wanted, current)
    leaving = {name: kept for name, kept in memory.items() if name not in wanted}
    target = {**current, **put_back(leaving, current), **wanted}
    drift = {name: value for name, value in target.items() if current[name] != value}
    during = remembered(memory, current, wanted)
    text_after = render({name: during[name] for name in wanted}) if wanted else None
    changed = bool(drift) or text != text_after or (text_after is None and file.left_over())
    if changed and not check_mode:
        if wanted and text != render(during):
            file.write(render(during))
        write(runner, drift)
        _compare(read(runner, drift), drift)
        if text_after is None:
            file.remove()
        elif leaving:
            file.write(text_after)
    return Outcome(changed, current, target, text, text_after)


def keep(runner: Runner, path: str, current: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Before `wanted` is set, write to the file at `path` what is there now. What it remembers already stays."""
    file = SettingsFile(runner, path)
    text = file.read()
    after = render(remembered(parse(text or ""), current, wanted))
    if text != after:
        file.write(after)


def read(runner: Runner, names: Iterable[str]) -> dict[str, str]:
    """Values by name, of those settings that this kernel has."""
    asked = sorted(names)
    if not asked:
        return {}
    lines = (line.partition(" = ") for line in runner.read(["sysctl", "-e", *asked]).splitlines())
    found = {name: normal(value) for name, equals, value in lines if equals}
    return {name: found[name] for name in asked if name in found}


def write(runner: Runner, values: Mapping[str, str]) -> None:
    """Set all of them with one command; nothing when there are none."""
    if values:
        runner.write(["sysctl", "-q", "-w", *(f"{name}={value}" for name, value in sorted(values.items()))])


def as_commands(values: Mapping[str, str]) -> str:
    """Shell commands that give these settings."""
    return "".join(f"sysctl -w '{name}={value}'\n" for name, value in sorted(values.items()))


def _require(wanted: Mapping[str, str], current: Mapping[str, str]) -> None:
    for name in sorted(wanted):
        if name not in current:
            raise DsrError(
                f"sysctl {name}", "is unknown to this kernel", "Leave it out, or run a kernel that has it switched on"
            )


def _compare(now: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if now.get(name) != value:
            raise DsrError(
                f"sysctl {name}", f"is {now.get(name)} after it was set to {value}", "Choose a value this kernel takes"
            )


def _diff(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}
