# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that is there already: one module call against one dump of the table."""

from __future__ import annotations

from collections.abc import Mapping

from bench.benchmarks import cold
from bench.counting import Counter
from bench.harness import Figures, Finding, Goal, interleaved, less, middle, ratio
from bench.place import BenchmarkError, Place

TITLE = "1,000 mh services x 10 backends, all there already"
DUMP = ["ipvsadm", "-Ln", "--nosort", "--tun-info"]

files = cold.files


def measure(place: Place, rounds: int, _options: Mapping[str, int]) -> Figures:
    place.load("ip_vs", "ip_vs_mh")
    counter = Counter(place.folder / "counting")
    namespace, empty = place.namespace("table"), place.namespace("empty")
    place.module("table", namespace, counter.env)
    lines = len(counter.take().lines["ipvsadm"])
    before = place.run(DUMP, namespace)
    result, _seconds = place.module("table", namespace, counter.env)
    writes = counter.take().writes
    if result["changed"] or place.run(DUMP, namespace) != before:
        raise BenchmarkError("the second call changed the table")
    sides = {
        "module": lambda: place.module("table", namespace)[1],
        "dump": lambda: place.timed(DUMP, namespace),
        "start": lambda: place.module("nothing", empty)[1],
    }
    values = interleaved("noop", sides, rounds)
    return {
        "lines_counted_in_first_call": lines,
        "writes_counted_in_second_call": len(writes),
        "writes": writes,
        **{f"{side}_s": seconds for side, seconds in values.items()},
    }


def findings(figures: Figures) -> list[Finding]:
    module, dump, start = (figures[f"{side}_s"] for side in ("module", "dump", "start"))
    return [
        Goal("no-op / one dump by ipvsadm", ratio(module, dump), "x", "<=", 1.3),
        Goal("writes of a no-op, counted", figures["writes_counted_in_second_call"], "writes", "=", 0),
        Finding("no-op less what a call that has nothing to do takes, / dump", ratio(less(module, start), dump)),
        Finding("one dump by ipvsadm", middle(dump), "s"),
        Finding("a call that has nothing to do", middle(start), "s"),
    ]
