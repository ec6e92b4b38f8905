# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event, with a router and connections that only follow a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.failover import measure, watch
from bench.failover.events import Event
from bench.failover.fabric import Lab
from bench.failover.watch import Fib
from bench.place import BenchmarkError

VIPS = {"203.0.113.1": "192.0.2.1{}", "2001:db8:f::1": "2001:db8:fab::1{}"}
RESULT = {
    "flows": [
        {"node": node, "broken": broken, "longest_wait": wait, "most_retransmissions": 2, "answers": 3}
        for node, broken, wait in (("n1", "", 1.5), ("n2", "no answer within 20 s", 0.1))
    ],
    "new": {"opened": 4, "failed": []},
    "lag": 0,
}


def over(*nodes: int) -> dict[str, list[str]]:
    return {vip: [gateway.format(node) for node in nodes] for vip, gateway in VIPS.items()}


class Script:
    """A lab whose router's kernel changes when the test says so."""

    def __init__(self) -> None:
        service = {"ports": [{"port": 80}], "backends": [{}]}
        self.fib = Fib(over(1, 2))
        self.asked: dict[str, Any] = {}
        self.lab = Silent(
            inventory=Path("nowhere"),
            nodes={f"n{node}": [gateway.format(node) for gateway in VIPS.values()] for node in (1, 2)},
            routers=["r1"],
            services=[{"vip": vip, **service} for vip in VIPS],
            hold_s=0.0,
            bfd_interval_ms=300,
            bfd_multiplier=3,
            state="whole",
        )

    def change(self, at: float, *nodes: int) -> None:
        self.fib.changes.append((at, over(*nodes)))

    @contextmanager
    def flows(self, count: int, vips: Sequence[str], **options: float) -> Iterator[dict[str, Any]]:
        self.asked = {"count": count, "vips": vips, **options}
        yield RESULT

    @contextmanager
    def watched(self, _router: str, _vips: Sequence[str]) -> Iterator[Fib]:
        yield self.fib


class Silent(Lab):
    def run(self, machine: str, line: str) -> str:
        return "7\n"


LOAD = measure.Load(10, 0.01, 5)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    made = Script()
    monkeypatch.setattr(watch, "flows", made.flows)
    monkeypatch.setattr(watch, "fib", made.watched)
    monkeypatch.setattr(measure, "GRACE_S", 0.3)
    monkeypatch.setattr(measure, "QUIET_S", 0.1)
    return made


def loss(script: Script, returns: bool = True) -> Event:
    def start(_lab: Lab) -> float:
        script.change(101.2, 1)
        return 100.0

    def undo(_lab: Lab) -> None:
        if returns:
            script.change(130.0, 1, 2)

    return Event("a loss", start, fib=("left",), undo=undo, lost=("n2",))


def test_a_loss_is_seen_and_undone(script: Script) -> None:
    seen = measure.measure(script.lab, loss(script), LOAD)
    assert script.asked == {"count": 5, "vips": list(VIPS), "every": 0.01, "new": 5, "patience": 20.0}
    assert (seen["connections"], seen["broken"], seen["broken_lost"], seen["longest_wait_s"]) == (1, 0, 1, 1.5)
    assert (seen["fib_left_s"], seen["fib_returned_s"], seen["fib_changes"]) == (1.2, None, 1)
    assert seen["directors"] == {"n1": 7, "n2": 7}
    assert script.lab.state == "whole"


def test_a_director_that_does_not_come_back_leaves_no_known_state(script: Script) -> None:
    measure.measure(script.lab, loss(script, returns=False), LOAD)
    assert script.lab.state == ""


def test_a_restart_that_the_router_does_not_notice(script: Script) -> None:
    seen = measure.measure(script.lab, Event("a restart", lambda _lab: 100.0, fib=("returned",)), LOAD)
    assert (seen["fib_returned_s"], seen["fib_changes"]) == (0.0, 0)


def test_what_was_done_is_undone_when_it_fails(script: Script) -> None:
    def fail(_lab: Lab) -> float:
        raise BenchmarkError("it burnt")

    undone: list[str] = []
    event = Event("a fire", fail, undo=lambda _lab: undone.append("water"))
    with pytest.raises(BenchmarkError, match="it burnt"):
        measure.measure(script.lab, event, LOAD)
    assert undone == ["water"] and script.lab.state == ""


def test_a_state_that_an_event_leaves_is_known(script: Script) -> None:
    measure.measure(script.lab, Event("a drain", lambda _lab: 100.0, leaves="drained"), LOAD)
    assert script.lab.state == "drained"
