# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard asks for, and when, as far as the kernel tells it of changes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.tests.unit.roles.speaker.guard_machine import IP_VS, Machine, guard


class Kernel:
    """Tells of changes when it is said to."""

    def __init__(self) -> None:
        self.changed = False

    def __call__(self) -> bool:
        return self.changed


@pytest.fixture
def told(machine: Machine) -> tuple[Any, Kernel]:
    """The tables of a machine after a first good look, and the kernel that tells of their changes."""
    kernel = Kernel()
    tables = guard.Tables(machine.run, str(machine.ip_vs), kernel)
    assert tables.missing([4, 6]) is None
    machine.asked.clear()
    return tables, kernel


def test_no_tool_is_asked_while_the_kernel_tells_of_no_change(machine: Machine, told: tuple[Any, Kernel]) -> None:
    tables, _kernel = told
    assert [tables.missing([4, 6]) for _look in range(5)] == [None] * 5
    assert machine.asked == []


def test_change_that_the_kernel_tells_of_is_seen_at_the_next_look(machine: Machine, told: tuple[Any, Kernel]) -> None:
    tables, kernel = told
    machine.rules = []
    assert tables.missing([4, 6]) is None
    kernel.changed = True
    assert tables.missing([4, 6]) == "IPv4 rule that delivers marked packets"
    kernel.changed = False
    assert tables.missing([4, 6]) == "IPv4 rule that delivers marked packets"


def test_loss_of_ipvs_services_needs_no_notice(machine: Machine, told: tuple[Any, Kernel]) -> None:
    tables, _kernel = told
    machine.ip_vs.write_text(IP_VS.partition("FWM")[0])
    assert tables.missing([4, 6]) == "IPv4 services of IPVS"


def test_sets_alone_are_asked_for_between(
    machine: Machine, told: tuple[Any, Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, _kernel = told
    now = guard.time.monotonic() + guard.REREAD_SETS
    monkeypatch.setattr(guard.time, "monotonic", lambda: now)
    assert [tables.missing([4, 6]) for _look in range(5)] == [None] * 5
    assert machine.asked == ["ipset list -terse dsr-vip4", "ipset list -terse dsr-vip6"]
    now += guard.REREAD_SETS
    machine.sets["dsr-vip6"] = 0
    assert tables.missing([4, 6]) == "ipset dsr-vip6"


def test_what_changes_untold_is_seen_after_a_while(
    machine: Machine, told: tuple[Any, Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, _kernel = told
    machine.saved["mangle"] = ""
    assert tables.missing([4, 6]) is None
    now = guard.time.monotonic() + guard.REREAD
    monkeypatch.setattr(guard.time, "monotonic", lambda: now)
    assert tables.missing([4, 6]) == "IPv4 rules of chain DSR-MARK in table mangle"


def test_another_family_is_looked_for(machine: Machine) -> None:
    tables = guard.Tables(machine.run, str(machine.ip_vs), Kernel())
    assert tables.missing([4]) is None
    machine.sets["dsr-vip6"] = 0
    assert tables.missing([4, 6]) == "ipset dsr-vip6"
