# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 2: killed at any write and any line of one, the modules never leave traffic going where it cannot be taken, and
the next run converges."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hands import NODES, Services, options, planned

FULL = bool(os.environ.get("DSR_TEST_FULL"))
"""`make test-full` tries every fault."""

States = dict[str, Services]


def backends(node: str) -> States:
    """Two sets of services, all on pods of this node: in the second one, web has a second backend and web6 is there."""
    web, web6 = f"10.244.{node[1:]}.", f"2001:db8:244:{node[1:]}::"
    few: dict[str, Any] = {"name": "web", "vip": "203.0.113.1", "ports": [{"port": 80}]}
    few["backends"] = [{"address": f"{web}2", "node": node}]
    more = {**few, "backends": [*few["backends"], {"address": f"{web}3", "node": node}]}
    other = {"name": "web6", "vip": "2001:db8:f::1", "ports": [{"port": 80}]}
    return {"start": [few], "goal": [more, {**other, "backends": [{"address": f"{web6}3", "node": node}]}]}


def everything_else(node: str) -> States:
    """On VIPs that no other test uses, so that no connection keeps what drains: in the second one, each service takes
    another tunnel and limits its clients, a pod drains, and another service shares the VIP."""
    pods = {4: [f"10.244.{node[1:]}.{number}" for number in (2, 3)]}
    pods[6] = [f"2001:db8:244:{node[1:]}::{number}" for number in (2, 3)]
    found: States = {"start": [], "goal": []}
    for version, vip, ranges in ((4, "203.0.113.80", "198.51.100.0/28"), (6, "2001:db8:f::80", "2001:db8:c::/124")):
        first, second = ({"address": address, "node": node} for address in pods[version])
        service: dict[str, Any] = {"vip": vip, "ports": [{"port": 80}], "backends": [first, second]}
        limited = {**service, "tunnel": "gre", "source_ranges": [ranges]}
        limited["backends"] = [first, {**second, "terminating": True}]
        beside = {"vip": vip, "ports": [{"port": 7007, "protocol": "udp"}], "backends": [second]}
        found["start"].append({"name": f"crash{version}", **service})
        found["goal"] += [{"name": f"crash{version}", **limited}, {"name": f"beside{version}", **beside}]
    return found


class Pair(NamedTuple):
    """Two states of each node. least: how many faults there are at least on the ways between them. step: `make test`
    tries only every so many of them."""

    states: Callable[[str], States]
    least: int
    step: int


PAIRS = {"backends": Pair(backends, 40, 16), "everything else": Pair(everything_else, 70, 36)}


def order(node: str, states: States, step: int) -> dict[str, Any]:
    plans = {name: planned(node, services) for name, services in states.items()}
    vips = {service["mark"]: service["vip"] for plan in plans.values() for service in plan["services"]}
    return {
        "do": "crash",
        "states": {name: options(plan) for name, plan in plans.items()},
        "vips": vips,
        "share": [NODES.index(node) * step, len(NODES) * step],
    }


@pytest.mark.parametrize("pair", PAIRS)
def test_killed_anywhere_it_harms_nobody_and_the_next_run_converges(tables, pair: str) -> None:
    """Every node takes its part of the faults. Together they try all of them, or a part where time is short."""
    states, least, step = PAIRS[pair]
    step = 1 if FULL else step
    told = tables.each(lambda node: order(node, states(node), step))
    report = json.dumps(told, indent=2)
    assert [text for summary in told.values() for text in summary["failures"]] == [], report
    points = {summary["points"] for summary in told.values()}
    assert len(points) == 1, report
    tried = sum(summary["faults"] for summary in told.values())
    assert tried >= points.pop() // step >= least // step, report
