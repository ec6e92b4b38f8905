# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine holds of steering, read through its tools; and the batches that change it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables, route, set_order
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, IPV4, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import Settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State

COMMANDS: Final = ("ip", "ipset", *(command for family in FAMILIES for command in (family.save, family.restore)))

_CONF: Final = "/proc/sys/net/ipv4/conf"
_NO_SUCH_TABLE: Final = "FIB table does not exist"
_NO_SUCH_FAMILY: Final = "not supported"
_STILL_USED: Final = re.compile(r"Error in line (\d+): Set cannot be destroyed: it is in use")
_TRIES: Final = 50
_PAUSE: Final = 0.1
"""Seconds between tries."""


@dataclass(frozen=True)
class Others:
    """What others hold in a family that could get in the way. routes: destinations by number of a table of ours. marks:
    ip rules that look at marks. saved: iptables-save of raw and mangle, ours included."""

    routes: Mapping[int, Sequence[str]]
    marks: Sequence[route.ForeignMark]
    saved: str


@dataclass(frozen=True)
class Machine:
    """state: what is ours, and others: what is not, for every family this kernel has. addresses: device by address."""

    state: State
    others: Mapping[Family, Others]
    addresses: Mapping[Address, str]


@dataclass(frozen=True)
class Write:
    """One command that changes the machine."""

    argv: tuple[str, ...]
    lines: tuple[str, ...]


def read(runner: Runner, settings: Settings, *, ping: bool, thorough: bool) -> Machine:
    """What there is now. A tool that is not installed has left nothing behind; DsrError if one fails.

    Table nat can be long. It is read if the VIPs are to answer ping, if table raw shows that they do, or if thorough.
    """
    addresses = route.parse_addresses(runner.read(["ip", "-json", "address"]))
    sets = ipset.parse(runner.read(["ipset", "save"])) if runner.has("ipset") else {}
    state: dict[Family, FamilyState] = {}
    others: dict[Family, Others] = {}
    for family in FAMILIES:
        listed = _read_or_nothing(runner, ["ip", family.flag, "-N", "-json", "rule"], _NO_SUCH_FAMILY)
        if not listed.strip():
            continue
        rules = route.parse_rules(listed)
        routes: set[route.Route] = set()
        foreign: dict[int, Sequence[str]] = {}
        for table in sorted({*settings.tables, *(rule.table for rule in rules)}):
            ours, foreign[table] = _read_routes(runner, family, table)
            routes.update(ours)
        owned = {name: one for name, one in sets.items() if name.startswith(family.set_names)}
        saved, tables = _read_tables(runner, family, ping, thorough)
        state[family] = FamilyState(frozenset(routes), rules, owned, tables)
        others[family] = Others(foreign, route.parse_foreign_marks(listed), saved)
    return Machine(state, others, addresses)


def marked_sources(runner: Runner) -> list[str]:
    """Interfaces, or "all" or "default", whose IPv4 source validation looks at the mark (src_valid_mark)."""
    argv = ["grep", "-rslxv", "0", "--include=src_valid_mark", _CONF]
    paths = runner.run(argv, None, writes=False).out.splitlines()
    return sorted(path[len(_CONF) + 1 :].rpartition("/")[0] for path in paths)


def writes(current: State, wanted: State) -> list[Write]:
    """The commands that turn current into wanted, none if they are equal.

    Whatever a packet could be sent to comes before what sends it there, and goes after it; what is in both states is
    there at every moment in between.
    """
    pairs = [(family, current[family], wanted[family]) for family in FAMILIES if family in current]
    before: list[str] = []
    after: list[str] = []
    for family, have, want in pairs:
        first, last = set_order.changes(family, have.sets, want.sets, _steered(family, have))
        before += first
        after += last
    batches: list[tuple[tuple[str, ...], list[str]]] = [
        *(
            (("ip", family.flag, "-batch", "-"), route.additions(want.routes - have.routes, want.rules - have.rules))
            for family, have, want in pairs
        ),
        (("ipset", "restore", "-exist"), before),
        *(
            ((family.restore, "--noflush", "--wait=10"), iptables.changes(have.tables, want.tables))
            for family, have, want in pairs
        ),
        (("ipset", "restore", "-exist"), after),
        *(
            (("ip", family.flag, "-batch", "-"), route.removals(have.routes - want.routes, have.rules - want.rules))
            for family, have, want in pairs
        ),
    ]
    return _merged(Write(argv, tuple(lines)) for argv, lines in batches if lines)


def perform(runner: Runner, write: Write) -> None:
    """Run it; DsrError if it fails.

    iptables-nft hands a deleted rule to the kernel to be taken apart later: for some milliseconds the rule's ipset
    still counts as used. So a set that cannot go yet is tried again, from the line that failed.
    """
    lines = write.lines
    for _try in range(_TRIES):
        try:
            runner.write(write.argv, "\n".join(lines) + "\n")
            return
        except DsrError as error:
            busy = _STILL_USED.search(error.reason)
            if busy is None:
                raise
            lines = lines[max(int(busy[1]), 1) - 1 :]
            time.sleep(_PAUSE)
    runner.write(write.argv, "\n".join(lines) + "\n")


def _merged(batches: Iterable[Write]) -> list[Write]:
    """The same, with neighbours of one command made one."""
    merged: list[Write] = []
    for write in batches:
        if merged and merged[-1].argv == write.argv:
            write = Write(write.argv, (*merged.pop().lines, *write.lines))
        merged.append(write)
    return merged


def _steered(family: Family, have: FamilyState) -> bool:
    rules = have.tables["mangle"].chains.get(iptables.MARK, ())
    return any(f"--map-set {family.map_set} " in rule for rule in rules)


def _read_routes(runner: Runner, family: Family, table: int) -> tuple[frozenset[route.Route], list[str]]:
    argv = ["ip", family.flag, "-N", "-json", "route", "show", "table", str(table)]
    return route.parse_routes(_read_or_nothing(runner, argv, _NO_SUCH_TABLE), table)


def _read_tables(
    runner: Runner, family: Family, ping: bool, thorough: bool
) -> tuple[str, Mapping[str, iptables.Table]]:
    """(iptables-save of raw and mangle, our part of all tables)."""
    if not runner.has(family.save):
        return "", dict(iptables.NO_TABLES)
    saved = "".join(runner.read([family.save, "-t", table]) for table in ("raw", "mangle"))
    tables = iptables.parse(saved)
    if family is IPV4 and (ping or thorough or iptables.lets_ping_be_tracked(tables)):
        saved_nat = runner.read([family.save, "-t", "nat"])
        if ping or iptables.PING in saved_nat:
            tables = {**tables, "nat": iptables.parse(saved_nat)["nat"]}
    return saved, tables


def _read_or_nothing(runner: Runner, argv: Sequence[str], absent: str) -> str:
    """Output of a command, "" if it fails with the message that what it was to show is not there."""
    result = runner.run(argv, None, writes=False)
    if result.rc == 0:
        return result.out
    return "" if absent in result.err else runner.read(argv)
