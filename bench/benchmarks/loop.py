# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same table by an Ansible loop of single commands: measured on 50, extrapolated linearly to all."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from virtual_dc import ssh

from bench.benchmarks.cold import BACKENDS, SERVICES
from bench.harness import Figures, Finding, Goal, interleaved, middle, ratio, rounded
from bench.place import BenchmarkError
from bench.session import GUEST, session
from bench.tables import MH_FLAGS, ipvs_services

TITLE = "the same by an Ansible loop of single ipvsadm commands"
COMMANDS = 50
LINES = SERVICES * (1 + BACKENDS)

_NOW: Final = "{{ lookup('ansible.builtin.pipe', 'date +%s.%N') }}"


def run(rounds: int, _options: Mapping[str, int]) -> dict[str, Any]:
    """Both sides through ansible-playbook, with pipelining and a shared connection; its own start does not count."""
    services = ipvs_services(SERVICES, BACKENDS, "mh")
    with session("hold", rounds, {}, {}) as objects, tempfile.TemporaryDirectory() as name:
        held = next(objects, {"error": "the guest did not answer"})
        if "error" in held:
            raise BenchmarkError(f"loop: {held['error']}")
        folder = Path(name)
        share = max(COMMANDS // rounds, 2)
        sides = {
            "one_call": lambda: _played(folder, held["interpreter"], _one_call(services)),
            "loop": lambda: _played(folder, held["interpreter"], _loop(_commands(services, share))),
        }
        values = interleaved("loop", sides, rounds)
    return {
        "kernel": held["kernel"],
        "figures": {
            "commands_a_round": share,
            "commands_of_the_table": LINES,
            "one_call_s": values["one_call"],
            "loop_s": values["loop"],
            "loop_extrapolated_s": [rounded(seconds / share * LINES) for seconds in values["loop"]],
        },
    }


def findings(figures: Figures) -> list[Finding]:
    call, loop = figures["one_call_s"], figures["loop_extrapolated_s"]
    measured = figures["commands_a_round"] * len(figures["loop_s"])
    return [
        Goal(
            f"loop of {figures['commands_of_the_table']:,} commands (extrapolated from {measured}) / one call",
            ratio(loop, call),
            "x",
            ">=",
            200,
        ),
        Finding("one command of the loop", rounded(middle(loop) / figures["commands_of_the_table"]), "s"),
        Finding("one call, with all that Ansible adds to it", middle(call), "s"),
    ]


def _commands(services: list[dict[str, Any]], count: int) -> list[str]:
    """The first commands that make the table: a service and its destinations, and so on."""
    commands: list[str] = []
    for service in services:
        if len(commands) >= count:
            break
        commands.append(f"ipvsadm -A -f {service['mark']} -s mh -b {','.join(MH_FLAGS)}")
        for destination in reversed(service["destinations"]):
            commands.append(f"ipvsadm -a -f {service['mark']} -r {destination['address']}:0 -i -w 1")
    return commands[:count]


def _loop(commands: list[str]) -> dict[str, Any]:
    return {"ansible.builtin.command": "{{ item }}", "loop": commands}


def _one_call(services: list[dict[str, Any]]) -> dict[str, Any]:
    return {"baremetal.dsr.ipvs": {"services": services}}


def _played(folder: Path, interpreter: str, task: Mapping[str, Any]) -> float:
    """Seconds that a task takes, on the clock of this computer."""
    times, play = folder / "times.json", folder / "play.json"
    tasks = [
        {"ansible.builtin.command": "ipvsadm -C"},
        {"ansible.builtin.set_fact": {"begin": _NOW}},
        task,
        {"ansible.builtin.set_fact": {"end": _NOW}},
        {
            "ansible.builtin.copy": {"content": "{{ [begin, end] | to_json }}", "dest": str(times), "mode": "0600"},
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        },
    ]
    variables = {
        "ansible_user": "root",
        "ansible_python_interpreter": interpreter,
        "ansible_pipelining": True,
        "ansible_ssh_common_args": f"-F {ssh.configuration()}",
    }
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    done = subprocess.run(
        ["ansible-playbook", "-i", f"{GUEST},", str(play)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_HOST_KEY_CHECKING": "True"},
    )
    if done.returncode != 0:
        raise BenchmarkError(f"ansible-playbook failed: {done.stdout[-1000:]}{done.stderr[-500:]}")
    begin, end = json.loads(times.read_text())
    return float(end) - float(begin)
