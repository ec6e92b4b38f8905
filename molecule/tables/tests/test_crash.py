# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 2: killed at any write and any line of one, the modules never leave traffic going where it cannot be taken, and
the next run converges."""

from __future__ import annotations

import json
import os
from typing import Any

from hands import NODES, Services, options, planned

STEP = 1 if os.environ.get("DSR_TEST_FULL") else 3
"""`make test` tries every third fault, `make test-full` all of them (eight minutes under emulation)."""


def states(node: str) -> dict[str, Services]:
    """Two sets of services, all on pods of this node: in the second one, web has a second backend and web6 is there."""
    web, web6 = f"10.244.{node[1:]}.", f"2001:db8:244:{node[1:]}::"
    few: dict[str, Any] = {"name": "web", "vip": "203.0.113.1", "ports": [{"port": 80}]}
    few["backends"] = [{"address": f"{web}2", "node": node}]
    more = {**few, "backends": [*few["backends"], {"address": f"{web}3", "node": node}]}
    other = {"name": "web6", "vip": "2001:db8:f::1", "ports": [{"port": 80}]}
    return {"start": [few], "goal": [more, {**other, "backends": [{"address": f"{web6}3", "node": node}]}]}


def order(node: str) -> dict[str, Any]:
    plans = {name: planned(node, services) for name, services in states(node).items()}
    vips = {service["mark"]: service["vip"] for plan in plans.values() for service in plan["services"]}
    share = [NODES.index(node), len(NODES) * STEP]
    return {
        "do": "crash",
        "states": {name: options(plan) for name, plan in plans.items()},
        "vips": vips,
        "share": share,
    }


def test_killed_anywhere_it_harms_nobody_and_the_next_run_converges(tables) -> None:
    """Every node takes its part of the faults. Together they try all of them, or each third where time is short."""
    told = tables.each(order)
    report = json.dumps(told, indent=2)
    assert [text for summary in told.values() for text in summary["failures"]] == [], report
    points = {summary["points"] for summary in told.values()}
    assert len(points) == 1, report
    tried = sum(summary["faults"] for summary in told.values())
    assert tried >= points.pop() // STEP >= 40 // STEP, report
