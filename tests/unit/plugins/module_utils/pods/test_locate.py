# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Contents, held_open, parse_contents, scan
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine, recorded
from hypothesis import given
from hypothesis import strategies as st

POD = {"10.244.1.2", "2001:db8:244:1::2"}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


@pytest.mark.parametrize(
    ("state", "more", "devices"),
    [
        ("pristine", set(), set()),
        ("halfmade", set(), {"dsr4", "dsr6"}),
        ("complete", {"203.0.113.1", "203.0.113.2"}, {"dsr4", "dsr6"}),
        ("foreign", {"192.0.2.1"}, {"dsr4", "dsr6"}),
    ],
)
def test_recorded_contents(state: str, more: set[str], devices: set[str]) -> None:
    contents = parse_contents(recorded(state, "proc"))
    assert contents.addresses == POD | more
    assert set(contents.received) == {"lo", "eth0", "tunl0", "ip6tnl0"} | devices


def test_counters() -> None:
    received = parse_contents(recorded("complete", "proc")).received["eth0"]
    assert received.packets > 0
    assert received.bytes > received.packets


def test_broadcast_and_network_addresses_are_not_local() -> None:
    text = "Local:\n  |-- 10.0.0.0\n     /24 link UNICAST\n  |-- 10.0.0.255\n     /32 link BROADCAST\n"
    assert parse_contents(text).addresses == frozenset()


LINES = recorded("complete", "proc").splitlines()


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=60))), st.integers(0, 60), st.characters())
def test_no_text_breaks_the_parser(lines: list[str], place: int, character: str) -> None:
    mutated = [line[:place] + character + line[place + 1 :] for line in lines]
    assert isinstance(parse_contents("\n".join([*lines, *mutated])), Contents)


def test_finds_by_process_and_by_handle(machine: FakeMachine) -> None:
    machine.add("10.244.1.2/24", pid=100)
    machine.add("10.244.1.3/24", handle="cni-b")
    machine.add("10.244.1.4/24", pid=7, handle="cni-a")
    os.link(machine.host.file, machine.root / "netns" / "default")
    found = {min(namespace.contents.addresses): namespace.paths for namespace in scan(machine, machine.paths)}
    proc, netns = machine.paths.proc, machine.paths.handles[0]
    assert found == {
        "10.244.1.2": (f"{proc}/100/ns/net",),
        "10.244.1.3": (f"{netns}/cni-b",),
        "10.244.1.4": (f"{netns}/cni-a", f"{proc}/7/ns/net"),
    }
    assert len(machine.commands) == 1, "only a handle without a process costs a command"


def test_a_process_that_dies_during_the_scan_is_skipped(machine: FakeMachine) -> None:
    namespace = machine.add("10.244.1.2/24", pid=100)
    assert namespace.process is not None
    (machine.root / "proc" / "101" / "ns").mkdir(parents=True)
    for name in (namespace.process / "net").iterdir():
        name.unlink()
    assert scan(machine, machine.paths) == ()


def test_another_process_of_the_namespace_serves_when_the_first_dies(machine: FakeMachine) -> None:
    namespace = machine.add("10.244.1.2/24", pid=100, handle="cni-a")
    found = scan(machine, machine.paths)[0]
    (machine.root / "netns" / "cni-a").unlink()
    with held_open(found) as entry:
        assert entry is not None
        assert os.stat(entry).st_ino == namespace.file.stat().st_ino


def test_a_reused_pid_is_not_entered(machine: FakeMachine) -> None:
    namespace = machine.add("10.244.1.2/24", pid=100)
    found = scan(machine, machine.paths)[0]
    assert namespace.process is not None
    (namespace.process / "ns" / "net").unlink()
    os.link(machine.host.file, namespace.process / "ns" / "net")
    with held_open(found) as entry:
        assert entry is None


def test_the_entry_stays_true_when_the_pid_is_reused_later(machine: FakeMachine) -> None:
    namespace = machine.add("10.244.1.2/24", pid=100)
    with held_open(scan(machine, machine.paths)[0]) as entry:
        assert entry is not None
        assert namespace.process is not None
        (namespace.process / "ns" / "net").unlink()
        os.link(machine.host.file, namespace.process / "ns" / "net")
        assert os.stat(entry).st_ino == namespace.file.stat().st_ino
