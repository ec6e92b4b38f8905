# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks for, checked before anything is read or written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int, check_type_str
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.diff import Shares
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    NO_SCHEDULER,
    TUNNELS,
    Destination,
    DestinationKey,
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
_MAX_WEIGHT = 65535
_MAX_PERSISTENCE = 31 * 24 * 60 * 60
_MAX_THRESHOLD = 2**31 - 1
_DESTINATION: Final[Mapping[str, tuple[type, Callable[[Any], Any], Any]]] = {
    "address": (str, check_type_str, None),
    "weight": (int, check_type_int, 1),
    "draining": (bool, check_type_bool, False),
    "drain_until": (float, check_type_float, None),
    "upper_threshold": (int, check_type_int, 0),
    "lower_threshold": (int, check_type_int, 0),
}
"""Type, what makes another value one of that type, and default of each key of a destination.

Not in the module's argument spec: Ansible's check of 100,000 dictionaries takes three times as long as all the rest.
"""
_DEFAULTS: Final = {key: default for key, (_type, _check, default) in _DESTINATION.items()}


class Drain(NamedTuple):
    """A destination that drains. until: unix seconds after which it need not be waited for."""

    mark: int
    family: str
    address: str
    until: float | None


class Wish(NamedTuple):
    """The owned part of the table as it shall be, and the settings it needs.

    services: with the note of thresholds among them, if a destination has some.
    sysctls: full names (net.ipv4.vs.*) to values.
    shares: weights of the draining destinations, which weigh 0 in services.
    """

    services: Mapping[Key, Service]
    sysctls: Mapping[str, str]
    owned: MarkRange
    purge: bool = True
    shares: Shares = {}
    draining: tuple[Drain, ...] = ()


def wish(params: Mapping[str, Any]) -> Wish:
    """Module parameters (or a plan's `ipvs` list in the same shape) as a Wish; DsrError names what is wrong."""
    owned = parse_mark_range(params["mark_base"], params["mark_mask"])
    services: dict[Key, Service] = {}
    shares: dict[Key, dict[DestinationKey, int]] = {}
    draining: list[Drain] = []
    for given in params["services"]:
        one = {**given, "destinations": [_checked(each, _name(given)) for each in given["destinations"] or ()]}
        service = _service(one, owned)
        if service.key in services:
            raise DsrError(_name(one), "is listed twice", "Give each service a mark of its own")
        services[service.key] = service
        for each, destination in zip(one["destinations"], service.destinations):
            if each["draining"]:
                draining.append(Drain(*service.key, destination.address, each["drain_until"]))
                shares.setdefault(service.key, {})[destination.key] = each["weight"]
    if any(each.upper_threshold for service in services.values() for each in service.destinations):
        note = thresholds_note(owned)
        services[note.key] = note
    sysctls = {str(name): _sysctl(str(name), value) for name, value in params["sysctls"].items()}
    return Wish(services, sysctls, owned, params["purge"], shares, tuple(draining))


def as_options(service: Service) -> dict[str, Any]:
    """A service in the shape the module's option `services` takes; tunnel is None if it has others or several."""
    used = {each.forwarding for each in service.destinations} or {TUNNELS["ipip"]}
    return {
        "mark": service.mark,
        "family": service.family,
        "scheduler": service.scheduler,
        "scheduler_flags": list(service.scheduler_flags),
        "one_packet": service.one_packet,
        "persistence": service.persistence,
        "tunnel": next((name for name, words in TUNNELS.items() if used == {words}), None),
        "destinations": [
            {
                "address": each.address,
                "weight": each.weight,
                "upper_threshold": each.upper_threshold,
                "lower_threshold": each.lower_threshold,
            }
            for each in service.destinations
        ],
    }


def _checked(one: Mapping[str, Any], service: str) -> dict[str, Any]:
    """A destination with all of its keys, each of its type. service: its name, for errors."""
    found = {**_DEFAULTS, **one}
    for key, value in one.items():
        if key not in _DESTINATION:
            raise DsrError(service, f"a destination has the unknown key '{key}'", f"Use {', '.join(_DESTINATION)}")
        wanted, convert, default = _DESTINATION[key]
        if isinstance(value, wanted) or value is None and key == "drain_until":
            continue
        try:
            found[key] = convert(value)
        except (TypeError, ValueError) as error:
            raise DsrError(
                f"{service}, destination {one.get('address')}",
                f"{key} is {value!r}, which is no {wanted.__name__}",
                f"Give one, or leave it out for {default}",
            ) from error
    if found["address"] is None:
        raise DsrError(service, "a destination has no address", "Give each the pod's own address")
    return found


def _service(one: Mapping[str, Any], owned: MarkRange) -> Service:
    mark, name = one["mark"], _name(one)
    if not owned.owns(mark) or mark == owned.base or (mark - owned.base) % 2:
        raise DsrError(
            name,
            f"the mark is not an even one above {owned.base:#x} in the range {owned.base:#x}/{owned.mask:#x}",
            "Use marks from the plan: the base itself refuses traffic, and odd marks are reserved",
        )
    if not _SCHEDULER.match(one["scheduler"]) or one["scheduler"] == NO_SCHEDULER:
        raise DsrError(
            name, f"'{one['scheduler']}' is no name of a scheduler", "Use mh, or another that 'man ipvsadm' lists"
        )
    persistence = one.get("persistence") or 0
    if not 0 <= persistence <= _MAX_PERSISTENCE:
        raise DsrError(
            name, f"persistence is {persistence}", f"Choose seconds from 1 to {_MAX_PERSISTENCE}, or 0 for none"
        )
    forwarding = TUNNELS[one.get("tunnel") or "ipip"]
    destinations = tuple(_destination(each, one["family"], name, forwarding) for each in one["destinations"])
    seen: set[str] = set()
    for each in destinations:
        if each.address in seen:
            raise DsrError(name, f"destination {each.address} is listed twice", "List each backend once")
        seen.add(each.address)
    return Service(
        mark,
        one["family"],
        one["scheduler"],
        _flags(one, name),
        bool(one["one_packet"]),
        persistence,
        destinations=destinations,
    )


def _flags(one: Mapping[str, Any], name: str) -> tuple[str, ...]:
    known = SCHEDULER_FLAGS.get(one["scheduler"], ())
    if one["scheduler_flags"] is None:
        return SCHEDULER_FLAGS["mh"] if one["scheduler"] == "mh" else ()
    for flag in one["scheduler_flags"]:
        if flag not in known:
            raise DsrError(
                name,
                f"scheduler {one['scheduler']} has no flag '{flag}'",
                f"Its flags are {', '.join(known)}" if known else "It has no flags at all",
            )
    return tuple(sorted(set(one["scheduler_flags"])))


def _destination(one: Mapping[str, Any], family: str, name: str, forwarding: tuple[str, ...]) -> Destination:
    try:
        address = canonical_address(one["address"], family)
    except ValueError as error:
        raise DsrError(
            name, f"destination '{one['address']}' is {error}", f"Give the pod's own {family} address"
        ) from error
    weight, draining = one["weight"], one["draining"]
    if not 0 <= weight <= _MAX_WEIGHT:
        raise DsrError(name, f"destination {address} has weight {weight}", f"Choose a weight from 0 to {_MAX_WEIGHT}")
    upper, lower = one["upper_threshold"], one["lower_threshold"]
    if upper or lower:
        _check_thresholds(upper, lower, f"{name}, destination {address}")
    if (until := one["drain_until"]) is not None:
        _check_drain(until, draining, f"{name}, destination {address}")
    return Destination(address, 0 if draining else weight, 0, forwarding, upper, lower)


def _check_thresholds(upper: int, lower: int, name: str) -> None:
    for option, value in (("upper_threshold", upper), ("lower_threshold", lower)):
        if not 0 <= value <= _MAX_THRESHOLD:
            raise DsrError(name, f"{option} is {value}", f"Choose one from 1 to {_MAX_THRESHOLD}, or 0 for none")
    if lower > upper:
        raise DsrError(
            name,
            f"lower_threshold {lower} is above upper_threshold {upper}",
            "Lower it, or raise the upper one; the kernel takes no lower threshold alone",
        )


def _check_drain(until: float, draining: bool, name: str) -> None:
    if not draining:
        raise DsrError(name, "has drain_until, but does not drain", "Set draining to true, or take drain_until out")
    if not math.isfinite(until) or until < 0:
        raise DsrError(name, f"drain_until is {until}", "Give the time in unix seconds")


def _sysctl(name: str, value: Any) -> str:
    text = " ".join(str(int(value) if isinstance(value, bool) else value).split())
    if not _SYSCTL.match(name):
        raise DsrError(f"sysctl {name}", "is none of IPVS", "Give full names that begin with net.ipv4.vs.")
    if not _SYSCTL_VALUE.match(text):
        raise DsrError(f"sysctl {name}", f"'{text}' is no value of it", "Give a number")
    return text


def _name(one: Mapping[str, Any]) -> str:
    return f"IPVS service with mark {one['mark']:#x} ({one['family']})"
