# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which destinations have drained, decided once for all directors; see undrained.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

RESULT = "__director_built"

Key = tuple[int, str, str]


def undrained(
    services: Sequence[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]], nodes: Sequence[str]
) -> list[dict[str, Any]]:
    """The services without the destinations that have drained."""
    results = [hostvars[name].get(RESULT) if name in hostvars else None for name in nodes]
    times = [float(result["time"]) for result in results if result and "time" in result]
    if not times:
        return [dict(service) for service in services]
    counts: dict[Key, list[int | None]] = {}
    for service in services:
        for each in service["destinations"]:
            if each["draining"]:
                key = (service["mark"], service["family"], each["address"])
                counts[key] = [_connections(result, key) for result in results]
    now = min(times)
    return [
        {
            **service,
            "destinations": [
                each
                for each in service["destinations"]
                if not each["draining"]
                or not _done(each, counts[service["mark"], service["family"], each["address"]], now)
            ],
        }
        for service in services
    ]


def _connections(result: Mapping[str, Any] | None, key: Key) -> int | None:
    """Connections of a destination at one director; None if that is not known. One that lacks it has none."""
    if not result or "draining" not in result:
        return None
    found = (each for each in result["draining"] if (each["mark"], each["family"], each["address"]) == key)
    return next((int(each["connections"]) for each in found), 0)


def _done(destination: Mapping[str, Any], counts: Sequence[int | None], now: float) -> bool:
    until = destination["drain_until"]
    return all(count == 0 for count in counts) or (until is not None and float(until) <= now)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"undrained": undrained}
