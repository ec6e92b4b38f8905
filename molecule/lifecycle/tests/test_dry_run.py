# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode writes nothing and predicts exactly. What it installs is what test_teardown.py takes down."""

from __future__ import annotations

import re

TASK = re.compile(r"^(TASK|RUNNING HANDLER) \[(.*)\] \**$")
STATUS = re.compile(r"^(ok|changed|skipping|fatal): \[(\w+)\]")
# What a run does because a file changed, which check mode only names by the change of the file.
FOLLOWS = "RUNNING HANDLER"


def changes(output: str) -> dict[tuple[str, str], str]:
    """(task, machine) -> the diff printed for it, of every task that changed or would change something."""
    found: dict[tuple[str, str], str] = {}
    task, lines = "", []
    for line in output.splitlines():
        if header := TASK.match(line):
            task, lines = f"{header[1]} {header[2]}", []
        elif status := STATUS.match(line):
            if status[1] == "changed" and not task.startswith(FOLLOWS):
                found[task, status[2]] = "\n".join(lines)
            lines = []
        elif line.strip() and not line.startswith(("---", "+++")):
            lines.append(line)
    return found


def test_dry_run_writes_nothing_and_predicts_what_the_run_does(pristine, given, playbook, dump) -> None:
    dry = playbook("site", "--check", "--diff", **given)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    after = dump()
    for name in pristine:
        assert after[name].splitlines() == pristine[name].splitlines(), f"{name} is not what it was"
    wet = playbook("site", "--diff", **given)
    assert wet.returncode == 0, wet.stdout + wet.stderr
    predicted, done = changes(dry.stdout), changes(wet.stdout)
    assert {machine for _task, machine in done} == {"r1", "n1", "n2", "n3"}
    assert predicted.keys() == done.keys()
    for task_and_machine, text in done.items():
        assert predicted[task_and_machine] == text, task_and_machine
