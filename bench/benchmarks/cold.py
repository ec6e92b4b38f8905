# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole table from empty: one module call against `ipvsadm -R` with the same lines, and with those of `ipvsadm -S`.

The module makes an mh service without scheduler first, so that its table is built once. What `ipvsadm -S` saves has the
kernel build it anew for each destination.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bench.counting import Counter
from bench.harness import Figures, Finding, Goal, interleaved, less, middle, ratio
from bench.payload import payload
from bench.place import BenchmarkError, Place
from bench.tables import ipvs_services

TITLE = "1,000 mh services x 10 backends, from an empty table"
SERVICES, BACKENDS = 1000, 10


def files() -> dict[str, bytes]:
    return {
        "table.payload": payload("ipvs", {"services": ipvs_services(SERVICES, BACKENDS, "mh")}),
        "nothing.payload": payload("ipvs", {"services": [], "sysctls": {}}),
    }


def measure(place: Place, rounds: int, _options: Mapping[str, int]) -> Figures:
    place.load("ip_vs", "ip_vs_mh")
    counter = Counter(place.folder / "counting")
    namespace = place.namespace("count")
    place.module("table", namespace, counter.env)
    batch = list(counter.take().lines["ipvsadm"])
    wanted = _table(place, namespace)
    saved = place.run(["ipvsadm", "-S", "-n"], namespace)
    place.drop(namespace)

    def fresh(side: str) -> float:
        namespace = place.namespace(side)
        if side == "module":
            _result, seconds = place.module("table", namespace)
        elif side == "ipvsadm":
            seconds = place.timed(["ipvsadm", "-R"], namespace, "\n".join(batch) + "\n")
        elif side == "saved":
            seconds = place.timed(["ipvsadm", "-R"], namespace, saved)
        else:
            _result, seconds = place.module("nothing", namespace)
        if side != "start" and _table(place, namespace) != wanted:
            raise BenchmarkError(f"the table that {side} made is another")
        place.drop(namespace)
        return seconds

    sides = {side: partial(fresh, side) for side in ("module", "ipvsadm", "saved", "start")}
    values = interleaved("cold", sides, rounds)
    return {"lines": len(batch), **{f"{side}_s": seconds for side, seconds in values.items()}}


def findings(figures: Figures) -> list[Finding]:
    module, tool, saved, start = (figures[f"{side}_s"] for side in ("module", "ipvsadm", "saved", "start"))
    return [
        Goal("one module call / ipvsadm -R with the same lines", ratio(module, tool), "x", "<=", 1.15),
        Finding("the same less what a call that has nothing to do takes", ratio(less(module, start), tool)),
        Finding("one module call / ipvsadm -R with the lines that ipvsadm -S saves", ratio(module, saved)),
        Finding("ipvsadm -R", middle(tool), "s"),
        Finding("a call that has nothing to do", middle(start), "s"),
    ]


def _table(place: Place, namespace: str) -> list[str]:
    return sorted(place.run(["ipvsadm", "-S", "-n"], namespace).splitlines())
