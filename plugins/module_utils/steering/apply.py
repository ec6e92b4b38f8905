# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steering of one director, from the options of the module to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import machine
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.desired import desired_state
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import (
    Settings,
    Wanted,
    parse_settings,
    parse_wanted,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State, render


class Diff(TypedDict):
    before: str
    after: str


class Outcome(TypedDict):
    """changed: whether anything was (in check mode: would be) written. vips: those steered afterwards, in order.
    diff: input for ip, ipset and iptables."""

    changed: bool
    vips: list[str]
    diff: Diff


def reconcile(runner: Runner, params: Mapping[str, Any], *, check_mode: bool) -> Outcome:
    """Bring the machine's steering to what params ask for; writes nothing if it is there, or in check mode.

    DsrError before the first write if it cannot be reached, and after the last if the kernel holds something else.
    """
    settings = parse_settings(params)
    wanted = Wanted()
    if params["state"] == "present":
        wanted = parse_wanted(params["vips"], params["entries"], settings)
        runner.require(*machine.COMMANDS)
    current = machine.read(runner, settings)
    target = desired_state(settings, wanted)
    _check(runner, settings, current, wanted, target)
    writes = machine.writes(current.state, target)
    if writes and not check_mode:
        for write in writes:
            machine.perform(runner, write)
        _check_taken(machine.read(runner, settings).state, target)
    return {
        "changed": bool(writes),
        "vips": [vip.text for vip in wanted.vips],
        "diff": {"before": render(current.state), "after": render(target)},
    }


def _check(runner: Runner, settings: Settings, current: machine.Machine, wanted: Wanted, target: State) -> None:
    for vip in wanted.vips:
        if vip in current.addresses:
            device = current.addresses[vip]
            raise DsrError(
                f"VIP {vip.text}",
                f"is an address of this node's own interface {device}: replies of the pods here would be dropped",
                f"Remove it, 'ip address del {vip.text} dev {device}', and whatever put it there",
            )
    for family in FAMILIES:
        if target[family] != FamilyState():
            _check_family(settings, current, family)
    if any(name not in current.state[family].sets for family in current.state for name in target[family].sets):
        _check_ipset(runner)


def _check_family(settings: Settings, current: machine.Machine, family: Family) -> None:
    if family not in current.state:
        raise DsrError(
            f"IPv{family.version}", "is switched off in this kernel", "Switch it on, or drop the VIPs of this family"
        )
    for option, table in (("table", settings.table), ("refuse_table", settings.refuse_table)):
        others = current.foreign_routes.get((family, table))
        if others:
            raise DsrError(
                f"IPv{family.version} routing table {table}",
                f"holds routes of someone else: {', '.join(others[:5])}",
                f"Set {option} (director_{option} of the role) to a table nobody uses",
            )


def _check_ipset(runner: Runner) -> None:
    if "skbinfo" not in runner.read(["ipset", "help", "hash:ip,port"]):
        raise DsrError(
            "ipset", "is too old to keep a mark with an element (skbinfo)", "Install ipset 6.22 or later, on Linux 3.18"
        )


def _check_taken(found: State, target: State) -> None:
    held = {family: state for family, state in target.items() if family in found}
    if dict(found) == held:
        return
    ours, theirs = render(target).splitlines(), render(found).splitlines()
    lost = next((line for line in ours if line not in set(theirs)), "")
    extra = next((line for line in theirs if line not in set(ours)), "")
    raise DsrError(
        "steering",
        f"was written, but the kernel does not hold it (missing: {lost or 'nothing'}; too much: {extra or 'nothing'})",
        "Look for another tool that changes ip rules, ipsets or iptables at this moment, and run again",
    )
