# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All hosts' plans, on this computer: time, memory and growth. Each measurement is a process of its own.

Usage of the process: python -m bench.benchmarks.planner plan|filter SERVICES
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from bench.harness import Figures, Finding, Goal, interleaved, middle, ratio, rounded
from bench.place import BenchmarkError
from bench.tables import cluster

TITLE = "plans of 500 nodes, 10 backends a service"
SIZES = (1_000, 2_000, 5_000, 10_000)
BACKENDS, NODES = 10, 500


def run(rounds: int, _options: Mapping[str, int]) -> dict[str, Any]:
    peaks: dict[str, list[float]] = {str(size): [] for size in SIZES}
    worked: dict[str, list[float]] = {str(size): [] for size in SIZES}
    again: list[float] = []

    def plan(size: int) -> float:
        seconds, processor, peak = _process("plan", size)
        peaks[str(size)].append(rounded(peak))
        worked[str(size)].append(rounded(processor))
        return seconds

    def one_filter() -> float:
        seconds, repeated, _peak = _process("filter", SIZES[-1])
        again.append(rounded(repeated))
        return seconds

    sides = {str(size): partial(plan, size) for size in SIZES}
    values = interleaved("planner", {**sides, "filter": one_filter}, rounds)
    return {
        "kernel": "",
        "figures": {
            "plan_s": {str(size): values[str(size)] for size in SIZES},
            "plan_cpu_s": worked,
            "peak_mib": peaks,
            "filter_first_host_s": values["filter"],
            "filter_next_host_s": again,
        },
    }


def findings(figures: Figures) -> list[Finding]:
    seconds = {size: middle(figures["plan_s"][str(size)]) for size in SIZES}
    small, big = SIZES[0], SIZES[-1]
    growth = ratio(figures["plan_cpu_s"][str(big)], figures["plan_cpu_s"][str(small)]) / (big / small)
    return [
        Goal(f"all {NODES} plans for {big:,} services", seconds[big], "s", "<", 10),
        Goal("peak memory of that process, input included", max(figures["peak_mib"][str(big)]), "MiB", "<", 1024),
        Goal(f"processor time per service at {big:,} / at {small:,} services", rounded(growth), "x", "<=", 1.25),
        *(Finding(f"all {NODES} plans for {size:,} services", seconds[size], "s") for size in SIZES[:-1]),
        Finding("the filter for the first host of a process", middle(figures["filter_first_host_s"]), "s"),
        Finding("the filter for each further host of a process", middle(figures["filter_next_host_s"]), "s"),
    ]


def _process(what: str, size: int) -> tuple[float, float, float]:
    command = [sys.executable, "-m", __name__, what, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"planner: {done.stderr.strip()[-500:]}")
    one, other, peak = json.loads(done.stdout)
    return one, other, peak


def _plans(given: dict[str, Any]) -> tuple[float, float]:
    """Seconds, and seconds of processor time, which other work on this computer does not lengthen as much."""
    from ansible_collections.baremetal.dsr.plugins.filter.plan import plan_all

    text = json.dumps(given)
    begin, worked = time.perf_counter(), time.process_time()
    planned = plan_all(text)
    plans = [planned.for_host(name) for name in given["nodes"]]
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    assert len(plans) == NODES
    return seconds, worked


def _filter(given: dict[str, Any]) -> tuple[float, float]:
    """Seconds for the first host, seconds for the second."""
    from ansible_collections.baremetal.dsr.plugins.filter.plan import plan

    times = []
    for name in list(given["nodes"])[:2]:
        begin = time.perf_counter()
        plan(host=name, **given)
        times.append(time.perf_counter() - begin)
    return times[0], times[1]


def main(what: str, size: int) -> None:
    given = cluster(size, BACKENDS, NODES)
    one, other = (_plans if what == "plan" else _filter)(given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([one, other, peak]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
