# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks for, checked before anything is read or written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    Key,
    Service,
    canonical_address,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange, parse_mark_range
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULER_FLAGS

_SCHEDULER = re.compile(r"[a-z][a-z0-9_]{0,14}\Z")
_SYSCTL = re.compile(r"net\.ipv4\.vs\.[a-z][a-z0-9_]*\Z")
_SYSCTL_VALUE = re.compile(r"-?[0-9]+([ \t,-]+[0-9]+)*\Z")
_OTHER_FLAGS = ("flag-1", "flag-2", "flag-3")
_MAX_WEIGHT = 65535
_MAX_PERSISTENCE = 86400 * 31
"""What ipvsadm takes."""
_MAX_THRESHOLD = 2**31 - 1

Draining = tuple[int, str, str]
"""(mark, family, address)."""


@dataclass(frozen=True)
class Wish:
    """The owned part of the table as it shall be, and the settings it needs.

    sysctls: full names (net.ipv4.vs.*) to values.
    draining: destinations that get no new connections, and until when (unix seconds; None: without end).
    """

    services: Mapping[Key, Service]
    sysctls: Mapping[str, str]
    owned: MarkRange
    purge: bool = True
    draining: Mapping[Draining, float | None] = field(default_factory=dict)

    @property
    def thresholds(self) -> bool:
        """Whether any destination has some."""
        return thresholds_note(self.owned).key in self.services


def wish(params: Mapping[str, Any]) -> Wish:
    """Module parameters (or a plan's `ipvs` list in the same shape) as a Wish; DsrError names what is wrong.

    persistence, tunnel and of a destination draining, drain_until and the thresholds may be missing.
    """
    owned = parse_mark_range(params["mark_base"], params["mark_mask"])
    services: dict[Key, Service] = {}
    for one in params["services"]:
        service = _service(one, owned)
        if service.key in services:
            raise DsrError(_name(one), "is listed twice", "Give each service a mark of its own")
        services[service.key] = service
    if any(any(each.thresholds) for service in services.values() for each in service.destinations):
        note = thresholds_note(owned)
        if not owned.owns(note.mark):
            raise DsrError(
                "mark_mask", f"{owned.mask:#x} leaves no mark to note thresholds by", "Use a mask with fewer ones"
            )
        services[note.key] = note
    sysctls = {str(name): _sysctl(str(name), value) for name, value in params["sysctls"].items()}
    return Wish(services, sysctls, owned, params["purge"], _draining(params["services"]))


def as_options(service: Service) -> dict[str, Any]:
    """A service in the shape the module's option `services` takes; tunnel "other" where it is none of these."""
    names = {words: name for name, words in TUNNELS.items()}
    forwarding = {each.forwarding for each in service.destinations} or {TUNNELS["ipip"]}
    persistence = dict(zip(service.extra, service.extra[1:])).get("-p", "0")
    return {
        "mark": service.mark,
        "family": service.family,
        "scheduler": service.scheduler,
        "scheduler_flags": list(service.scheduler_flags),
        "one_packet": service.one_packet,
        "persistence": int(persistence) if persistence.isdecimal() else 0,
        "tunnel": names.get(forwarding.pop(), "other") if len(forwarding) == 1 else "other",
        "destinations": [
            {
                "address": each.address,
                "weight": each.weight,
                "upper_threshold": each.thresholds[0],
                "lower_threshold": each.thresholds[1],
            }
            for each in service.destinations
        ],
    }


def _draining(services: Sequence[Mapping[str, Any]]) -> dict[Draining, float | None]:
    return {
        (one["mark"], one["family"], canonical_address(each["address"], one["family"])): each.get("drain_until")
        for one in services
        for each in one["destinations"]
        if each.get("draining")
    }


def _service(one: Mapping[str, Any], owned: MarkRange) -> Service:
    mark, name = one["mark"], _name(one)
    if not owned.owns(mark) or mark == owned.base or (mark - owned.base) % 2:
        raise DsrError(
            name,
            f"the mark is not an even one above {owned.base:#x} in the range {owned.base:#x}/{owned.mask:#x}",
            "Use marks from the plan: the base itself refuses traffic, and odd marks are reserved",
        )
    scheduler = one["scheduler"]
    if not _SCHEDULER.match(scheduler):
        raise DsrError(name, f"'{scheduler}' is no name of a scheduler", "Use mh, or another that 'man ipvsadm' lists")
    destinations = tuple(_destination(each, one, name) for each in one["destinations"])
    seen: set[str] = set()
    for each in destinations:
        if each.address in seen:
            raise DsrError(name, f"destination {each.address} is listed twice", "List each backend once")
        seen.add(each.address)
    return Service(
        mark,
        one["family"],
        scheduler,
        _flags(one, name),
        bool(one["one_packet"]),
        _persistence(one, name),
        destinations,
    )


def _persistence(one: Mapping[str, Any], name: str) -> tuple[str, ...]:
    seconds = one.get("persistence", 0)
    if not 0 <= seconds <= _MAX_PERSISTENCE:
        raise DsrError(
            name, f"has persistence {seconds}", f"Choose seconds from 1 to {_MAX_PERSISTENCE}, or 0 for none"
        )
    return ("-p", str(seconds)) if seconds else ()


def _flags(one: Mapping[str, Any], name: str) -> tuple[str, ...]:
    known = SCHEDULER_FLAGS.get(one["scheduler"], _OTHER_FLAGS)
    if one["scheduler_flags"] is None:
        return SCHEDULER_FLAGS["mh"] if one["scheduler"] == "mh" else ()
    for flag in one["scheduler_flags"]:
        if flag not in known:
            raise DsrError(
                name, f"scheduler {one['scheduler']} has no flag '{flag}'", f"Its flags are {', '.join(known)}"
            )
    return tuple(sorted(set(one["scheduler_flags"])))


def _destination(one: Mapping[str, Any], service: Mapping[str, Any], name: str) -> Destination:
    family = service["family"]
    try:
        address = canonical_address(one["address"], family)
    except ValueError as error:
        raise DsrError(
            name, f"destination '{one['address']}' is {error}", f"Give the pod's own {family} address"
        ) from error
    weight = one["weight"]
    if not 0 <= weight <= _MAX_WEIGHT:
        raise DsrError(name, f"destination {address} has weight {weight}", f"Choose a weight from 0 to {_MAX_WEIGHT}")
    drains = one.get("draining", False)
    return Destination(
        address,
        0 if drains else weight,
        forwarding=TUNNELS[service.get("tunnel", "ipip")],
        thresholds=_thresholds(one, f"{name}, destination {address}"),
        former_weight=weight if drains else 0,
    )


def _thresholds(one: Mapping[str, Any], name: str) -> tuple[int, int]:
    upper, lower = one.get("upper_threshold", 0), one.get("lower_threshold", 0)
    if not (0 <= upper <= _MAX_THRESHOLD and 0 <= lower <= _MAX_THRESHOLD):
        raise DsrError(
            name,
            f"has thresholds {upper} and {lower}",
            f"Choose numbers of connections from 0 (none) to {_MAX_THRESHOLD}",
        )
    if lower > upper:
        raise DsrError(
            name,
            f"has lower_threshold {lower} above upper_threshold {upper}",
            "Give an upper threshold, and a lower one that is not above it",
        )
    return upper, lower


def _sysctl(name: str, value: Any) -> str:
    text = " ".join(str(int(value) if isinstance(value, bool) else value).split())
    if not _SYSCTL.match(name):
        raise DsrError(f"sysctl {name}", "is none of IPVS", "Give full names that begin with net.ipv4.vs.")
    if not _SYSCTL_VALUE.match(text):
        raise DsrError(f"sysctl {name}", f"'{text}' is no value of it", "Give a number")
    return text


def _name(one: Mapping[str, Any]) -> str:
    return f"IPVS service with mark {one['mark']:#x} ({one['family']})"
