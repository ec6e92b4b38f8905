# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node beside this checkout's plugins: does what a test asks, without the seconds a task of Ansible costs.

Each line of its input is an order in JSON, each line of its output the answer, {"result": ...} or {"error": text}:

{"do": "modules", "calls": [[NAME, {OPTION: VALUE}], ...]}   the modules one after the other: [what each returned]
{"do": "run", "commands": [[ARGV, INPUT or null], ...]}      [the output of each]; an error ends the order
{"do": "crash", ...}                                         crash.drill
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible.module_utils import basic

Options = Mapping[str, Any]
Result = dict[str, Any]
MODULES = "ansible_collections.baremetal.dsr.plugins.modules"
LOADED = {
    name: importlib.import_module(f"{MODULES}.{name}")
    for name in ("bgp_info", "bgp_router", "ipvs", "pods", "steering")
}


class Failed(Exception):
    """A module or a command did; the text is what it said."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: the signal that killed it or 0, and what its work returned if it came to that."""

    signal: int
    result: Any


def module(name: str, options: Options) -> Result:
    """Run a module in this process, as Ansible runs it."""
    arguments = {**options, "_ansible_no_log": True}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        LOADED[name].main()
    result: Result = json.loads(said.getvalue().strip().splitlines()[-1])
    if result.get("failed"):
        raise Failed(f"{name}: {result['msg']}")
    return result


def site(options: Mapping[str, Options]) -> dict[str, Result]:
    """What playbooks/site.yml does to the tables of one node, in its order. options: of pods, ipvs and steering."""
    prepared = module("pods", {**options["pods"], "purge": False})
    built = module("ipvs", {**options["ipvs"], "purge": False})
    steered = module("steering", options["steering"])
    if built["stale"]:
        module("ipvs", {**options["ipvs"], "purge": True})
    if prepared["stale"]:
        module("pods", {**options["pods"], "purge": True, "missing": "report"})
    return {"pods": prepared, "ipvs": built, "steering": steered}


def in_child(work: Callable[[], Any], environment: Mapping[str, str] | None = None) -> Ended:
    """Do the work in a process of its own. What it raises is raised here as Failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.environ.update(environment or {})
            answer = _answer(work)
            with os.fdopen(writing, "w") as pipe:
                pipe.write(answer)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    answered = json.loads(text) if text else {}
    if "error" in answered:
        raise Failed(answered["error"])
    return Ended(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, answered.get("result"))


def _answer(work: Callable[[], Any]) -> str:
    try:
        return json.dumps({"result": work()})
    except Failed as failed:
        return json.dumps({"error": str(failed)})
    except Exception:
        return json.dumps({"error": traceback.format_exc()})


def run(argv: Sequence[str], stdin: str | None = None) -> str:
    """Output of a command; Failed if it does."""
    done = subprocess.run(argv, input=stdin or "", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def obey(order: Mapping[str, Any]) -> Any:
    if order["do"] == "modules":
        calls = order["calls"]
        return [in_child(lambda: module(name, options)).result for name, options in calls]  # noqa: B023
    if order["do"] == "run":
        return [run(argv, stdin) for argv, stdin in order["commands"]]
    import crash  # it needs what is defined here

    return crash.drill(order["states"], order["vips"], order["share"])


def main() -> None:
    os.environ.update(LC_ALL="C.UTF-8", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    for line in sys.stdin:
        print(_answer(lambda: obey(json.loads(line))), flush=True)  # noqa: B023


if __name__ == "__main__":
    sys.modules["on_node"] = sys.modules["__main__"]
    main()
