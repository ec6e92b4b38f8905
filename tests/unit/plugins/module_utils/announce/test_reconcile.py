# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File and BIRD brought to the VIPs wanted, whatever stood there and wherever the last run died."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import prefixes, render
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.reconcile import (
    Announcement,
    Plan,
    plan,
    reconcile,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.announce.fake_bird import Killed, Machine
from hypothesis import given
from hypothesis import strategies as st

ONE = prefixes(["203.0.113.1"])
TWO = prefixes(["203.0.113.1", "2001:db8:f::1"])
OTHER = prefixes(["203.0.113.9"])
EMPTY: frozenset[str] = frozenset()

SETS = st.frozensets(st.sampled_from(sorted(TWO | OTHER)))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def run(machine: Machine, vips: Iterable[str], *, withdraw_only: bool = False, check: bool = False) -> Plan:
    machine.read_only = check
    machine.writes.clear()
    try:
        return reconcile(
            machine.file,
            machine.bird,
            frozenset(vips),
            withdraw_only=withdraw_only,
            check_mode=check,
            pause=lambda seconds: None,
        )
    finally:
        machine.read_only = False


def test_announces_exactly_these(machine: Machine) -> None:
    run(machine, OTHER)
    done = run(machine, TWO)
    assert machine.announced == TWO
    assert done.result() == {
        "changed": True,
        "vips": ["203.0.113.1", "2001:db8:f::1"],
        "added": ["203.0.113.1", "2001:db8:f::1"],
        "removed": ["203.0.113.9"],
        "diff": {"before": render(OTHER), "after": render(TWO)},
    }
    assert machine.path.read_text(encoding="utf-8") == render(TWO)
    assert not machine.path.with_name("vips.conf.new").exists()


def test_second_run_writes_nothing(machine: Machine) -> None:
    run(machine, TWO)
    done = run(machine, TWO)
    assert not done.changed
    assert machine.writes == []
    assert done.before == done.after == render(TWO)


def test_nothing_to_announce_on_a_fresh_node_writes_nothing(machine: Machine) -> None:
    assert not run(machine, EMPTY).changed
    assert machine.writes == []
    assert not machine.path.exists()


def test_check_mode_predicts_the_run(machine: Machine) -> None:
    run(machine, ONE)
    predicted = run(machine, TWO, check=True)
    assert machine.announced == ONE
    assert run(machine, TWO).result() == predicted.result()
    assert machine.path.read_text(encoding="utf-8") == predicted.after


def test_withdraw_only_adds_nothing(machine: Machine) -> None:
    run(machine, TWO)
    done = run(machine, ONE | OTHER, withdraw_only=True)
    assert machine.announced == ONE
    assert done.result()["removed"] == ["2001:db8:f::1"]
    assert done.result()["added"] == []
    assert not run(machine, ONE | OTHER, withdraw_only=True).changed
    assert machine.writes == []


def test_withdraw_only_does_not_bring_in_what_bird_never_read(machine: Machine) -> None:
    """The run before was killed between file and BIRD."""
    machine.path.write_text(render(TWO), encoding="utf-8")
    machine.start(before_reading=render(ONE))
    run(machine, TWO, withdraw_only=True)
    assert machine.announced == ONE


def test_bird_that_missed_the_file_is_mended(machine: Machine) -> None:
    machine.path.write_text(render(TWO), encoding="utf-8")
    machine.start(before_reading=render(ONE))
    predicted = run(machine, TWO, check=True)
    done = run(machine, TWO)
    assert machine.writes == ["birdc"]
    assert machine.announced == TWO
    assert (done.before, done.after) == (predicted.before, predicted.after) == (render(ONE), render(TWO))


def test_edited_file_is_mended_though_bird_is_right(machine: Machine) -> None:
    run(machine, TWO)
    machine.path.write_text("garbage {", encoding="utf-8")
    assert run(machine, TWO).before == "garbage {"
    assert machine.path.read_text(encoding="utf-8") == render(TWO)


def test_waits_for_bird(machine: Machine) -> None:
    machine.lag = 3
    run(machine, TWO)
    assert machine.announced == TWO


def test_bird_that_does_not_take_it_is_an_error(machine: Machine) -> None:
    machine.deaf = True
    with pytest.raises(DsrError, match=r"lacks \['203.0.113.1'\]"):
        run(machine, ONE)


def test_bird_that_does_not_run_is_an_error_with_a_cure(machine: Machine) -> None:
    machine.running = False
    with pytest.raises(DsrError, match="systemctl status baremetal-dsr-bird"):
        run(machine, ONE)
    assert machine.writes == []


def test_missing_birdc_is_an_error_with_a_cure(machine: Machine) -> None:
    machine.installed = False
    with pytest.raises(DsrError, match="Install the package bird2"):
        run(machine, ONE)


def test_bird_that_does_not_run_yet_is_no_error_in_check_mode(machine: Machine) -> None:
    machine.running = machine.installed = False
    assert run(machine, ONE, check=True).result()["added"] == ["203.0.113.1"]


def test_withdraw_without_bird_changes_the_file_alone(machine: Machine) -> None:
    run(machine, TWO)
    machine.running = False
    run(machine, ONE, withdraw_only=True)
    assert machine.writes == ["install", "mv"]
    machine.start()
    assert machine.announced == ONE


def test_refused_configuration_is_told(machine: Machine) -> None:
    machine.path.write_text("garbage {", encoding="utf-8")
    with pytest.raises(DsrError, match=r"refused its configuration: .*:1:1 syntax error"):
        machine.bird.configure()


@pytest.mark.parametrize("lives", range(3))
def test_killed_at_any_write_the_next_run_converges(machine: Machine, lives: int) -> None:
    run(machine, ONE | OTHER)
    machine.lives = lives
    with pytest.raises(Killed):
        run(machine, TWO)
    assert machine.announced == ONE | OTHER
    machine.lives = None
    run(machine, TWO)
    assert machine.announced == TWO
    assert not run(machine, TWO).changed


@given(file=st.none() | SETS, held=st.none() | SETS, vips=SETS, withdraw_only=st.booleans())
def test_the_plan_reaches_its_goal(
    file: frozenset[str] | None, held: frozenset[str] | None, vips: frozenset[str], withdraw_only: bool
) -> None:
    current = Announcement(None if file is None else render(file), held)
    todo = plan(current, vips, withdraw_only=withdraw_only)
    assert todo.wanted <= vips
    if withdraw_only:
        assert todo.wanted <= current.announced
        assert current.announced - todo.wanted <= current.announced - vips
    else:
        assert todo.wanted == vips
    after = Announcement(todo.after or None, None if held is None else todo.wanted)
    assert not plan(after, vips, withdraw_only=withdraw_only).changed
    assert (todo.before != todo.after) == todo.changed
