# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steering of one director, from the options of the module to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import machine, nft
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.check import check
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.desired import desired_state
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import parse_settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import State, render
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import Wanted, parse_wanted


class Diff(TypedDict):
    before: str
    after: str


class Outcome(TypedDict):
    """changed: whether anything was (in check mode: would be) written. vips: those steered afterwards, in order.
    warnings: sentences about what others hold that may get in the way. diff: input for ip, ipset and iptables."""

    changed: bool
    vips: list[str]
    warnings: list[str]
    diff: Diff


def reconcile(runner: Runner, params: Mapping[str, Any], *, check_mode: bool) -> Outcome:
    """Bring the machine's steering to what params ask for; writes nothing if it is there, or in check mode.

    DsrError before the first write if it cannot be reached, and after the last if the kernel holds something else.
    """
    settings = parse_settings(params)
    wanted = Wanted()
    if params["state"] == "present":
        wanted = parse_wanted(params, settings)
        runner.require(*machine.COMMANDS)
    current = machine.read(runner, settings, ping=wanted.ping, thorough=params["state"] == "absent")
    target = desired_state(settings, wanted)
    found = check(runner, settings, current, wanted, target)
    if found.errors:
        raise found.errors[0]
    warnings = [*found.warnings, *nft.warnings(runner, {vip.version for vip in wanted.vips})]
    writes = machine.writes(current.state, target)
    if writes and not check_mode:
        for write in writes:
            machine.perform(runner, write)
        _check_taken(machine.read(runner, settings, ping=wanted.ping, thorough=False).state, target)
    return {
        "changed": bool(writes),
        "vips": [vip.text for vip in wanted.vips],
        "warnings": warnings,
        "diff": {"before": render(current.state), "after": render(target)},
    }


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
