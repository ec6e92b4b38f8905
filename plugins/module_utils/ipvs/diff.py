# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one IPVS table to another: the lines for one `ipvsadm -R`, and what the kernel makes of them.

The kernel adds a destination at the head of its list, so a list stands in the order wanted only when its
destinations are added last first, and a destination gets a new place only by being deleted and added again.

The scheduler mh gives a destination of weight 0 the slots of its last other weight (none if it was added with 0). The
kernel shows that weight nowhere, so it is given anew whenever a destination is brought to weight 0; where it stands
at 0 already, an earlier run has done so. The scheduler builds its table at every change, thus a new service gets its
destinations first and then its scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    NO_SCHEDULER,
    Destination,
    DestinationKey,
    Key,
    Service,
    Services,
    destination_words,
    selector,
    server,
    service_words,
)

_NO_SHARES: Mapping[DestinationKey, int] = {}

Shares = Mapping[Key, Mapping[DestinationKey, int]]
"""Weights whose slots destinations of weight 0 keep, by service and destination; 1 for those not in it."""


class Op(NamedTuple):
    """One line of `ipvsadm -R`. verb: A, E, D for a service, a, e, d for a destination."""

    verb: str
    service: Service
    destination: Destination | None = None

    @property
    def line(self) -> str:
        if self.destination is None:
            return f"-D {selector(self.service)}" if self.verb == "D" else f"-{self.verb} {service_words(self.service)}"
        if self.verb == "d":
            return f"-d {selector(self.service)} -r {server(self.destination)}"
        return f"-{self.verb} {destination_words(self.service, self.destination)}"


def changes(current: Services, wanted: Services, *, purge: bool, shares: Shares | None = None) -> list[Op]:
    """Lines that lead from current to wanted: all that adds or changes first, services that go last.

    purge False: nothing is deleted, so stale services and destinations stay, and a destination that stands in
    the wrong place stays there until a call with purge True.

    The note of thresholds, which has the only odd mark, comes first and goes last.
    """
    ops: list[Op] = []
    for key, service in sorted(wanted.items(), key=_note_first):
        now = current.get(key)
        if now != service:
            ops += _service_ops(now, service, purge, (shares or {}).get(key, _NO_SHARES))
    if purge:
        stale = sorted((item for item in current.items() if item[0] not in wanted), key=_note_first, reverse=True)
        ops += [Op("D", service.header) for _key, service in stale]
    return ops


def _note_first(item: tuple[Key, Service]) -> tuple[bool, Key]:
    (mark, _family), _service = item
    return mark % 2 == 0, item[0]


def moves(ops: Iterable[Op]) -> bool:
    """Whether a destination that stays is deleted and added again."""
    deleted = {(op.service.key, op.destination.key) for op in ops if op.verb == "d" and op.destination}
    return any(op.verb == "a" and op.destination and (op.service.key, op.destination.key) in deleted for op in ops)


def outcome(current: Services, ops: Iterable[Op]) -> dict[Key, Service]:
    """The table after the lines; like the kernel, a line that cannot be done changes nothing."""
    table = dict(current)
    for op in ops:
        now = table.get(op.service.key)
        if op.verb == "A":
            table.setdefault(op.service.key, op.service)
        elif now is None:
            continue
        elif op.verb == "E":
            table[now.key] = op.service._replace(destinations=now.destinations)
        elif op.verb == "D":
            del table[now.key]
        elif op.destination is not None:
            table[now.key] = now._replace(destinations=_after(op.verb, op.destination, now.destinations))
    return table


def _after(verb: str, one: Destination, all_: tuple[Destination, ...]) -> tuple[Destination, ...]:
    if verb == "d":
        return tuple(each for each in all_ if each.key != one.key)
    if verb == "e":
        return tuple(one if each.key == one.key else each for each in all_)
    return all_ if any(each.key == one.key for each in all_) else (one, *all_)


def _service_ops(
    current: Service | None, wanted: Service, purge: bool, shares: Mapping[DestinationKey, int]
) -> list[Op]:
    header = wanted.header
    if current is None:
        first = _unscheduled(header) if _made_aside(wanted) else header
        ops = [Op("A", first)]
        current = first
    else:
        first = _unscheduled(header) if current.scheduler == NO_SCHEDULER else header
        ops = [Op("E", first)] if current.header != first else []
    ops += _destination_ops(current, wanted, purge, _Slots(header, shares))
    return ops if first == header else [*ops, Op("E", header)]


def _made_aside(new: Service) -> bool:
    """Whether a service gets its scheduler last: to make one table, or lest what drains is given connections."""
    return len(new.destinations) > 1 and new.scheduler == "mh" or not all(each.weight for each in new.destinations)


def _unscheduled(header: Service) -> Service:
    return header._replace(scheduler=NO_SCHEDULER, scheduler_flags=())


def _destination_ops(current: Service, wanted: Service, purge: bool, slots: _Slots) -> list[Op]:
    ops: list[Op] = []
    here = {each.key: each for each in current.destinations}
    staying = _staying(current.destinations, wanted.destinations) if purge else set(here)
    for each in reversed(wanted.destinations):
        if each.key not in staying:
            ops += [Op("d", slots.header, each)] if each.key in here else []
            ops += slots.added(each)
        elif here[each.key] != each:
            ops += slots.edited(here[each.key], each)
    if purge:
        listed = {each.key for each in wanted.destinations}
        ops += [Op("d", slots.header, each) for each in current.destinations if each.key not in listed]
    return ops


class _Slots(NamedTuple):
    """Lines about destinations of one service that leave those of weight 0 with the slots that are theirs."""

    header: Service
    shares: Mapping[DestinationKey, int]

    def added(self, one: Destination) -> list[Op]:
        return [Op("a", self.header, one)] if one.weight else self._brought_to_nothing("a", one)

    def edited(self, now: Destination, one: Destination) -> list[Op]:
        if one.weight or now.weight in (0, self._share(one)):
            return [Op("e", self.header, one)]
        return self._brought_to_nothing("e", one)

    def _brought_to_nothing(self, verb: str, one: Destination) -> list[Op]:
        return [Op(verb, self.header, one._replace(weight=self._share(one))), Op("e", self.header, one)]

    def _share(self, one: Destination) -> int:
        return self.shares.get(one.key) or 1


def _staying(current: Sequence[Destination], wanted: Sequence[Destination]) -> set[DestinationKey]:
    """The destinations that can stay: the longest end of wanted that stands in current in the same order.

    Whatever is added lands before those that stay, so they must be the end of the list.
    """
    place = {each.key: number for number, each in enumerate(current)}
    staying: set[DestinationKey] = set()
    before = len(current)
    for each in reversed(wanted):
        here = place.get(each.key, before)
        if here >= before:
            break
        staying.add(each.key)
        before = here
    return staying
