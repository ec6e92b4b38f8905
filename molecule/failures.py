# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of bench/failover under a tenth of its connections, held to the same goals."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "lab")]

from bench.benchmarks.failover import period  # noqa: E402
from bench.failover import events, fabric, verdict  # noqa: E402
from bench.failover.measure import Load, measure  # noqa: E402
from bench.harness import Goal  # noqa: E402

CONNECTIONS = 100
SLOWER = 2
"""Half as many questions as the lab carries at rest leave a slow computer the time to run a playbook as well."""


def endure(lab: fabric.Lab, name: str) -> None:
    """Let an event happen; AssertionError with what was seen if it misses a goal."""
    event = events.EVENTS[name]
    events.bring(lab, event.needs)
    seen = measure(lab, event, Load(CONNECTIONS, SLOWER * period(CONNECTIONS), new=2))
    assert seen["fewest_answers"] >= 3, seen
    goals = verdict.goals(name, seen, lab.bfd_detection_s)
    assert [goal for goal in goals if isinstance(goal, Goal) and not goal.met] == [], seen
    assert lab.state == event.leaves, "the router does not send to every director again"
