# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steering of one director, from the options of the module to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import machine
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.desired import desired_state
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.foreign import ForeignRules, overlapping
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import Settings, parse_settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State, render
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
    warnings = _check(runner, settings, current, wanted, target)
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


def _check(runner: Runner, settings: Settings, current: machine.Machine, wanted: Wanted, target: State) -> list[str]:
    """Warnings; DsrError if anything would not work at all."""
    for vip in wanted.vips:
        if vip in current.addresses:
            device = current.addresses[vip]
            raise DsrError(
                f"VIP {vip.text}",
                f"is an address of this node's own interface {device}: replies of the pods here would be dropped",
                f"Remove it, 'ip address del {vip.text} dev {device}', and whatever put it there",
            )
    warnings = []
    for family in FAMILIES:
        if target[family] != FamilyState() and family not in current.state:
            raise DsrError(
                f"IPv{family.version}",
                "is switched off in this kernel",
                "Switch it on, or drop the VIPs and pods of this family",
            )
        vips = [vip for vip in wanted.vips if vip.version == family.version]
        if vips:
            _check_routing(settings, current.others[family], family)
            warnings += _check_rules(settings, current.others[family], family, vips)
    if any(vip.version == 4 for vip in wanted.vips):
        warnings += _check_source_validation(runner)
    if any(name not in current.state[family].sets for family in current.state for name in target[family].sets):
        _check_ipset(runner)
    return warnings


def _check_routing(settings: Settings, others: machine.Others, family: Family) -> None:
    for option in ("table", "refuse_table", "mtu_table"):
        table = getattr(settings, option)
        if not table:
            continue
        if others.routes.get(table):
            raise DsrError(
                f"IPv{family.version} routing table {table}",
                f"holds routes of someone else: {', '.join(others.routes[table][:5])}",
                f"Set {option} (director_{option} of the role) to a table nobody uses",
            )


def _check_rules(settings: Settings, others: machine.Others, family: Family, vips: list[Address]) -> list[str]:
    rules = ForeignRules(family, others.saved, vips, settings.marks)
    clashes = [
        *(f"ip rule '{rule.text}'" for rule in overlapping(settings, others.marks)),
        *(f"{family.save.removesuffix('-save')} {rule}" for rule in rules.setting_our_marks()),
    ]
    if clashes:
        raise DsrError(
            f"mark range {settings.marks.base:#010x}/{settings.marks.mask:#010x}",
            f"overlaps another tool's: {clashes[0]}",
            "Choose another mark_base and mark_mask (dsr_mark_base and dsr_mark_mask of the cluster)",
        )
    return rules.warnings()


def _check_source_validation(runner: Runner) -> list[str]:
    """A source that is looked up with our mark is found in our table: local, so the packet is dropped as a martian."""
    devices = [device for device in machine.marked_sources(runner) if device != "default"]
    if "all" in devices:
        raise DsrError(
            "sysctl net.ipv4.conf.all.src_valid_mark",
            "is on: the kernel would drop every marked packet to an IPv4 VIP as one from a local source",
            "Set it to 0 (wg-quick sets it for a default route; give the tunnel narrower AllowedIPs, or 'Table = off')",
        )
    if devices:
        named = ", ".join(devices[:5])
        return [f"net.ipv4.conf.*.src_valid_mark is on, and packets to IPv4 VIPs that come in there are lost: {named}."]
    return []


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
