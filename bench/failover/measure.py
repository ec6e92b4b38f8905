# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event under connections: what they and the routers' kernels went through."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from bench.failover import watch
from bench.failover.events import Event
from bench.failover.fabric import DIRECTOR, Lab, wait_for
from bench.harness import Figures

QUIET_S: Final = 15.0
"""How long to wait for a first sign in a router's kernel where none may come."""
GRACE_S: Final = 30.0
"""What an announcement or a loss may take to reach the routers' kernels, beyond the hold time."""


@dataclass(frozen=True)
class Load:
    """connections in all; every: seconds between two questions on each; new: connections a second; patience: seconds
    for an answer."""

    connections: int
    every: float
    new: float
    patience: float = 20.0


def measure(lab: Lab, event: Event, load: Load) -> Figures:
    """The cluster must be in the state that the event needs, and then is in the one that it leaves, or in none that is
    known."""
    gateways = lab.nodes[DIRECTOR]
    options = {"every": load.every, "new": load.new, "patience": load.patience}
    with ExitStack() as stack:
        fibs = [stack.enter_context(watch.fib(router, lab.vips)) for router in lab.routers]
        lab.state = ""
        try:
            with watch.flows(load.connections // len(lab.vips), lab.vips, **options) as result:
                time.sleep(load.every)
                spread = lab.connections()
                began = event.start(lab)
                _settle(lab, event, fibs, began)
                time.sleep(event.lasts + load.every)
                seen = _fib_figures(fibs, gateways, began)
        finally:
            event.undo(lab)
        if event.leaves != "whole" or wait_for(lambda: all(fib.whole(gateways) for fib in fibs), lab.hold_s + GRACE_S):
            lab.state = event.leaves
    return {**connection_figures(result, event.lost), **seen, "directors": spread, "date": _today()}


def connection_figures(result: Mapping[str, Any], lost: Collection[str]) -> Figures:
    """What is to be known of the result of flows.py. lost: nodes whose pods' connections count apart."""
    flows = [flow for flow in result["flows"] if flow["node"] not in lost]
    broken = [flow for flow in flows if flow["broken"]]
    alive = [flow for flow in flows if not flow["broken"]]
    return {
        "connections": len(flows),
        "broken": len(broken),
        "reasons": dict(Counter(_kind(flow["broken"]) for flow in broken).most_common()),
        "connections_lost": len(result["flows"]) - len(flows),
        "broken_lost": sum(bool(flow["broken"]) for flow in result["flows"]) - len(broken),
        "longest_wait_s": max((flow["longest_wait"] for flow in alive), default=0),
        "most_retransmissions": max((flow["most_retransmissions"] for flow in alive), default=0),
        "fewest_answers": min((flow["answers"] for flow in alive), default=0),
        "new": result["new"]["opened"],
        "failed": len(result["new"]["failed"]),
        "failures": dict(Counter(each["reason"] for each in result["new"]["failed"]).most_common()),
        "lag_s": result["lag"],
    }


def _settle(lab: Lab, event: Event, fibs: Sequence[watch.Fib], began: float) -> None:
    """Wait until the routers' kernels did what they do about the event, as far as it comes at all."""
    gateways, limit = lab.nodes[DIRECTOR], lab.hold_s + GRACE_S
    if "left" in event.fib:
        wait_for(lambda: all(fib.left(gateways, began) is not None for fib in fibs), limit)
    elif "returned" in event.fib:
        if not any(fib.since(began) for fib in fibs):
            wait_for(lambda: any(fib.since(began) for fib in fibs), QUIET_S)
        wait_for(lambda: all(fib.returned(gateways, began) is not None for fib in fibs), limit)


def _fib_figures(fibs: Sequence[watch.Fib], gateways: Collection[str], began: float) -> Figures:
    """Seconds until the slowest router had it; None where one did not have it at all."""
    return {
        "fib_left_s": _slowest([fib.left(gateways, began) for fib in fibs]),
        "fib_returned_s": _slowest([fib.returned(gateways, began) for fib in fibs]),
        "fib_changes": sum(len(fib.since(began)) for fib in fibs),
    }


def _slowest(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return max(known) if known and len(known) == len(seconds) else None


def _kind(reason: str) -> str:
    """Without what differs from one connection to the next."""
    return reason.split("{", 1)[0].split(":", 1)[0].strip()


def _today() -> str:
    return datetime.date.today().isoformat()
