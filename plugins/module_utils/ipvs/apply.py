# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconcile the owned range of the IPVS table: read once, write the difference in one batch, read again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils import kernel_modules
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import Drain, Wish, as_options
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.diff import Op, changes, moves, outcome
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.listing import (
    COMMAND,
    SAVE_COMMAND,
    THRESHOLDS_COMMAND,
    Connections,
    Listing,
    TornListing,
    foreign_lines,
    parse_listing,
    parse_thresholds,
    with_thresholds,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.sysctls import (
    EXPIRE_NODEST,
    read_sysctls,
    set_sysctls,
    write_sysctls,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    NO_SCHEDULER,
    Key,
    Service,
    render,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_Place = tuple[int, str, str]
"""Mark, family and address of a destination."""
_READS = 5
"""How often the table is looked at before a listing that cannot be right is believed."""


@dataclass(frozen=True)
class Side:
    """One side of a difference."""

    loaded: bool
    sysctls: Mapping[str, str]
    services: Mapping[Key, Service]

    def settings_text(self) -> str:
        """Shell commands that give these settings."""
        lines = ["modprobe ip_vs"] if self.loaded else []
        lines += [f"sysctl -w '{name}={value}'" for name, value in sorted(self.sysctls.items())]
        return "".join(line + "\n" for line in lines)

    def table_text(self) -> str:
        """Input of `ipvsadm -R` that gives these services."""
        return render(self.services.values())


@dataclass(frozen=True)
class Reading:
    """One look at the machine. time: unix seconds just before it."""

    side: Side
    connections: tuple[Connections, ...]
    time: float


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do. lines: how many `ipvsadm -R` was given.

    stale: whether something is left that a run with purge may have to remove or put in order.
    draining: the destinations that drain and their connections, as they were at the unix second `time`.
    closing: destinations of weight 0, draining or not, that had connections then, and how many.
    """

    changed: bool
    before: Side
    after: Side
    lines: int
    stale: bool
    draining: tuple[tuple[Drain, int], ...] = field(default=(), compare=False)
    closing: tuple[tuple[_Place, int], ...] = field(default=(), compare=False)
    time: float = field(default=0.0, compare=False)


def read_table(runner: Runner, owned: MarkRange) -> Listing | None:
    """The owned services of this network namespace; None when the kernel module ip_vs is not loaded.

    ipvsadm is not asked then, since it would load the module. A listing that was torn is read again.
    """
    runner.require("ipvsadm")
    if not _loaded(runner):
        return None
    for _try in range(_READS - 1):
        try:
            return _listing(runner, owned)
        except TornListing:
            continue
    return _listing(runner, owned)


def outdated(runner: Runner) -> DsrError | None:
    """What is wrong if ipvsadm is too old. Not known where ip_vs is not loaded, since ipvsadm would load it."""
    if not _loaded(runner):
        return None
    return _too_old(runner.run([*COMMAND, "-f", "1"], None, writes=False).err)


def reconcile(runner: Runner, wish: Wish, *, check_mode: bool) -> Outcome:
    """Bring the machine to the wish; in check mode only say what that would change.

    Raises DsrError before the first write when the kernel lacks something, and after the writes when the table
    that is read back is not the one that was to be.
    """
    reading = _look(runner, wish)
    before = reading.side
    load = not before.loaded and bool(wish.services or wish.sysctls)
    _check_kernel(runner, before, wish, load)
    wish = _without_drained(before.services, wish)
    ops = changes(before.services, wish.services, purge=wish.purge, shares=wish.shares)
    after = Side(before.loaded or load, wish.sysctls, outcome(before.services, ops))
    drift = {name: value for name, value in wish.sysctls.items() if before.sysctls.get(name) != value}
    changed = load or bool(drift or ops)
    if changed and not check_mode:
        if load:
            kernel_modules.load(runner, ["ip_vs"])
        set_sysctls(runner, read_sysctls(runner, sorted(wish.sysctls)) if load else before.sysctls, wish.sysctls)
        said = _restore(runner, ops, wish.sysctls)
        reading = _settled(runner, wish, after.services)
        _compare(reading.side.services, after.services, ops, said)
        _compare_settings(reading.side.sysctls, wish.sysctls)
    stale = bool(wish.draining and not wish.purge) or bool(changes(after.services, wish.services, purge=True))
    counts = _counts(reading)
    return Outcome(
        changed, before, after, len(ops), stale, _drained(counts, wish), _closing(counts, wish), reading.time
    )


def _without_drained(current: Mapping[Key, Service], wish: Wish) -> Wish:
    """The wish without what is to drain and is not there: it has drained, or never served.

    A service that is new here, or was left unfinished, gets it all the same, as the directors that have it still count
    it in.
    """
    finished = {key for key, service in current.items() if service.scheduler != NO_SCHEDULER}
    here = {(key, each.address) for key, service in current.items() for each in service.destinations}
    gone = {
        ((drain.mark, drain.family), drain.address)
        for drain in wish.draining
        if (drain.mark, drain.family) in finished and ((drain.mark, drain.family), drain.address) not in here
    }
    if not gone:
        return wish
    services = {
        key: service._replace(
            destinations=tuple(each for each in service.destinations if (key, each.address) not in gone)
        )
        for key, service in wish.services.items()
    }
    draining = tuple(drain for drain in wish.draining if ((drain.mark, drain.family), drain.address) not in gone)
    return wish._replace(services=services, draining=draining)


def info(runner: Runner, owned: MarkRange, *, foreign: bool) -> dict[str, Any]:
    """What the info module returns."""
    found = read_table(runner, owned)
    table = found or Listing({}, ())
    note = thresholds_note(owned).key
    result: dict[str, Any] = {
        "loaded": found is not None,
        "services": [as_options(service) for key, service in sorted(table.services.items()) if key != note],
        "connections": [each._asdict() for each in table.connections],
    }
    if foreign:
        result["foreign"] = foreign_lines(runner.read(SAVE_COMMAND), owned) if found else []
    return result


def as_result(outcome_: Outcome, *, diff: bool) -> dict[str, Any]:
    """What the module returns."""
    result: dict[str, Any] = {
        "changed": outcome_.changed,
        "lines": outcome_.lines,
        "stale": outcome_.stale,
        "time": outcome_.time,
        "draining": [
            {
                "mark": drain.mark,
                "family": drain.family,
                "address": drain.address,
                "connections": connections,
                "drain_until": drain.until,
            }
            for drain, connections in outcome_.draining
        ],
        "closing": [
            {"mark": mark, "family": family, "address": address, "connections": connections}
            for (mark, family, address), connections in outcome_.closing
        ],
    }
    if diff:
        before, after = outcome_.before, outcome_.after
        result["diff"] = [
            _diff("settings", before.settings_text(), after.settings_text()),
            _diff("ipvsadm -R", before.table_text(), after.table_text()),
        ]
    return result


def _diff(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def _listing(runner: Runner, owned: MarkRange) -> Listing:
    try:
        text = runner.read(COMMAND)
    except DsrError as error:
        raise _too_old(error.reason) or error from error
    listing = parse_listing(text, owned)
    if thresholds_note(owned).key not in listing.services:
        return listing
    return with_thresholds(listing, parse_thresholds(runner.read(THRESHOLDS_COMMAND), owned))


def _loaded(runner: Runner) -> bool:
    return runner.run(["test", "-e", "/proc/net/ip_vs"], None, writes=False).rc == 0


def _too_old(said: str) -> DsrError | None:
    """The error if this is how ipvsadm refuses COMMAND."""
    if "unknown option" not in said:
        return None
    return DsrError("command ipvsadm", f"is too old: {' '.join(said.split())}", "Install ipvsadm 1.31 or newer")


def _look(runner: Runner, wish: Wish) -> Reading:
    now = time.time()
    table = read_table(runner, wish.owned)
    if table is None:
        return Reading(Side(False, {}, {}), (), now)
    return Reading(Side(True, read_sysctls(runner, sorted(wish.sysctls)), table.services), table.connections, now)


def _settled(runner: Runner, wish: Wish, written: Mapping[Key, Service]) -> Reading:
    """The machine after the writes; looked at again while not all of them show, as a listing may be torn."""
    for _try in range(_READS - 1):
        reading = _look(runner, wish)
        if reading.side.services == written:
            return reading
    return _look(runner, wish)


def _counts(reading: Reading) -> dict[_Place, int]:
    """Connections of the destinations that have some."""
    counts: dict[_Place, int] = {}
    for each in reading.connections:
        if each.active or each.inactive:
            place = each.mark, each.family, each.address
            counts[place] = counts.get(place, 0) + each.active + each.inactive
    return counts


def _drained(counts: Mapping[_Place, int], wish: Wish) -> tuple[tuple[Drain, int], ...]:
    """What drains and how many connections it has; none where the table does not hold it yet."""
    return tuple((drain, counts.get((drain.mark, drain.family, drain.address), 0)) for drain in wish.draining)


def _closing(counts: Mapping[_Place, int], wish: Wish) -> tuple[tuple[_Place, int], ...]:
    """What takes no new connections by its weight and still has some."""
    quiet = (
        (*key, each.address)
        for key, service in wish.services.items()
        for each in service.destinations
        if each.weight == 0
    )
    return tuple((place, counts[place]) for place in quiet if place in counts)


def _check_kernel(runner: Runner, before: Side, wish: Wish, load: bool) -> None:
    used = {NO_SCHEDULER, *(service.scheduler for service in before.services.values())}
    schedulers = {service.scheduler for service in wish.services.values()} - used
    needed = [*(["ip_vs"] if load else []), *(f"ip_vs_{each}" for each in sorted(schedulers))]
    kernel_modules.to_load(runner, needed)  # the kernel itself loads those of schedulers, when a service asks for one


def _restore(runner: Runner, ops: Sequence[Op], sysctls: Mapping[str, str]) -> str:
    """Run the lines; what ipvsadm said on the way.

    Its exit status tells nothing: it goes on after a line the kernel refuses and ends with the status of the last.
    """
    if not ops:
        return ""
    with _flows_kept(runner, ops, sysctls):
        result = runner.run(["ipvsadm", "-R"], "".join(op.line + "\n" for op in ops), writes=True)
    return " ".join(result.err.split())


@contextmanager
def _flows_kept(runner: Runner, ops: Sequence[Op], sysctls: Mapping[str, str]) -> Iterator[None]:
    """While destinations move, let their connections miss packets rather than end.

    A destination that is deleted and added again gets its connections back, unless one of their packets came in
    between and expire_nodest_conn ended the connection. Only done where the wish holds the setting, so that a run
    that is killed here is mended by the next one.
    """
    value = sysctls.get(EXPIRE_NODEST, "0")
    if value == "0" or not moves(ops):
        yield
        return
    write_sysctls(runner, {EXPIRE_NODEST: "0"})
    try:
        yield
    finally:
        write_sysctls(runner, {EXPIRE_NODEST: value})


def _compare(now: Mapping[Key, Service], after: Mapping[Key, Service], ops: Sequence[Op], said: str) -> None:
    if now == after:
        return
    key = next(key for key in sorted({*now, *after}) if now.get(key) != after.get(key))
    mine = [op for op in ops if op.service.key == key]
    failed = next((op for number, op in enumerate(mine) if not _taken(op, now.get(key), mine[number + 1 :])), None)
    line = f"the line '{failed.line}'" if failed else f"the wanted state of mark {key[0]} ({key[1]})"
    raise DsrError(
        "ipvsadm -R",
        f"the kernel did not take {line}" + (f" ({said[:300]})" if said else ""),
        "Lines that it took stand; mend what it names and run again",
    )


def _taken(op: Op, now: Service | None, later: Sequence[Op]) -> bool:
    """Whether the table read back shows the effect of a line, or later lines of the batch may hide it."""
    if op.verb == "D":
        return now is None
    if now is None:
        return False
    if op.destination is None:
        return now.header == op.service or any(each.verb == "E" for each in later)
    if any(each.destination and each.destination.key == op.destination.key for each in later):
        return True
    here = next((each for each in now.destinations if each.key == op.destination.key), None)
    return here == (None if op.verb == "d" else op.destination)


def _compare_settings(now: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if now.get(name) != value:
            raise DsrError(
                f"sysctl {name}",
                f"is {now.get(name)} after it was set to {value}",
                "Choose a value that this kernel takes",
            )
