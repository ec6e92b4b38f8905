# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What long connections, new ones and the router's kernel go through when directors, routers and backends come and go.

On the machines of the lab, unlike all other benchmarks; what runs there is what site.yml has set up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from virtual_dc import ssh
from virtual_dc.errors import LabError

from bench import report, session
from bench.failover import fabric, verdict
from bench.failover.events import EVENTS, bring, why_not
from bench.failover.fabric import GUEST, REPOSITORY, Lab
from bench.failover.measure import Load, measure
from bench.failover.without import WITHOUT
from bench.harness import Figures, say
from bench.place import BenchmarkError

TITLE = "long connections while directors, routers and backends come and go"
MOST_ROUNDS: Final = 1
PAGE: Final[Path] = REPOSITORY / "docs/failover.md"
QUESTIONS_PER_S: Final = {"KVM": 10_000.0, "software emulation": 100.0}
"""How many the client asks on all connections together, unless told otherwise."""
SETTINGS: Final = ("kernel", "connections", "every_s", "new_per_s", "patience_s", "bfd_interval_ms", "hold_s")

findings = verdict.findings
page = verdict.page


def run(_rounds: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Each event once. What earlier runs had under the same conditions stays for the events that are not asked for."""
    given = options["bfd_interval"]
    lab = fabric.load(options["inventory"], {"dsr_bfd_interval": given} if given else {})
    connections = options["connections"]
    load = Load(connections, options["every"] or period(connections), options["new"])
    kept = report.load("failover", report.RESULTS)
    figures = _merged(_conditions(lab, load), kept and kept["figures"])
    try:
        for name in options["events"]:
            _one(lab, name, load, figures)
        for practice in options["without"]:
            _without(lab, practice, load, figures)
    finally:
        with _told("afterwards"):
            bring(lab, "whole")
    return {"kernel": figures["kernel"], "figures": figures}


def period(connections: int) -> float:
    """Seconds between two questions on a connection, as the running lab carries them."""
    return max(connections / QUESTIONS_PER_S[session.accelerator()], 0.1)


def _one(lab: Lab, name: str, load: Load, figures: Figures) -> None:
    reason = why_not(lab, EVENTS[name])
    if reason:
        figures["not_run"][name] = reason
        say(f"failover: {EVENTS[name].title}: not run: {reason}")
        return
    figures["not_run"].pop(name, None)
    figures["events"][name] = _measured(lab, name, load)
    say(f"failover: {verdict.line(EVENTS[name].title, figures['events'][name])}")


def _without(lab: Lab, practice: str, load: Load, figures: Figures) -> None:
    without = WITHOUT[practice]
    with without.applied(lab):
        for name in without.events:
            say(f"failover: {without.title}:")
            seen = _measured(lab, name, load, practice)
            figures["without"].setdefault(practice, {})[name] = seen
            say(f"failover: {without.title}: {verdict.line(EVENTS[name].title, seen)}")


def _measured(lab: Lab, name: str, load: Load, practice: str = "") -> Figures:
    """The figures of an event, or {"error"}."""
    event = EVENTS[name]
    try:
        bring(lab, event.needs)
        if not practice:
            return measure(lab, event, load)
        with WITHOUT[practice].switched_off(lab):
            return measure(lab, event, load)
    except (BenchmarkError, LabError, OSError, ValueError) as error:
        lab.state = ""
        return {"error": " ".join(str(error).split())[:300]}


def _conditions(lab: Lab, load: Load) -> Figures:
    return {
        "kernel": ssh.run(GUEST, "uname -r").strip(),
        "connections": load.connections // len(lab.vips) * len(lab.vips),
        "every_s": load.every,
        "new_per_s": load.new,
        "patience_s": load.patience,
        "bfd_interval_ms": lab.bfd_interval_ms,
        "bfd_detection_s": lab.bfd_detection_s,
        "hold_s": lab.hold_s,
    }


def _merged(conditions: Figures, kept: Figures | None) -> Figures:
    same = kept is not None and all(kept.get(key) == conditions[key] for key in SETTINGS)
    before = kept if kept is not None and same else {}
    return {**conditions, **{key: dict(before.get(key, {})) for key in ("events", "without", "not_run")}}


@contextmanager
def _told(when: str) -> Iterator[None]:
    try:
        yield
    except (BenchmarkError, LabError) as error:
        say(f"failover: {when}: {error}")
