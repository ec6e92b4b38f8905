# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others hold on a machine, or what it lacks, that steering could not work with. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import machine
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.desired import desired_state
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.foreign import ForeignRules, overlapping
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import (
    FORM_IPSET,
    Settings,
    parse_settings,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.state import FamilyState, State
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import Wanted, parse_wanted


@dataclass(frozen=True)
class Found:
    """errors: why steering would not work at all. warnings: sentences about what may get in its way."""

    errors: list[DsrError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def obstacles(runner: Runner, params: Mapping[str, Any]) -> list[DsrError]:
    """What would stop a run of the module steering on this machine before its first write, whatever its entries.

    params: its options vips, ping, mark_base, mark_mask, table, refuse_table, mtu_table and rule_priority.
    """
    given = {**params, "entries": (), "form": FORM_IPSET}
    try:
        settings = parse_settings(given)
        wanted = parse_wanted(given, settings)
        current = machine.read(runner, settings, ping=wanted.ping, thorough=False)
        return check(runner, settings, current, wanted, desired_state(settings, wanted)).errors
    except DsrError as error:
        return [error]


def check(runner: Runner, settings: Settings, current: machine.Machine, wanted: Wanted, target: State) -> Found:
    """What stands between the machine as it is and the target."""
    found = Found()
    found.errors.extend(_own_addresses(current, wanted))
    for family in FAMILIES:
        if target[family] != FamilyState() and family not in current.state:
            found.errors.append(
                DsrError(
                    f"IPv{family.version}",
                    "is switched off in this kernel",
                    "Switch it on, or drop the VIPs and pods of this family",
                )
            )
            continue
        vips = [vip for vip in wanted.vips if vip.version == family.version]
        if vips:
            others = current.others[family]
            rules = ForeignRules(family, others.saved, vips, settings.marks)
            found.errors.extend(_routing(settings, others, family))
            found.errors.extend(_marks(settings, others, family, rules))
            found.warnings.extend(rules.warnings())
    if any(vip.version == 4 for vip in wanted.vips):
        _source_validation(runner, found)
    if any(name not in current.state[family].sets for family in current.state for name in target[family].sets):
        found.errors.extend(_ipset(runner))
    return found


def _own_addresses(current: machine.Machine, wanted: Wanted) -> Iterator[DsrError]:
    for vip in wanted.vips:
        if vip in current.addresses:
            device = current.addresses[vip]
            yield DsrError(
                f"VIP {vip.text}",
                f"is an address of this node's own interface {device}: replies of the pods here would be dropped",
                f"Remove it, 'ip address del {vip.text} dev {device}', and whatever put it there",
            )


def _routing(settings: Settings, others: machine.Others, family: Family) -> Iterator[DsrError]:
    for option in ("table", "refuse_table", "mtu_table"):
        table = getattr(settings, option)
        if table and others.routes.get(table):
            yield DsrError(
                f"IPv{family.version} routing table {table}",
                f"holds routes of someone else: {', '.join(others.routes[table][:5])}",
                f"Set {option} (director_{option} of the role) to a table nobody uses",
            )


def _marks(settings: Settings, others: machine.Others, family: Family, rules: ForeignRules) -> Iterator[DsrError]:
    clashes = [
        *(f"ip rule '{rule.text}'" for rule in overlapping(settings, others.marks)),
        *(f"{family.save.removesuffix('-save')} {rule}" for rule in rules.setting_our_marks()),
    ]
    if clashes:
        yield DsrError(
            f"mark range {settings.marks.base:#010x}/{settings.marks.mask:#010x}",
            f"overlaps another tool's: {clashes[0]}",
            "Choose another mark_base and mark_mask (dsr_mark_base and dsr_mark_mask of the cluster)",
        )


def _source_validation(runner: Runner, found: Found) -> None:
    """A source that is looked up with our mark is found in our table: local, so the packet is dropped as a martian."""
    devices = [device for device in machine.marked_sources(runner) if device != "default"]
    if "all" in devices:
        found.errors.append(
            DsrError(
                "sysctl net.ipv4.conf.all.src_valid_mark",
                "is on: the kernel would drop every marked packet to an IPv4 VIP as one from a local source",
                "Set it to 0 (wg-quick sets it for a default route; give the tunnel narrower AllowedIPs, or"
                " 'Table = off')",
            )
        )
    elif devices:
        named = ", ".join(devices[:5])
        found.warnings.append(
            f"net.ipv4.conf.*.src_valid_mark is on, and packets to IPv4 VIPs that come in there are lost: {named}."
        )


def _ipset(runner: Runner) -> Iterator[DsrError]:
    if "skbinfo" not in runner.read(["ipset", "help", "hash:ip,port"]):
        yield DsrError(
            "ipset", "is too old to keep a mark with an element (skbinfo)", "Install ipset 6.22 or later, on Linux 3.18"
        )
