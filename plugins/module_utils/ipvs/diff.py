# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one IPVS table to another: the lines for one `ipvsadm -R`, and what the kernel makes of them.

The kernel adds a destination at the head of its list, so a list stands in the order wanted only when its
destinations are added last first, and a destination gets a new place only by being deleted and added again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    NO_SCHEDULER,
    Destination,
    Key,
    Service,
    Services,
    destination_words,
    selector,
    server,
    service_words,
)


@dataclass(frozen=True)
class Op:
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


def changes(current: Services, wanted: Services, *, purge: bool) -> list[Op]:
    """Lines that lead from current to wanted: all that adds or changes first, services that go last. A service without
    a scheduler, such as the note on thresholds, comes before all others.

    purge False: nothing is deleted, so stale services and destinations stay, and a destination that stands in
    the wrong place stays there until a call with purge True.
    """
    ops: list[Op] = []
    for key, service in sorted(wanted.items(), key=lambda item: (item[1].scheduler != NO_SCHEDULER, item[0])):
        ops += _service_ops(current.get(key), service, purge)
    if purge:
        ops += [Op("D", service.header) for key, service in sorted(current.items()) if key not in wanted]
    return ops


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
            table[now.key] = replace(op.service, destinations=now.destinations)
        elif op.verb == "D":
            del table[now.key]
        elif op.destination is not None:
            destinations = _after(op.verb, op.destination, now.destinations)
            table[now.key] = replace(now, destinations=destinations)
    return table


def _after(verb: str, one: Destination, all_: tuple[Destination, ...]) -> tuple[Destination, ...]:
    if verb == "d":
        return tuple(each for each in all_ if each.key != one.key)
    if verb == "e":
        return tuple(one if each.key == one.key else each for each in all_)
    return all_ if any(each.key == one.key for each in all_) else (one, *all_)


def _service_ops(current: Service | None, wanted: Service, purge: bool) -> list[Op]:
    header = wanted.header
    if current == wanted:
        return []
    if current is None:
        return [Op("A", header), *(op for each in reversed(wanted.destinations) for op in _added(header, each))]
    ops = [] if current.header == header else [Op("E", header)]
    here = {each.key: each for each in current.destinations}
    staying = _staying(current.destinations, wanted.destinations) if purge else set(here)
    for each in reversed(wanted.destinations):
        if each.key not in staying:
            ops += [Op("d", header, each)] if each.key in here else []
            ops += _added(header, each)
        elif here[each.key] != each:
            ops += _edited(header, here[each.key], each)
    if purge:
        listed = {each.key for each in wanted.destinations}
        ops += [Op("d", header, each) for each in current.destinations if each.key not in listed]
    return ops


def _added(service: Service, one: Destination) -> list[Op]:
    return [Op("a", service, _weighty(one)), *([Op("e", service, one)] if one.former_weight else [])]


def _edited(service: Service, current: Destination, wanted: Destination) -> list[Op]:
    """A weight above 0 becomes the former weight before it becomes 0."""
    lasting = wanted.former_weight and current.weight not in (0, wanted.former_weight)
    return [*([Op("e", service, _weighty(wanted))] if lasting else []), Op("e", service, wanted)]


def _weighty(one: Destination) -> Destination:
    return replace(one, weight=one.former_weight or one.weight)


def _staying(current: Sequence[Destination], wanted: Sequence[Destination]) -> set[tuple[str, int]]:
    """The destinations that can stay: the longest end of wanted that stands in current in the same order.

    Whatever is added lands before those that stay, so they must be the end of the list.
    """
    place = {each.key: number for number, each in enumerate(current)}
    staying: set[tuple[str, int]] = set()
    before = len(current)
    for each in reversed(wanted):
        here = place.get(each.key, before)
        if here >= before:
            break
        staying.add(each.key)
        before = here
    return staying
