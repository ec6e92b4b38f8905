# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change in a big table: against the time in which the module made that table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from bench.benchmarks.noop import DUMP
from bench.counting import Counter
from bench.harness import Figures, Finding, Goal, interleaved, middle, rounded, say
from bench.payload import payload
from bench.place import Place
from bench.tables import ipvs_services, without_first_backend

TITLE = "one backend comes or goes in 10,000 rr services x 10 backends"
SERVICES, BACKENDS, CHANGED = 10_000, 10, 5_000


def files() -> dict[str, bytes]:
    services = ipvs_services(SERVICES, BACKENDS, "rr")
    return {
        "all.payload": payload("ipvs", {"services": services}),
        "less.payload": payload("ipvs", {"services": without_first_backend(services, CHANGED)}),
        "nothing.payload": payload("ipvs", {"services": [], "sysctls": {}}),
    }


def measure(place: Place, rounds: int, options: Mapping[str, int]) -> Figures:
    """The cold time is measured options["cold_rounds"] times only: it takes minutes."""
    place.load("ip_vs", "ip_vs_rr")
    colds = []
    namespace = ""
    for number in range(options["cold_rounds"]):
        if namespace:
            place.drop(namespace)
        namespace = place.namespace(f"table{number}")
        colds.append(rounded(place.module("all", namespace)[1]))
        say(f"change: table of {SERVICES} services made in {colds[-1]} s")
    empty = place.namespace("empty")

    counter = Counter(place.folder / "counting")
    writes: list[str] = []
    lines: list[str] = []
    for state in ("less", "all"):
        place.module(state, namespace, counter.env)
        counted = counter.take()
        writes += counted.writes
        lines += counted.lines.get("ipvsadm", [])

    states = cycle(["less", "all"])
    sides = {
        "change": lambda: place.module(next(states), namespace)[1],
        "dump": lambda: place.timed(DUMP, namespace),
        "start": lambda: place.module("nothing", empty)[1],
    }
    values = interleaved("change", sides, rounds)
    return {
        "cold_s": colds,
        "writes_of_two_changes": writes,
        "lines_of_two_changes": lines,
        **{f"{side}_s": seconds for side, seconds in values.items()},
    }


def findings(figures: Figures) -> list[Finding]:
    cold, change, dump, start = (figures[f"{side}_s"] for side in ("cold", "change", "dump", "start"))
    return [
        Goal("one change / cold", rounded(middle(change) / middle(cold)), "x", "<=", 0.02),
        Goal("commands that write, for two changes", len(figures["writes_of_two_changes"]), "", "=", 2),
        Goal("lines for ipvsadm -R, for two changes", len(figures["lines_of_two_changes"]), "", "=", 2),
        Finding("one dump by ipvsadm / cold", rounded(middle(dump) / middle(cold))),
        Finding("one change", middle(change), "s"),
        Finding("a call that has nothing to do", middle(start), "s"),
        Finding(f"cold ({len(figures['cold_s'])} measured)", middle(cold), "s"),
    ]
