# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import Outcome, obstacles, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import Pod
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.wishes import pods_from
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import (
    FakeMachine,
    Killed,
    Link,
    Netns,
)
from hypothesis import given, settings
from hypothesis import strategies as st

A4, B4 = {"address": "10.244.1.2", "vips": ["203.0.113.1"]}, {"address": "10.244.1.3", "vips": ["203.0.113.1"]}
A6 = {"address": "2001:db8:244:1::2", "vips": ["2001:db8:f::1", "2001:db8:f::2"]}
ALL = [A4, A6, B4]


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return with_pods(tmp_path)


def with_pods(root: Path) -> FakeMachine:
    """Pod A found by process, pod B by handle only, and a bystander."""
    machine = FakeMachine(root)
    machine.add("10.244.1.2/24", "2001:db8:244:1::2/64", pid=100)
    machine.add("10.244.1.3/24", handle="cni-b")
    machine.add("10.244.1.4/24", pid=102, handle="cni-c")
    return machine


def run(machine: FakeMachine, *pods: dict[str, object], purge: bool = True) -> Outcome:
    """A run, after a check run that must have foretold it."""
    wishes = pods_from(pods)
    machine.read_only = True
    foretold = reconcile(machine, machine.paths, wishes, purge=purge, check=True)
    machine.read_only = False
    machine.writes.clear()
    outcome = reconcile(machine, machine.paths, wishes, purge=purge, check=False)
    if not outcome.problems:
        assert outcome == foretold
        assert outcome.changed == bool(machine.writes) == (outcome.before != outcome.after)
    return outcome


def reason(outcome: Outcome) -> str:
    return str(outcome.error(missing_is_error=True))


def test_first_run_builds_everything_in_order(machine: FakeMachine) -> None:
    run(machine, A4)
    assert machine.writes == [
        "link add dsr4 group 13631488 type ipip mode ipip local 10.244.1.2 remote any",
        "link set dsr4 alias baremetal.dsr,arp_ignore=0,arp_announce=0",
        "sysctl net.ipv4.conf.all.arp_ignore=1",
        "sysctl net.ipv4.conf.all.arp_announce=2",
        "sysctl net.ipv4.conf.dsr4.rp_filter=2",
        "addr add 203.0.113.1/32 dev dsr4",
        "link set dsr4 up",
    ]


def test_both_families_of_a_pod_take_three_writing_commands(machine: FakeMachine) -> None:
    run(machine, A4, A6)
    machine.commands.clear()
    for link in ("dsr4", "dsr6"):
        del machine.namespaces[0].links[link]
    machine.namespaces[0].sysctls = {"net.ipv4.conf.all.arp_ignore": "0", "net.ipv4.conf.all.arp_announce": "0"}
    reconcile(machine, machine.paths, pods_from([A4, A6]), purge=True, check=False)
    assert sum(command[2:] == ("ip", "-batch", "-") or "-w" in command for command in machine.commands) == 3


def test_second_run_writes_nothing(machine: FakeMachine) -> None:
    run(machine, *ALL)
    outcome = run(machine, *ALL)
    assert not outcome.changed
    assert machine.writes == []


def test_diff_can_be_pasted(machine: FakeMachine) -> None:
    outcome = run(machine, B4)
    entry = f"nsenter --net={machine.paths.handles[0]}/cni-b"
    assert outcome.before == (
        f"{entry} sysctl -w net.ipv4.conf.all.arp_ignore=0  # pod 10.244.1.3\n"
        f"{entry} sysctl -w net.ipv4.conf.all.arp_announce=0  # pod 10.244.1.3\n"
    )
    assert f"{entry} ip addr add 203.0.113.1/32 dev dsr4  # pod 10.244.1.3\n" in outcome.after


def test_only_the_difference_is_written(machine: FakeMachine) -> None:
    run(machine, *ALL)
    run(machine, {**A4, "vips": ["203.0.113.9"]}, A6, B4)
    assert machine.writes == ["addr add 203.0.113.9/32 dev dsr4", "addr del 203.0.113.1/32 dev dsr4"]


def test_without_purge_nothing_is_taken_away(machine: FakeMachine) -> None:
    run(machine, *ALL)
    run(machine, {**A4, "vips": ["203.0.113.9"]}, purge=False)
    assert machine.writes == ["addr add 203.0.113.9/32 dev dsr4"]
    assert machine.namespaces[0].links["dsr4"].addresses == ["203.0.113.1/32", "203.0.113.9/32"]
    assert "dsr4" in machine.namespaces[1].links


def test_drift_is_mended(machine: FakeMachine) -> None:
    run(machine, A4)
    before = machine.dump()
    device = machine.namespaces[0].links["dsr4"]
    device.up, device.addresses = False, ["198.51.100.1/24"]
    machine.namespaces[0].sysctls["net.ipv4.conf.dsr4.rp_filter"] = "1"
    run(machine, A4)
    assert machine.dump() == before


def test_a_tunnel_with_another_end_is_built_anew_and_keeps_the_memory(machine: FakeMachine) -> None:
    pristine = machine.dump()
    run(machine, A4)
    machine.namespaces[0].links["dsr4"].local = "10.244.1.99"
    run(machine, A4)
    assert machine.namespaces[0].links["dsr4"].local == "10.244.1.2"
    run(machine)
    assert machine.dump() == pristine


def test_removal_restores_the_pod(machine: FakeMachine) -> None:
    machine.namespaces[0].sysctls["net.ipv4.conf.all.arp_announce"] = "1"
    pristine = machine.dump()
    run(machine, A4, A6)
    run(machine)
    assert machine.writes[:6] == [
        "addr del 203.0.113.1/32 dev dsr4",
        "addr del 2001:db8:f::1/128 dev dsr6",
        "addr del 2001:db8:f::2/128 dev dsr6",
        "link set dsr4 down",
        "link set dsr6 down",
        "sysctl net.ipv4.conf.all.arp_ignore=0",
    ]
    assert machine.dump() == pristine


def test_a_sysctl_changed_by_someone_else_is_left_to_them(machine: FakeMachine) -> None:
    run(machine, A4)
    machine.namespaces[0].sysctls["net.ipv4.conf.all.arp_ignore"] = "8"
    run(machine)
    assert machine.namespaces[0].sysctls["net.ipv4.conf.all.arp_ignore"] == "8"


def test_a_missing_pod_does_not_stop_the_others(machine: FakeMachine) -> None:
    outcome = run(machine, {"address": "10.244.1.77", "vips": ["203.0.113.1"]}, *ALL)
    assert outcome.missing == ("10.244.1.77",)
    assert reason(outcome).startswith("pod 10.244.1.77: its address is in no network namespace of this machine. Check")
    assert outcome.error(missing_is_error=False) is None
    assert all("dsr4" in namespace.links for namespace in machine.namespaces[:2])


def test_a_missing_pod_is_no_error_if_it_drains(machine: FakeMachine) -> None:
    gone = {"address": "10.244.1.77", "vips": ["203.0.113.1"], "draining": True}
    outcome = run(machine, gone, {**B4, "draining": True})
    assert (outcome.missing, outcome.leaving) == (("10.244.1.77",), ("10.244.1.77",))
    assert outcome.error(missing_is_error=True) is None
    lost = {**gone, "address": "10.244.1.78", "draining": False}
    assert "10.244.1.77" not in (said := reason(run(machine, gone, lost, B4)))
    assert said.startswith("pod 10.244.1.78: ")


def test_obstacles_are_those_of_a_run(machine: FakeMachine) -> None:
    machine.read_only = True
    machine.modules.clear()
    machine.loaded.clear()
    machine.namespaces[0].links["dsr4"] = Link("dummy")
    machine.unreachable = {"10.244.1.3"}
    gone = {"address": "10.244.1.77", "vips": ["203.0.113.1"]}
    pods = pods_from([A4, B4, gone, {**gone, "address": "10.244.1.78", "draining": True}])
    found = obstacles(machine, machine.paths, pods, sources=frozenset({"192.0.2.11"}))
    assert [(error.item, error.reason.split(",")[0]) for error in found] == [
        ("pod 10.244.1.77", "its address is in no network namespace of this machine"),
        ("pod 10.244.1.2", "it has a device dsr4 that this collection did not make"),
        ("pod 10.244.1.3", "this node has no route to it"),
    ]
    assert [error.item for error in obstacles(machine, machine.paths, pods_from([A4, gone]))] == [
        "pod 10.244.1.77",
        "pod 10.244.1.2",
    ]
    host = pods_from([{"address": "192.0.2.11", "vips": ["203.0.113.1"]}])
    assert ["hostNetwork" in str(error) for error in obstacles(machine, machine.paths, host)] == [True]


def test_what_is_served_has_no_obstacles(machine: FakeMachine) -> None:
    run(machine, *ALL)
    machine.read_only = True
    assert obstacles(machine, machine.paths, pods_from(ALL)) == []


def test_a_pod_that_vanishes_is_reported_at_every_point(tmp_path: Path) -> None:
    for point in range(1, 14):
        machine = with_pods(tmp_path / str(point))
        machine.on_write = lambda _line, machine=machine, point=point: (
            machine.kill(machine.namespaces[0]) if len(machine.writes) == point else None
        )
        outcome = reconcile(machine, machine.paths, pods_from(ALL), purge=True, check=False)
        assert outcome.missing == ("10.244.1.2", "2001:db8:244:1::2")
        assert "dsr4" in machine.namespaces[1].links
        assert reason(outcome).startswith(
            "2 pods or namespaces: pod 10.244.1.2: its address is in no network namespace"
        )


def test_a_write_refused_by_a_vanished_pod_is_no_second_problem(machine: FakeMachine) -> None:
    def vanish(line: str) -> None:
        if line.startswith("addr add 203.0.113.1/32"):
            machine.kill(machine.namespaces[0])
            del machine.namespaces[0].links["dsr4"]

    machine.on_write = vanish
    outcome = reconcile(machine, machine.paths, pods_from([A4]), purge=True, check=False)
    assert outcome.missing == ("10.244.1.2",)
    assert outcome.problems == ()


def test_host_network_is_refused_before_any_change(machine: FakeMachine) -> None:
    pods = pods_from([*ALL, {"address": "192.0.2.11", "vips": ["203.0.113.1"]}])
    machine.read_only = True
    with pytest.raises(
        DsrError, match=r"pod 192\.0\.2\.11: its address is the node's own, so it runs with hostNetwork"
    ):
        reconcile(machine, machine.paths, pods, purge=True, check=False)


@pytest.mark.parametrize("link", [Link("dummy"), Link("ipip", local="10.244.1.2"), Link("dummy", "13631488")])
@pytest.mark.parametrize("purge", [True, False])
def test_a_foreign_device_stays_and_is_told(machine: FakeMachine, link: Link, purge: bool) -> None:
    machine.namespaces[0].links["dsr4"] = link
    machine.publish(machine.namespaces[0])
    before = machine.namespaces[0].dump()
    outcome = run(machine, *ALL, purge=purge)
    assert reason(outcome).startswith("pod 10.244.1.2: it has a device dsr4 that this collection did not make. Rename")
    assert machine.namespaces[0].dump() == before
    assert "dsr4" in machine.namespaces[1].links
    assert not run(machine, purge=True).problems
    assert machine.namespaces[0].dump() == before


def test_an_address_in_two_namespaces_is_told_and_left_as_it_is(machine: FakeMachine) -> None:
    run(machine, B4)
    machine.add("10.244.1.3/16", handle="other")
    outcome = run(machine, *ALL)
    assert "pod 10.244.1.3: its address is in more than one network namespace (" in reason(outcome)
    assert [list(namespace.links) for namespace in machine.namespaces] == [
        ["lo", "eth0", "dsr4", "dsr6"],
        ["lo", "eth0", "dsr4"],
        ["lo", "eth0"],
        ["lo", "eth0"],
    ]


def test_two_addresses_of_one_family_in_one_pod_are_told(machine: FakeMachine) -> None:
    machine.namespaces[0].links["eth0"].addresses.append("10.244.9.9/24")
    machine.publish(machine.namespaces[0])
    outcome = run(machine, A4, {"address": "10.244.9.9", "vips": ["203.0.113.1"]})
    assert "pod 10.244.9.9: is in the same network namespace as pod 10.244.1.2" in reason(outcome)


def test_modules_are_loaded_only_when_needed(machine: FakeMachine) -> None:
    machine.loaded.clear()
    assert "modprobe" not in run(machine).after
    outcome = run(machine, A4)
    assert machine.writes[0] == "modprobe ipip"
    assert outcome.after.startswith("modprobe ipip\n")
    run(machine, A4, A6)
    assert machine.writes[0] == "modprobe ip6_tunnel"


@pytest.mark.parametrize("check", [True, False])
def test_a_kernel_without_the_module_is_told_before_any_change(machine: FakeMachine, check: bool) -> None:
    machine.loaded.discard("ip6_tunnel")
    machine.modules.discard("ip6_tunnel")
    machine.read_only = True
    with pytest.raises(DsrError, match=r"kernel module ip6_tunnel: is not loaded and .*linux-modules-extra"):
        reconcile(machine, machine.paths, pods_from(ALL), purge=True, check=check)


@pytest.mark.parametrize("command", ["ip", "nsenter", "sysctl"])
def test_a_missing_command_is_told(machine: FakeMachine, command: str) -> None:
    machine.absent.add(command)
    with pytest.raises(DsrError, match=f"command {command}: not found on this machine"):
        run(machine, A4)


def test_a_kernel_that_does_not_take_it_is_told(machine: FakeMachine) -> None:
    def thwart(line: str) -> None:
        if line.startswith("link set dsr4 up"):
            machine.namespaces[0].links["dsr4"].addresses.clear()

    machine.on_write = thwart
    said = reason(run(machine, A4))
    assert said.startswith(
        "pod 10.244.1.2: kernel: did not take what was written: ip addr add 203.0.113.1/32 dev dsr4. See"
    )


def test_a_refused_write_stays_with_its_pod(machine: FakeMachine) -> None:
    def steal(line: str) -> None:
        if "link add" in line and "10.244.1.2" in line:
            machine.namespaces[0].links["dsr4"] = Link("dummy")

    machine.on_write = steal
    outcome = run(machine, *ALL)
    assert "pod 10.244.1.2, pod 2001:db8:244:1::2: command 'nsenter" in reason(outcome)
    assert "RTNETLINK answers: File exists" in reason(outcome)
    assert machine.namespaces[1].links["dsr4"].addresses == ["203.0.113.1/32"]


HISTORIES = [([], ALL), (ALL, []), (ALL, [{**A4, "vips": ["203.0.113.9"]}]), ([A4], [A6, B4])]


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize(("first", "then"), HISTORIES)
def test_killed_at_any_write_the_next_run_converges(
    tmp_path: Path, first: list[dict[str, object]], then: list[dict[str, object]], loaded: bool
) -> None:
    calm = with_pods(tmp_path / "calm")
    pristine = calm.dump()
    run(calm, *first)
    run(calm, *then)
    for point in range(len(calm.writes) + 1):
        machine = with_pods(tmp_path / str(point))
        run(machine, *first)
        if not loaded and not first:
            machine.loaded.discard("ipip")
        machine.writes.clear()
        machine.die_after = point
        try:
            reconcile(machine, machine.paths, pods_from(then), purge=True, check=False)
        except Killed:
            pass
        else:
            assert point >= len(calm.writes)
        machine.die_after = None
        run(machine, *then)
        assert machine.dump() == calm.dump()
        run(machine)
        assert machine.dump() == pristine, "a kill loses no memory of what was before"


VIPS4 = st.lists(st.sampled_from([f"203.0.113.{n}" for n in range(1, 6)]), min_size=1, unique=True)
VIPS6 = st.lists(st.sampled_from([f"2001:db8:f::{n}" for n in range(1, 6)]), min_size=1, unique=True)
WISHES = st.fixed_dictionaries(
    {}, optional={"10.244.1.2": VIPS4, "10.244.1.3": VIPS4, "10.244.1.4": VIPS4, "2001:db8:244:1::2": VIPS6}
).map(lambda wishes: [{"address": address, "vips": vips} for address, vips in wishes.items()])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WISHES, st.booleans()), min_size=1, max_size=5))
def test_any_history_ends_in_what_was_asked_last(history: list[tuple[list[dict[str, object]], bool]]) -> None:
    with TemporaryDirectory() as root:
        machine = with_pods(Path(root))
        pristine = machine.dump()
        for wishes, purge in history:
            run(machine, *wishes, purge=purge)
            run(machine, *wishes, purge=purge)
            assert machine.writes == []
        last = history[-1][0]
        run(machine, *last)
        assert held(machine.namespaces) == {(pod.address, vip) for pod in pods_from(last) for vip in pod.vips}
        run(machine)
        assert machine.dump() == pristine


def held(namespaces: list[Netns]) -> set[tuple[str, str]]:
    return {
        (link.local, vip.split("/")[0])
        for namespace in namespaces
        for name, link in namespace.links.items()
        for vip in link.addresses
        if name.startswith("dsr")
    }


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        ([{"address": "10.244.1.300", "vips": ["203.0.113.1"]}], "pod: '10.244.1.300' is not an IP address"),
        ([{"address": "10.244.1.2", "vips": []}], "pod 10.244.1.2: has no VIPs"),
        ([{"address": "10.244.1.2", "vips": ["x"]}], "pod 10.244.1.2: VIP: 'x' is not an IP address"),
        ([{**A4, "vips": ["2001:db8:f::1"]}], "pod 10.244.1.2: VIP 2001:db8:f::1 is of the other address family"),
        ([A4, A4], "pod 10.244.1.2: is listed twice"),
        ([A4, {**B4, "vips": ["10.244.1.2"]}], "pod 10.244.1.3: VIP 10.244.1.2 is a pod's own address"),
    ],
)
def test_impossible_wishes(pods: list[dict[str, object]], message: str) -> None:
    with pytest.raises(DsrError) as error:
        pods_from(pods)
    assert str(error.value).startswith(message)


def test_wishes_are_normalised() -> None:
    assert pods_from([{"address": "2001:DB8:0::2", "vips": ["2001:db8:F::1", "2001:db8:f:0::1"]}]) == (
        Pod("2001:db8::2", 6, frozenset({"2001:db8:f::1"})),
    )
