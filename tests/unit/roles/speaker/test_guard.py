# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard withdraws the VIPs of a node whose tables are gone, and nothing else."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import parse_file, prefixes, render
from ansible_collections.baremetal.dsr.tests.unit.roles.speaker.guard_machine import (
    IP_VS,
    NONE,
    OTHERS,
    PROGRAM,
    VIPS,
    Machine,
    guard,
)


def checks(watch: Any, count: int = guard.STEADY) -> None:
    for _each in range(count):
        watch.check()


def lose_rule(machine: Machine) -> None:
    machine.rules = machine.rules[:2]


def lose_route(machine: Machine) -> None:
    del machine.routes["78"]


def lose_services(machine: Machine) -> None:
    machine.ip_vs.write_text(re.sub(r"FWM.*", "", IP_VS, flags=re.DOTALL))


def lose_destinations(machine: Machine) -> None:
    machine.ip_vs.write_text(IP_VS.replace("  -> 0AF40202:0000      Tunnel  3      0          0\n", ""))


def lose_other_marks(machine: Machine) -> None:
    machine.ip_vs.write_text(IP_VS.replace("FWM  00D", "FWM  00E"))


def lose_ip_vs(machine: Machine) -> None:
    machine.ip_vs.unlink()


def lose_jump(machine: Machine) -> None:
    machine.saved["mangle"] = machine.saved["mangle"].replace("-A PREROUTING", "-A INPUT")


def lose_chain(machine: Machine) -> None:
    machine.saved["mangle"] = machine.saved["mangle"].replace("-A DSR-MARK", "-A OTHERS")


def lose_untracking(machine: Machine) -> None:
    machine.saved["raw"] = "*raw\nCOMMIT\n"


def lose_set(machine: Machine) -> None:
    del machine.sets["dsr-vip4"]


def lose_elements(machine: Machine) -> None:
    machine.sets["dsr-vip4"] = 0


LOSSES = [
    lose_rule,
    lose_route,
    lose_services,
    lose_destinations,
    lose_other_marks,
    lose_ip_vs,
    lose_jump,
    lose_chain,
    lose_untracking,
    lose_set,
    lose_elements,
]


def test_tables_that_are_there_change_nothing(machine: Machine) -> None:
    before = machine.vips.read_text()
    checks(machine.start(), 5)
    assert machine.vips.read_text() == before
    assert not machine.kept.exists()
    assert not any(line.startswith("birdc") for line in machine.asked)


@pytest.mark.parametrize("lose", LOSSES)
def test_loss_withdraws_at_once_and_return_announces_again(machine: Machine, lose: Any) -> None:
    watch = machine.start()
    before = machine.vips.read_text()
    lose(machine)
    watch.check()
    assert machine.announced == NONE
    assert parse_file(machine.vips.read_text()) == NONE
    machine.restore()
    checks(watch, guard.STEADY - 1)
    assert machine.announced == NONE
    watch.check()
    assert machine.announced == VIPS
    assert machine.vips.read_text() == before
    assert sorted(path.name for path in machine.vips.parent.iterdir()) == ["guard", "ip_vs", "vips.conf"]
    assert not machine.kept.exists()


def test_no_protocol_of_bird_comes_or_goes(machine: Machine) -> None:
    lose_rule(machine)
    machine.start().check()
    held = machine.vips.read_text()
    assert held.replace(guard.HEADER, "") == render(NONE).split("\n", 1)[1]


def test_only_the_families_announced_count(machine: Machine) -> None:
    machine.write(prefixes(["2001:db8:f::1"]))
    del machine.sets["dsr-vip4"]
    machine.start().check()
    assert machine.announced == prefixes(["2001:db8:f::1"])
    assert not any(line.startswith("iptables-save") for line in machine.asked)


def test_torn_listing_is_read_again(machine: Machine) -> None:
    lose_services(machine)
    machine.after_reading = [machine.restore]
    machine.start().check()
    assert machine.announced == VIPS


def test_service_that_the_kernels_own_list_misses_is_asked_for(machine: Machine) -> None:
    machine.listed = IP_VS
    lose_services(machine)
    machine.start().check()
    assert machine.announced == VIPS
    assert "ipvsadm -L -n" in machine.asked


@pytest.mark.parametrize("tool", ["ip", "iptables-save", "ipset"])
def test_tool_that_fails_says_nothing_about_the_tables(machine: Machine, tool: str) -> None:
    machine.failing = (tool,)
    checks(machine.start())
    assert machine.announced == VIPS


def test_node_that_announces_nothing_is_left_alone(machine: Machine) -> None:
    machine.write(NONE)
    lose_rule(machine)
    checks(machine.start())
    assert machine.asked == []
    machine.vips.unlink()
    checks(machine.start())
    assert machine.asked == []


def test_tables_that_come_and_go_stay_withdrawn(machine: Machine) -> None:
    watch = machine.start()
    lose_rule(machine)
    watch.check()
    for _each in range(5):
        machine.restore()
        checks(watch, guard.STEADY - 1)
        lose_rule(machine)
        watch.check()
    assert machine.announced == NONE


@pytest.mark.parametrize("written", [NONE, OTHERS])
def test_who_writes_the_file_takes_over(machine: Machine, written: frozenset[str]) -> None:
    """site.yml withdraws what goes, mends the tables and announces: nothing of before may come back in between."""
    watch = machine.start()
    lose_rule(machine)
    watch.check()
    machine.write(written)
    machine.restore()
    checks(watch, 5)
    assert machine.announced == written
    assert parse_file(machine.vips.read_text()) == written
    assert not machine.kept.exists()


def test_file_written_in_the_moment_of_return_wins(machine: Machine) -> None:
    watch = machine.start()
    lose_rule(machine)
    watch.check()
    announcement = guard.Announcement(machine.vips, machine.kept, "bird.ctl", machine.run)
    machine.write(OTHERS)
    assert announcement.bring_back() is False
    assert parse_file(machine.vips.read_text()) == OTHERS
    assert machine.announced == OTHERS


@pytest.mark.parametrize("moment", ["before", "after"])
def test_file_written_in_the_moment_of_withdrawal_wins(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Before or after the guard has taken the file that it read out of its place."""
    announcement = guard.Announcement(machine.vips, machine.kept, "bird.ctl", machine.run)
    replace = guard.os.replace

    def replace_and_write(*paths: Path) -> None:
        if moment == "after":
            replace(*paths)
        machine.vips.write_text(render(OTHERS))
        if moment == "before":
            replace(*paths)

    monkeypatch.setattr(guard.os, "replace", replace_and_write)
    assert announcement.hold_back() is False
    assert parse_file(machine.vips.read_text()) == OTHERS
    assert machine.announced == OTHERS
    assert not machine.kept.exists()


def test_drained_node_stays_silent(machine: Machine) -> None:
    watch = machine.start()
    lose_rule(machine)
    watch.check()
    machine.restore()
    machine.drained.write_text("")
    checks(watch, 5)
    assert machine.announced == NONE
    machine.drained.unlink()
    checks(watch, 5)
    assert machine.announced == VIPS


def test_guard_that_was_killed_goes_on_where_it_was(machine: Machine) -> None:
    lose_rule(machine)
    machine.bird_runs = False
    machine.start().check()
    machine.bird_runs = True
    machine.start().check()
    assert machine.announced == NONE
    machine.restore()
    checks(machine.start())
    assert machine.announced == VIPS


def test_guard_killed_while_it_brings_back_loses_no_file(machine: Machine) -> None:
    lose_rule(machine)
    machine.start().check()
    machine.restore()
    machine.vips.rename(machine.vips.with_name("vips.conf.taken"))
    checks(machine.start())
    assert machine.announced == VIPS


def test_bird_is_told_until_it_listens(machine: Machine) -> None:
    watch = machine.start()
    lose_rule(machine)
    machine.bird_refuses = True
    watch.check()
    assert machine.announced == VIPS
    machine.bird_refuses = False
    watch.check()
    assert machine.announced == NONE


def test_bird_that_does_not_run_is_no_hindrance(machine: Machine) -> None:
    machine.bird_runs = False
    lose_rule(machine)
    watch = machine.start()
    checks(watch, 2)
    assert parse_file(machine.vips.read_text()) == NONE
    assert sum(line.startswith("birdc") for line in machine.asked) == 1


def test_planted_links_are_not_followed(machine: Machine, tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_text("untouched")
    machine.vips.with_name("vips.conf.guard").symlink_to(target)
    lose_rule(machine)
    machine.start().check()
    assert target.read_text() == "untouched"
    assert not machine.vips.is_symlink()
    machine.vips.unlink()
    machine.vips.symlink_to(target)
    assert guard.Announcement(machine.vips, machine.kept, "bird.ctl", machine.run).text() == ""


@pytest.mark.parametrize(("state", "stops"), [("stopping", True), ("running", False), ("degraded", False), ("", False)])
def test_shutdown_is_told_from_a_stop_of_the_unit(machine: Machine, state: str, stops: bool) -> None:
    machine.state = state
    assert guard.shutting_down(machine.run) is stops


def test_one_good_look_is_not_enough() -> None:
    assert guard.STEADY > 1 and guard.READINGS > 1


def test_both_sides_agree_on_what_is_ours() -> None:
    from ansible_collections.baremetal.dsr.plugins.module_utils.steering import iptables, route

    assert guard.RULE_PROTOCOL == str(route.PROTOCOL)
    assert guard.JUMPS == {"raw": iptables.UNTRACK, "mangle": iptables.MARK}


def catches(process: int, sign: signal.Signals) -> bool:
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return bool(caught and int(caught[1], 16) >> (sign - 1) & 1)


def test_program_ends_when_it_is_told_to(tmp_path: Path) -> None:
    places = [f"--{name}={tmp_path / name}" for name in ("vips", "socket", "kept", "drained")]
    with subprocess.Popen([sys.executable, "-I", str(PROGRAM), *places, "--interval=60"]) as process:
        end = time.monotonic() + 20
        while not catches(process.pid, signal.SIGTERM):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(10) == 0
