# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures under 100 connections, held to the goals of bench/failover. What takes drains is in the scenario drain."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "lab")]

from bench.benchmarks.failover import period  # noqa: E402
from bench.failover import fabric, verdict  # noqa: E402
from bench.failover.events import EVENTS, bring  # noqa: E402
from bench.failover.measure import Load, measure  # noqa: E402
from bench.harness import Goal  # noqa: E402

CONNECTIONS = 100
LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="five minutes: under make test-full only")


@pytest.fixture(scope="module")
def lab() -> fabric.Lab:
    found = fabric.load("lab", {})
    found.state = "whole"  # by converge
    return found


@pytest.mark.parametrize("name", ["bird", "power", "blackhole", pytest.param("frr", marks=LONG)])
def test_no_connection_to_a_living_pod_breaks(lab: fabric.Lab, name: str) -> None:
    event = EVENTS[name]
    bring(lab, event.needs)
    seen = measure(lab, event, Load(CONNECTIONS, period(CONNECTIONS), new=2))
    assert seen["fewest_answers"] >= 3, seen
    missed = [
        goal for goal in verdict.goals(name, seen, lab.bfd_detection_s) if isinstance(goal, Goal) and not goal.met
    ]
    assert missed == [], seen
    assert lab.state == event.leaves, "the router does not send to every director again"
