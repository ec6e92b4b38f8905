# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconcile the owned range of the IPVS table: read once, write the difference in one batch, read again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils import kernel_modules
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import Wish, as_options
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

_READS = 5
"""How often the table is looked at before a listing that cannot be right is believed."""


@dataclass(frozen=True)
class Side:
    """One side of a difference."""

    loaded: bool
    sysctls: Mapping[str, str]
    services: Mapping[Key, Service]
    connections: tuple[Connections, ...] = field(default=(), compare=False)

    def settings_text(self) -> str:
        """Shell commands that give these settings."""
        lines = ["modprobe ip_vs"] if self.loaded else []
        lines += [f"sysctl -w '{name}={value}'" for name, value in sorted(self.sysctls.items())]
        return "".join(line + "\n" for line in lines)

    def table_text(self) -> str:
        """Input of `ipvsadm -R` that gives these services."""
        return render(self.services.values())


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do. lines: how many `ipvsadm -R` was given.

    stale: whether something is left that only a run with purge removes or puts in order, or that drains.
    draining: of each destination that drains here, with the connections it had at `time` (unix seconds).
    """

    changed: bool
    before: Side
    after: Side
    lines: int
    stale: bool
    draining: Sequence[Mapping[str, Any]] = ()
    time: float = field(default=0.0, compare=False)


def read_table(runner: Runner, owned: MarkRange, *, thresholds: bool = False) -> Listing | None:
    """The owned services of this network namespace; None when the kernel module ip_vs is not loaded.

    ipvsadm is not asked then, since it would load the module. A listing that was torn is read again.
    thresholds: look for them even if nothing notes that there are any.
    """
    runner.require("ipvsadm")
    if runner.run(["test", "-e", "/proc/net/ip_vs"], None, writes=False).rc != 0:
        return None
    listing = _read_listing(runner, owned)
    if thresholds or thresholds_note(owned).key in listing.services:
        listing = with_thresholds(listing, runner.read(THRESHOLDS_COMMAND), owned)
    return listing


def _read_listing(runner: Runner, owned: MarkRange) -> Listing:
    for _try in range(_READS - 1):
        try:
            return parse_listing(runner.read(COMMAND), owned)
        except TornListing:
            continue
    return parse_listing(runner.read(COMMAND), owned)


def reconcile(runner: Runner, wish: Wish, *, check_mode: bool) -> Outcome:
    """Bring the machine to the wish; in check mode only say what that would change.

    Raises DsrError before the first write when the kernel lacks something, and after the writes when the table
    that is read back is not the one that was to be.
    """
    now = time.time()
    before = _side(runner, wish)
    load = not before.loaded and bool(wish.services or wish.sysctls)
    _check_kernel(runner, before, wish, load)
    wanted = _without_drained(before.services, wish)
    ops = changes(before.services, wanted, purge=wish.purge)
    after = Side(before.loaded or load, wish.sysctls, outcome(before.services, ops))
    drift = {name: value for name, value in wish.sysctls.items() if before.sysctls.get(name) != value}
    changed = load or bool(drift or ops)
    if changed and not check_mode:
        if load:
            kernel_modules.load(runner, ["ip_vs"])
        set_sysctls(runner, read_sysctls(runner, sorted(wish.sysctls)) if load else before.sysctls, wish.sysctls)
        said = _restore(runner, ops, wish.sysctls)
        found = _settled(runner, wish, after.services)
        _compare(found.services, after.services, ops, said)
        _compare_settings(found.sysctls, wish.sysctls)
    draining = _draining(before, wanted, wish)
    stale = bool(changes(after.services, wanted, purge=True)) or bool(draining and not wish.purge)
    return Outcome(changed, before, after, len(ops), stale, draining, now)


def _without_drained(current: Mapping[Key, Service], wish: Wish) -> dict[Key, Service]:
    """The services without what is to drain and is not there: it has drained, or never served.

    A service that is new here gets it all the same, as the directors that have it still count it in.
    """
    gone = {
        key
        for key in wish.draining
        if key[:2] in current and key[2] not in {each.address for each in current[key[:2]].destinations}
    }
    if not gone:
        return dict(wish.services)
    return {
        key: replace(
            service, destinations=tuple(each for each in service.destinations if (*key, each.address) not in gone)
        )
        for key, service in wish.services.items()
    }


def _draining(before: Side, wanted: Mapping[Key, Service], wish: Wish) -> list[dict[str, Any]]:
    connections = {(each.mark, each.family, each.address): each.active + each.inactive for each in before.connections}
    here = {(*key, each.address) for key, service in wanted.items() for each in service.destinations}
    return [
        {
            "mark": key[0],
            "family": key[1],
            "address": key[2],
            "connections": connections.get(key, 0),
            "drain_until": until,
        }
        for key, until in wish.draining.items()
        if key in here
    ]


def info(runner: Runner, owned: MarkRange, *, foreign: bool) -> dict[str, Any]:
    """What the info module returns."""
    found = read_table(runner, owned, thresholds=True)
    table = found or Listing({}, ())
    note = thresholds_note(owned).key
    result: dict[str, Any] = {
        "loaded": found is not None,
        "services": [as_options(service) for key, service in sorted(table.services.items()) if key != note],
        "connections": [asdict(each) for each in table.connections],
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
        "draining": list(outcome_.draining),
        "time": outcome_.time,
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


def _side(runner: Runner, wish: Wish) -> Side:
    table = read_table(runner, wish.owned, thresholds=wish.thresholds)
    if table is None:
        return Side(False, {}, {})
    return Side(True, read_sysctls(runner, sorted(wish.sysctls)), table.services, table.connections)


def _settled(runner: Runner, wish: Wish, written: Mapping[Key, Service]) -> Side:
    """The machine after the writes; looked at again while not all of them show, as a listing may be torn."""
    for _try in range(_READS - 1):
        side = _side(runner, wish)
        if side.services == written:
            return side
    return _side(runner, wish)


def _check_kernel(runner: Runner, before: Side, wish: Wish, load: bool) -> None:
    used = {service.scheduler for service in before.services.values()}
    schedulers = {service.scheduler for service in wish.services.values()} - used - {NO_SCHEDULER}
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
        return now.header == op.service
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
