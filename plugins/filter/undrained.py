# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPVS services without what has drained, as a filter; see undrained.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import canonical_address

_Place = tuple[int, str, str]
"""Mark, family and address: what a destination is known by on every director."""


class _Reading(NamedTuple):
    """What one director counted. connections: of what drains there; None for a node that told nothing."""

    connections: Mapping[_Place, int] | None
    time: float | None


def undrained(services: Iterable[Mapping[str, Any]], results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The services without the draining destinations that no director needs any more.

    results: by node, what the module ipvs returned there. A node that has none may still have connections.
    """
    if not isinstance(results, Mapping):
        raise AnsibleFilterError(
            f"results of the module ipvs: is a {type(results).__name__}. Give a mapping of node names to results"
        )
    readings = [_reading(str(name), results) for name in results]
    times = [reading.time for reading in readings if reading.time is not None]
    earliest = min(times, default=None)
    return [_without(service, readings, earliest) for service in services]


def _without(service: Mapping[str, Any], readings: list[_Reading], earliest: float | None) -> dict[str, Any]:
    try:
        left = [one for one in service["destinations"] if not _done(service, one, readings, earliest)]
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"services of undrained: cannot be read ({error}). Give the list ipvs of the plan"
        ) from error
    return {**service, "destinations": left}


def _done(service: Mapping[str, Any], one: Mapping[str, Any], readings: list[_Reading], earliest: float | None) -> bool:
    if not one.get("draining"):
        return False
    until = one.get("drain_until")
    if until is not None and earliest is not None and float(until) <= earliest:
        return True
    family = str(service["family"])
    place = int(service["mark"]), family, canonical_address(str(one["address"]), family)
    return bool(readings) and all(
        reading.connections is not None and reading.connections.get(place, 0) == 0 for reading in readings
    )


def _reading(name: str, results: Mapping[str, Any]) -> _Reading:
    """The reading of a node; an empty one if it was not reached, failed or has not run the module."""
    try:
        result = results[name]
        if not isinstance(result, Mapping) or "draining" not in result or "time" not in result:
            return _Reading(None, None)
        counts = {(int(one["mark"]), str(one["family"]), str(one["address"])): one for one in result["draining"]}
        return _Reading({place: int(one["connections"]) for place, one in counts.items()}, float(result["time"]))
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"result of {name}: is none of the module ipvs ({error}). Give what the module returned there"
        ) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"undrained": undrained}
