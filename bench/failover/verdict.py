# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures of events mean: goals, one line for each event, and the tables of docs/failover.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.failover.events import EVENTS
from bench.failover.without import WITHOUT
from bench.harness import Figures, Finding, Goal, shown

UNMEASURED = "not yet measured"
ALL_NEW_SUCCEED = ("rest", "drain", "undrain", "frr")
SEEN_BY_BFD = ("power", "blackhole")
FIB_STAYS = ("rest", "refused")


@dataclass(frozen=True)
class Never(Goal):
    """Something that was to come within a time, and did not come while it was watched for."""

    @property
    def figure(self) -> str:
        return "never"

    @property
    def met(self) -> bool:
        return False


@dataclass(frozen=True)
class Failed(Goal):
    """An event that could not be had. unit: why."""

    @property
    def figure(self) -> str:
        return f"failed: {self.unit}"

    @property
    def wanted(self) -> str:
        return "a measurement"

    @property
    def met(self) -> bool:
        return False


@dataclass(frozen=True)
class NotRun(Finding):
    """An event that this lab does not have. unit: why."""

    @property
    def figure(self) -> str:
        return f"not run: {self.unit}"


def findings(figures: Figures) -> list[Finding]:
    """Of all events, in their order."""
    found: list[Finding] = []
    for name in EVENTS:
        if name in figures["not_run"]:
            found.append(NotRun(EVENTS[name].title, 0, figures["not_run"][name]))
        elif name in figures["events"]:
            found += goals(name, figures["events"][name], figures["bfd_detection_s"])
    for practice, events in figures["without"].items():
        for name, seen in events.items():
            found += _worth(f"{WITHOUT[practice].title}, {EVENTS[name].title}", seen)
    return found


def goals(name: str, seen: Figures, bfd_detection_s: float) -> list[Finding]:
    """Those of one event."""
    title = EVENTS[name].title
    if "error" in seen:
        return [Failed(title, 0, seen["error"])]
    new = f"{title}: new connections failed, of {seen['new']:,}"
    found: list[Finding] = [
        Goal(f"{title}: connections broken, of {seen['connections']:,}", seen["broken"], "", "=", 0),
        Goal(new, seen["failed"], "", "=", 0) if name in ALL_NEW_SUCCEED else Finding(new, seen["failed"], ""),
    ]
    wait = f"{title}: longest wait for an answer"
    if name in SEEN_BY_BFD:
        found.append(Goal(wait, seen["longest_wait_s"], "s", "<=", round(bfd_detection_s + 1, 2)))
    else:
        found.append(Finding(wait, seen["longest_wait_s"], "s"))
    if name == "drain":
        found.append(Goal(f"{title}: retransmissions in a gap", seen["most_retransmissions"], "", "<=", 1))
    if name == "bird":
        found.append(_within(f"{title}: back in ECMP", seen["fib_returned_s"], 10))
    if name in FIB_STAYS:
        found.append(Goal(f"{title}: changes of the router's FIB", seen["fib_changes"], "", "=", 0))
    if "left" in EVENTS[name].fib and seen["fib_left_s"] is not None:
        found.append(Finding(f"{title}: gone from the router's FIB after", seen["fib_left_s"], "s"))
    return found


def line(title: str, seen: Figures) -> str:
    """One event in one line."""
    if "error" in seen:
        return f"{title}: failed: {seen['error']}"
    return (
        f"{title}: {seen['broken']} of {seen['connections']} connections broken, {seen['failed']} of {seen['new']} new"
        f" ones failed, longest wait {shown(seen['longest_wait_s'])} s, {_fib(seen)}"
    )


def page(figures: Figures | None) -> str:
    """The tables of docs/failover.md; without figures all rows say that they are not yet measured."""
    known = figures or {"events": {}, "not_run": {}, "without": {}}
    conditions = [_conditions(figures), ""] if figures else []
    return "\n".join([*conditions, *_event_rows(known), "", *_practice_rows(known)])


def _within(text: str, seconds: float | None, limit: float) -> Goal:
    if seconds is None:
        return Never(text, 0, "s", "<", limit)
    return Goal(text, seconds, "s", "<", limit)


def _worth(title: str, seen: Figures) -> list[Finding]:
    if "error" in seen:
        return [Failed(title, 0, seen["error"])]
    return [
        Finding(f"{title}: connections broken, of {seen['connections']:,}", seen["broken"], ""),
        Finding(f"{title}: longest wait for an answer", seen["longest_wait_s"], "s"),
    ]


def _conditions(figures: Figures) -> str:
    return (
        f"{figures['connections']:,} connections, each asks every {shown(figures['every_s'])} s;"
        f" {shown(figures['new_per_s'])} new connections a second. BFD: {figures['bfd_interval_ms']} ms, detection"
        f" after {shown(figures['bfd_detection_s'])} s; hold time {shown(figures['hold_s'])} s."
        f" An answer may take {shown(figures['patience_s'])} s."
    )


def _event_rows(figures: Mapping[str, Any]) -> list[str]:
    lines = [
        "| event | broken | new, failed | longest wait | retransmissions | router's FIB | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, event in EVENTS.items():
        seen = figures["events"].get(name)
        reason = figures["not_run"].get(name)
        cells = [f"not run: {reason}", *[""] * 5] if reason and seen is None else _cells(seen)
        lines.append(_row([event.title, *cells]))
    return lines


def _practice_rows(figures: Mapping[str, Any]) -> list[str]:
    lines = [
        "| switched off | event | broken | new, failed | longest wait | retransmissions | router's FIB | date |"
        " busiest director |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for practice, without in WITHOUT.items():
        title = without.title
        for name in without.events:
            seen = figures["without"].get(practice, {}).get(name)
            lines.append(_row([title, EVENTS[name].title, *_cells(seen), _busiest(seen)]))
            title = ""
    return lines


def _cells(seen: Figures | None) -> Sequence[str]:
    if seen is None:
        return [UNMEASURED, *[""] * 5]
    if "error" in seen:
        return [f"failed: {seen['error']}", *[""] * 5]
    return [
        f"{seen['broken']} of {seen['connections']:,}",
        f"{seen['failed']} of {seen['new']:,}",
        f"{shown(seen['longest_wait_s'])} s",
        str(seen["most_retransmissions"]),
        _fib(seen),
        seen["date"],
    ]


def _fib(seen: Figures) -> str:
    if seen["fib_changes"] == 0:
        return "unchanged"
    left, returned = seen["fib_left_s"], seen["fib_returned_s"]
    told = [f"without the director after {shown(left)} s"] if left is not None else []
    told += [f"with it after {shown(returned)} s"] if returned is not None else []
    return ", ".join(told) or f"{seen['fib_changes']} changes"


def _busiest(seen: Figures | None) -> str:
    """Its share of all connections, in percent."""
    held = (seen or {}).get("directors", {})
    total = sum(held.values())
    return f"{100 * max(held.values()) / total:.0f} %" if total else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
