# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strays beside the VIPs, and nothing of them left: not in the file, and not in BIRD when its time is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import parse_file, prefixes, render
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.stray import Change, announce, withdraw
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.announce.fake_bird import Killed, Machine

VIPS = prefixes(["203.0.113.1", "2001:db8:f::1"])
STRAYS = prefixes(["198.18.0.1", "2001:db8:dead::1"])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that announces the VIPs."""
    machine = Machine(tmp_path)
    machine.path.write_text(render(VIPS), encoding="utf-8")
    machine.start()
    return machine


def begin(machine: Machine, strays: frozenset[str] = STRAYS, *, seconds: int = 60, check: bool = False) -> Change:
    machine.read_only = check
    try:
        return announce(machine.file, machine.bird, strays, seconds, check_mode=check, pause=lambda _seconds: None)
    finally:
        machine.read_only = False


def end(machine: Machine, *, check: bool = False) -> Change:
    machine.read_only = check
    try:
        return withdraw(machine.file, machine.bird, STRAYS, check_mode=check, pause=lambda _seconds: None)
    finally:
        machine.read_only = False


@pytest.mark.parametrize("lag", [0, 2])
def test_announced_and_taken_back(machine: Machine, lag: int) -> None:
    machine.lag = lag
    assert begin(machine).result() == {"changed": True, "added": ["198.18.0.1", "2001:db8:dead::1"], "removed": []}
    assert (machine.announced, machine.undo_after) == (VIPS | STRAYS, 60)
    assert machine.path.read_text(encoding="utf-8") == render(VIPS)
    assert end(machine).result() == {"changed": True, "added": [], "removed": ["198.18.0.1", "2001:db8:dead::1"]}
    assert (machine.announced, machine.undo_after) == (VIPS, None)
    assert end(machine).result() == {"changed": False, "added": [], "removed": []}


def test_nobody_takes_them_back(machine: Machine) -> None:
    begin(machine)
    machine.time_is_over()
    assert machine.announced == VIPS
    assert end(machine).removed == frozenset()


def test_second_run_before_the_time_of_the_first_is_over(machine: Machine) -> None:
    """BIRD must not go back to what it had from the first."""
    begin(machine)
    assert begin(machine).added == frozenset()
    machine.time_is_over()
    assert machine.announced == VIPS


def test_file_as_it_was_with_the_text_of_others(machine: Machine) -> None:
    text = "# mine\n" + render(VIPS)
    machine.path.write_text(text, encoding="utf-8")
    begin(machine)
    assert machine.path.read_text(encoding="utf-8") == text


def test_bird_that_refuses_leaves_the_file_as_it_was(machine: Machine) -> None:
    machine.path.write_text(render(VIPS) + "garbage\n", encoding="utf-8")
    machine.deaf = True
    with pytest.raises(DsrError, match="lacks"):
        begin(machine)
    assert machine.path.read_text(encoding="utf-8").endswith("garbage\n")
    assert machine.announced == VIPS


@pytest.mark.parametrize("lives", range(1, 5))
def test_killed_at_any_write(machine: Machine, lives: int) -> None:
    """By SIGKILL, which nothing outlives; what is left then is mended."""
    machine.lives = lives
    with pytest.raises(Killed):
        begin(machine)
    machine.lives = None
    machine.time_is_over()
    assert machine.announced == VIPS
    end(machine)
    assert machine.announced == VIPS
    assert parse_file(machine.path.read_text(encoding="utf-8")) == VIPS


def test_check_mode_announces_nothing(machine: Machine) -> None:
    assert begin(machine, check=True).added == STRAYS
    assert machine.announced == VIPS
    begin(machine)
    assert end(machine, check=True).removed == STRAYS
    assert machine.announced == VIPS | STRAYS


def test_node_that_announces_nothing(machine: Machine) -> None:
    machine.path.write_text(render([]), encoding="utf-8")
    machine.start()
    with pytest.raises(DsrError, match="its guard holds nothing back"):
        begin(machine)


def test_node_that_does_not_announce_what_its_file_says(machine: Machine) -> None:
    machine.path.write_text(render(prefixes(["203.0.113.1"])), encoding="utf-8")
    with pytest.raises(DsrError, match=r"Run site\.yml"):
        begin(machine)
    assert machine.writes == []


def test_vip_is_no_stray(machine: Machine) -> None:
    with pytest.raises(DsrError, match="no stray may be added"):
        begin(machine, prefixes(["203.0.113.1"]))
    assert machine.writes == []


@pytest.mark.parametrize("seconds", [0, 601])
def test_seconds_out_of_range(machine: Machine, seconds: int) -> None:
    with pytest.raises(DsrError, match="option seconds"):
        begin(machine, seconds=seconds)


def test_bird_that_does_not_run(machine: Machine) -> None:
    machine.running = False
    with pytest.raises(DsrError, match="Apply the role"):
        begin(machine)
    assert not end(machine).result()["changed"]
