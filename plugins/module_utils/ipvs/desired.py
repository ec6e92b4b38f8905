# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks for, checked before anything is read or written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    Destination,
    Key,
    Service,
    canonical_address,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange, parse_mark_range
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULER_FLAGS

_SCHEDULER = re.compile(r"[a-z][a-z0-9_]{0,14}\Z")
_SYSCTL = re.compile(r"net\.ipv4\.vs\.[a-z][a-z0-9_]*\Z")
_SYSCTL_VALUE = re.compile(r"-?[0-9]+([ \t,-]+[0-9]+)*\Z")
_OTHER_FLAGS = ("flag-1", "flag-2", "flag-3")
_MAX_WEIGHT = 65535


@dataclass(frozen=True)
class Wish:
    """The owned part of the table as it shall be, and the settings it needs.

    sysctls: full names (net.ipv4.vs.*) to values.
    """

    services: Mapping[Key, Service]
    sysctls: Mapping[str, str]
    owned: MarkRange
    purge: bool = True


def wish(params: Mapping[str, Any]) -> Wish:
    """Module parameters (or a plan's `ipvs` list in the same shape) as a Wish; DsrError names what is wrong."""
    owned = parse_mark_range(params["mark_base"], params["mark_mask"])
    services: dict[Key, Service] = {}
    for one in params["services"]:
        service = _service(one, owned)
        if service.key in services:
            raise DsrError(_name(one), "is listed twice", "Give each service a mark of its own")
        services[service.key] = service
    sysctls = {str(name): _sysctl(str(name), value) for name, value in params["sysctls"].items()}
    return Wish(services, sysctls, owned, params["purge"])


def as_options(service: Service) -> dict[str, Any]:
    """A service in the shape the module's option `services` takes."""
    return {
        "mark": service.mark,
        "family": service.family,
        "scheduler": service.scheduler,
        "scheduler_flags": list(service.scheduler_flags),
        "one_packet": service.one_packet,
        "destinations": [{"address": each.address, "weight": each.weight} for each in service.destinations],
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
    destinations = tuple(_destination(each, one["family"], name) for each in one["destinations"])
    seen: set[str] = set()
    for each in destinations:
        if each.address in seen:
            raise DsrError(name, f"destination {each.address} is listed twice", "List each backend once")
        seen.add(each.address)
    return Service(
        mark, one["family"], scheduler, _flags(one, name), bool(one["one_packet"]), destinations=destinations
    )


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


def _destination(one: Mapping[str, Any], family: str, name: str) -> Destination:
    try:
        address = canonical_address(one["address"], family)
    except ValueError as error:
        raise DsrError(
            name, f"destination '{one['address']}' is {error}", f"Give the pod's own {family} address"
        ) from error
    if not 0 <= one["weight"] <= _MAX_WEIGHT:
        raise DsrError(
            name, f"destination {address} has weight {one['weight']}", f"Choose a weight from 0 to {_MAX_WEIGHT}"
        )
    return Destination(address, one["weight"])


def _sysctl(name: str, value: Any) -> str:
    text = " ".join(str(int(value) if isinstance(value, bool) else value).split())
    if not _SYSCTL.match(name):
        raise DsrError(f"sysctl {name}", "is none of IPVS", "Give full names that begin with net.ipv4.vs.")
    if not _SYSCTL_VALUE.match(text):
        raise DsrError(f"sysctl {name}", f"'{text}' is no value of it", "Give a number")
    return text


def _name(one: Mapping[str, Any]) -> str:
    return f"IPVS service with mark {one['mark']:#x} ({one['family']})"
