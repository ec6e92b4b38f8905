# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: run benchmarks, tell what came out, keep it."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from virtual_dc import lab
from virtual_dc.errors import LabError

from bench import report, session
from bench.benchmarks import failover
from bench.failover.events import EVENTS
from bench.failover.without import WITHOUT
from bench.harness import Goal, say
from bench.place import BenchmarkError

README = Path(__file__).resolve().parent / "README.md"
BENCHMARKS = ("cold", "noop", "change", "loop", "steering", "planner", "dsr_nat", "failover")
FEWEST_ROUNDS = 5


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    names = ", ".join(BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{names}; all of them when none is named")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help="measurements of each side (default 5)")
    parser.add_argument("--cold-rounds", type=int, default=2, help="times that `change` makes its table (default 2)")
    parser.add_argument("--megabytes", type=int, default=100, help="size of a download of `dsr_nat` (default 100)")
    _add_failover(parser.add_argument_group("of `failover`"))
    parser.add_argument("--readme", action="store_true", help="write the results kept so far into bench/README.md")
    asked = parser.parse_args(argv)
    unknown = sorted(set(asked.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {names}")
    for given, there in ((asked.events, EVENTS), (asked.without, WITHOUT)):
        if unknown := sorted(set(given) - set(there)):
            parser.error(f"no {', '.join(unknown)}: there are {', '.join(there)}")
    if min(asked.rounds, asked.cold_rounds, asked.megabytes, asked.connections) < 1:
        parser.error("numbers must be 1 or more")
    return asked


def _add_failover(group: argparse._ArgumentGroup) -> None:
    def names(text: str) -> list[str]:
        return [word for word in text.split(",") if word and word != "none"]

    events, practices = ",".join(EVENTS), ",".join(WITHOUT)
    group.add_argument(
        "--connections", type=int, default=1000, metavar="N", help="long ones, of all VIPs (default 1000)"
    )
    group.add_argument("--every", type=float, default=0, metavar="S", help="seconds between two questions on each")
    group.add_argument("--new", type=float, default=5, metavar="N", help="new connections a second (default 5)")
    group.add_argument("--bfd-interval", type=int, default=0, metavar="MS", help="instead of the inventory's")
    group.add_argument("--inventory", default="lab", metavar="NAME", help="a folder of inventories/ (default lab)")
    group.add_argument("--events", type=names, default=list(EVENTS), help=f"of {events}, or none")
    group.add_argument("--without", type=names, default=list(WITHOUT), help=f"of {practices}, or none")


def main(argv: Sequence[str]) -> int:
    """Exit status 0 if all benchmarks could be run, whether or not they met their goals."""
    asked = parse(argv)
    if "DSR_WORK" not in os.environ:
        say("Start it by 'scripts/run bench/run', which makes the environment it needs.")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return _run(asked)
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130


def _run(asked: argparse.Namespace) -> int:
    options = {key: value for key, value in vars(asked).items() if key not in ("names", "rounds", "readme")}
    names = asked.names or ([] if asked.readme else BENCHMARKS)
    results, failed = [], []
    for name in names:
        try:
            results.append(_one(name, asked.rounds, options))
        except (BenchmarkError, LabError, OSError) as error:
            failed.append(name)
            say(f"bench: {error}")
            continue
        print(results[-1].text(), flush=True)
    _conclude(results, failed, asked.rounds)
    if asked.readme:
        kept = [result for name in BENCHMARKS if (result := _kept(name)) is not None]
        README.write_text(report.with_table(README.read_text(), report.table(kept)))
        _write_pages()
    return 1 if failed else 0


def _write_pages() -> None:
    """The tables of the pages that a benchmark has beside its findings."""
    if (kept := report.load("failover", report.RESULTS)) is not None:
        page = failover.PAGE
        page.write_text(report.with_table(page.read_text(), failover.page(kept["figures"])))


def _one(name: str, rounds: int, options: dict[str, Any]) -> report.Result:
    benchmark = importlib.import_module(f"bench.benchmarks.{name}")
    rounds = min(rounds, getattr(benchmark, "MOST_ROUNDS", rounds))
    if name == "planner":
        place = f"this computer, Python {platform.python_version()}"
        measured = benchmark.run(rounds, options)
    else:
        lab.require_running()
        measured = (
            benchmark.run(rounds, options) if hasattr(benchmark, "run") else _on_guest(benchmark, name, rounds, options)
        )
        place = f"Linux {measured['kernel']}, {session.accelerator()}"
    date = datetime.date.today().isoformat()
    figures = measured["figures"]
    result = report.Result(name, benchmark.TITLE, date, place, rounds, figures, benchmark.findings(figures))
    report.save(result, report.RESULTS)
    return result


def _on_guest(benchmark: ModuleType, name: str, rounds: int, options: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: options[key] for key in ("cold_rounds", "megabytes")}
    return session.run(name, rounds, numbers, benchmark.files())


def _kept(name: str) -> report.Result | None:
    kept = report.load(name, report.RESULTS)
    if kept is None:
        return None
    benchmark = importlib.import_module(f"bench.benchmarks.{name}")
    return report.Result(name, benchmark.TITLE, findings=benchmark.findings(kept["figures"]), **kept)


def _conclude(results: Sequence[report.Result], failed: Sequence[str], rounds: int) -> None:
    goals = [(result.benchmark, goal) for result in results for goal in result.findings if isinstance(goal, Goal)]
    if not goals and not failed:
        return
    if rounds < FEWEST_ROUNDS:
        print(f"\nToo few rounds ({rounds}) to state these figures anywhere.")
    missed = [goal.line(name) for name, goal in goals if not goal.met]
    print(f"\n{len(goals) - len(missed)} goals met, {len(missed)} not met, {len(failed)} benchmarks failed")
    print("".join(f"  {line}\n" for line in missed), end="")
    print("".join(f"  {name}: failed\n" for name in failed), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
