# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service's connections are shared out: scheduler, its flags, affinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer, listing, sequence, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import PORT_FLAGS, SCHEDULER_FLAGS, SCHEDULERS

SCHEDULING_KEYS: Final = frozenset({"scheduler", "scheduler_flags", "affinity", "affinity_timeout"})

_AFFINITIES: Final = ("none", "hash", "persistent")
_DEFAULT_TIMEOUT: Final = 10800
_MAX_TIMEOUT: Final = 86400


class Scheduling(NamedTuple):
    """flags: sorted. persistence: seconds, 0: none."""

    scheduler: str
    flags: tuple[str, ...]
    persistence: int


def parse_scheduling(item: str, service: Mapping[str, Any]) -> Scheduling:
    """Scheduling from the keys SCHEDULING_KEYS of a service, all optional; DsrError if one is wrong or two contradict.

    affinity hash: the client's address alone decides, so every director picks the same pod for it.
    affinity persistent: each director remembers which pod it gave to a client.
    """
    scheduler = service.get("scheduler", "mh")
    if not isinstance(scheduler, str) or scheduler not in SCHEDULERS:
        raise DsrError(item, f"unknown scheduler {shown(scheduler)}", f"Use one of {listing(SCHEDULERS)}")
    affinity = service.get("affinity", "none")
    if not isinstance(affinity, str) or affinity not in _AFFINITIES:
        raise DsrError(item, f"unknown affinity {shown(affinity)}", f"Use one of {listing(_AFFINITIES)}")
    if affinity == "hash" and scheduler not in PORT_FLAGS:
        raise DsrError(
            item,
            f"has affinity hash, but scheduler {scheduler} does not hash the client's address",
            f"Use one of the schedulers {listing(PORT_FLAGS)}, or affinity persistent",
        )
    if affinity != "persistent" and "affinity_timeout" in service:
        raise DsrError(
            item,
            f"has affinity_timeout, but affinity {affinity}, which remembers nothing that could time out",
            "Take affinity_timeout away, or use affinity persistent",
        )
    persistence = 0
    if affinity == "persistent":
        timeout = service.get("affinity_timeout", _DEFAULT_TIMEOUT)
        persistence = integer(f"{item}, affinity_timeout", timeout, 1, _MAX_TIMEOUT)
    return Scheduling(scheduler, _flags(item, service, scheduler, affinity), persistence)


def _flags(item: str, service: Mapping[str, Any], scheduler: str, affinity: str) -> tuple[str, ...]:
    known = SCHEDULER_FLAGS.get(scheduler, ())
    port_flag = PORT_FLAGS[scheduler] if affinity == "hash" else None
    if "scheduler_flags" not in service:
        return tuple(flag for flag in known if flag != port_flag)
    values = sequence(f"{item}, scheduler_flags", service["scheduler_flags"], "flags")
    for value in values:
        if value not in known:
            raise DsrError(
                f"{item}, scheduler_flags",
                f"scheduler {scheduler} has no flag {shown(value)}",
                f"Its flags are {listing(known)}" if known else "It has none: leave scheduler_flags out",
            )
    if port_flag in values:
        raise DsrError(
            item,
            f"has affinity hash, but the flag {port_flag}, which hashes the client's port too:"
            " each connection of a client could go to another pod",
            f"Take {port_flag} or the affinity away",
        )
    return tuple(sorted(set(values)))
