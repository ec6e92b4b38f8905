# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the change and wherever it is cut off: what both wishes admit is taken at every moment, and the next run
converges."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine, Killed
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.worlds import (
    A6,
    NODES,
    OTHER,
    TUNNELS,
    VIP,
    VIP6,
    A,
    Ask,
    B,
    pod,
    taken,
    with_pods,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FULL = (pod(A, VIP, tunnels=TUNNELS), pod(A6, VIP6, tunnels=TUNNELS))
PLAIN = (pod(A, VIP), pod(B, VIP))
CHANGES = [
    (Ask(), Ask(FULL, sources=tuple(NODES))),
    (Ask(FULL, sources=tuple(NODES)), Ask()),
    (Ask(FULL, "lo", tuple(NODES)), Ask()),
    (Ask(PLAIN), Ask(PLAIN, sources=tuple(NODES))),
    (Ask(FULL, sources=tuple(NODES)), Ask(FULL)),
    (Ask(FULL, sources=tuple(NODES)), Ask(PLAIN, sources=tuple(NODES[1:]))),
    (Ask(PLAIN, sources=tuple(NODES[1:])), Ask(FULL, "interface", tuple(NODES))),
    (Ask(FULL, "interface", tuple(NODES)), Ask((pod(A, VIP, OTHER, tunnels=["gre"]),), "lo", tuple(NODES))),
    (Ask(FULL, sources=tuple(NODES)), Ask((pod(A6, VIP6),))),
    (Ask((pod(A, VIP, tunnels=["gue"]),)), Ask((pod(A, OTHER, tunnels=["gre"]),), "lo")),
]


@pytest.mark.parametrize(("first", "then"), CHANGES)
def test_killed_at_any_write_the_next_run_converges(tmp_path: Path, first: Ask, then: Ask) -> None:
    calm = with_pods(tmp_path / "calm")
    pristine = calm.dump()
    first.done(calm)
    then.done(calm)
    for point in range(len(calm.writes)):
        machine = with_pods(tmp_path / str(point))
        first.done(machine)
        machine.writes.clear()
        machine.die_after = point
        with pytest.raises(Killed):
            then.run(machine)
        machine.die_after = None
        then.done(machine)
        assert machine.dump() == calm.dump(), machine.writes
        Ask().done(machine)
        assert machine.dump() == pristine


@pytest.mark.parametrize(("first", "then"), CHANGES)
def test_a_pod_that_vanishes_does_not_stop_the_others(tmp_path: Path, first: Ask, then: Ask) -> None:
    calm = with_pods(tmp_path / "calm")
    first.done(calm)
    then.done(calm)
    for point in range(1, len(calm.writes) + 1):
        machine = with_pods(tmp_path / str(point))
        first.done(machine)
        machine.writes.clear()
        machine.on_write = lambda _line, machine=machine, point=point: (
            machine.kill(machine.namespaces[0]) if len(machine.writes) == point else None
        )
        outcome = then.run(machine)
        assert machine.namespaces[1].dump() == calm.namespaces[1].dump()
        assert not outcome.problems
        assert set(outcome.missing) <= {A, A6}


VIPS = st.lists(st.sampled_from([VIP, OTHER]), min_size=1, unique=True)
TAKEN = st.lists(st.sampled_from(TUNNELS), unique=True)
WISHES = st.fixed_dictionaries(
    {}, optional={A: st.tuples(VIPS, TAKEN), B: st.tuples(VIPS, TAKEN), A6: st.tuples(st.just([VIP6]), TAKEN)}
)
SOURCES = st.none() | st.sampled_from([tuple(NODES), tuple(NODES[:3]), tuple(NODES[1:])])
ASKS = st.builds(
    lambda wishes, place, sources, purge: Ask(
        tuple(pod(address, *vips, tunnels=tunnels) for address, (vips, tunnels) in wishes.items()),
        place,
        sources,
        purge,
    ),
    WISHES,
    st.sampled_from(["tunnel", "lo", "interface"]),
    SOURCES,
    st.booleans(),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(ASKS, min_size=1, max_size=4))
def test_any_history(history: list[Ask]) -> None:
    with TemporaryDirectory() as root:
        machine = with_pods(Path(root) / "one")
        pristine = machine.dump()
        for ask in history:
            watched(machine, ask)
            ask.done(machine)
            assert machine.writes == []
        last = Ask(history[-1].pods, history[-1].place, history[-1].sources)
        watched(machine, last)
        direct = with_pods(Path(root) / "direct")
        last.done(direct)
        assert machine.dump() == direct.dump(), "only the last wish shows"
        Ask().done(machine)
        assert machine.dump() == pristine


def watched(machine: FakeMachine, ask: Ask) -> None:
    """A run during which every packet is taken that is taken before and after it."""
    moments = [taken(machine)]
    machine.after_write = lambda _line: moments.append(taken(machine))
    ask.done(machine)
    machine.after_write = lambda _line: None
    for moment in moments:
        assert moment >= moments[0] & taken(machine)
