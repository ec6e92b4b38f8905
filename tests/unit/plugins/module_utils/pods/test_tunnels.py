# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers for GUE and GRE, VIPs on other devices, the guard."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import Outcome
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine, Link
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.worlds import (
    A6,
    NODES,
    OTHER,
    STRANGERS,
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

METRIC = 13631488
GUARDED = (pod(A, VIP, tunnels=TUNNELS), pod(A6, VIP6, tunnels=TUNNELS))


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return with_pods(tmp_path)


def reason(outcome: Outcome) -> str:
    return str(outcome.error(missing_is_error=True))


def test_all_receivers_are_there_before_the_vip(machine: FakeMachine) -> None:
    Ask((pod(A, VIP, tunnels=TUNNELS),)).done(machine)
    assert machine.writes == [
        "link add dsr4 group 13631488 type ipip mode ipip local 10.244.1.2 remote any",
        "link set dsr4 alias baremetal.dsr,arp_ignore=0,arp_announce=0,gue",
        "link add dsr4gre group 13631488 type gre local 10.244.1.2 remote any",
        "link set dsr4gre alias baremetal.dsr",
        "sysctl net.ipv4.conf.all.arp_ignore=1",
        "sysctl net.ipv4.conf.all.arp_announce=2",
        "sysctl net.ipv4.conf.dsr4.rp_filter=2",
        "sysctl net.ipv4.conf.dsr4gre.rp_filter=2",
        "ip fou add port 6080 gue",
        "addr add 192.0.0.8/32 dev dsr4gre scope host",
        "addr add 203.0.113.1/32 dev dsr4",
        "link set dsr4 up",
        "link set dsr4gre up",
    ]


@pytest.mark.parametrize("place", ["tunnel", "lo", "interface"])
@pytest.mark.parametrize("sources", [None, tuple(NODES)])
def test_every_tunnel_that_is_asked_for_is_taken(machine: FakeMachine, place: str, sources: tuple[str, ...]) -> None:
    Ask(GUARDED, place, sources).done(machine)
    where = machine.namespaces[0]
    for tunnel in TUNNELS:
        assert where.takes(NODES[0], tunnel, VIP)
        assert where.takes(NODES[2], tunnel, VIP6)
        assert where.takes(machine.sends_from[4], tunnel, VIP), "what this node itself sends"
        assert where.takes(STRANGERS[0], tunnel, VIP) == (sources is None)
        assert where.takes(STRANGERS[1], tunnel, VIP6) == (sources is None)
        assert where.takes(NODES[0], tunnel, A) == (sources is None), "for no VIP"
    assert not Ask(GUARDED, place, sources).done(machine).changed


def test_a_tunnel_no_longer_asked_for_goes_with_purge_only(machine: FakeMachine) -> None:
    Ask(GUARDED, sources=tuple(NODES)).done(machine)
    fewer = (pod(A, VIP), pod(A6, VIP6))
    outcome = Ask(fewer, sources=tuple(NODES), purge=False).done(machine)
    assert not outcome.changed
    assert outcome.stale
    Ask(fewer, sources=tuple(NODES)).done(machine)
    assert machine.writes == [
        "link del dsr4gre",
        "link del dsr6gre",
        "ip fou del port 6080",
        "ip -6 fou del port 6080",
        *[line for line in machine.writes if "tables-restore" in line],
        "link set dsr4 alias baremetal.dsr,arp_ignore=0,arp_announce=0,guard",
        "link set dsr6 alias baremetal.dsr,guard addrgenmode none",
    ]
    direct = with_pods(machine.root / "direct")
    Ask(fewer, sources=tuple(NODES)).done(direct)
    assert machine.dump() == direct.dump()


def test_a_gue_port_of_someone_else_is_used_and_stays(machine: FakeMachine) -> None:
    machine.namespaces[0].ports["inet"] = {"port": 6080, "gue": None, "family": "inet"}
    pristine = machine.dump()
    Ask((pod(A, VIP, tunnels=["gue"]),)).done(machine)
    assert not any("fou" in line for line in machine.writes)
    assert machine.namespaces[0].takes(NODES[0], "gue", VIP)
    Ask().done(machine)
    assert machine.dump() == pristine


@pytest.mark.parametrize("use", [{"ipproto": 4}, {"gue": None, "local": "10.244.1.2"}])
def test_a_port_that_receives_something_else_is_told(machine: FakeMachine, use: dict[str, object]) -> None:
    machine.namespaces[0].ports["inet"] = {"port": 6080, "family": "inet", **use}
    outcome = Ask((pod(A, VIP, tunnels=["gue"]), pod(B, VIP))).done(machine)
    assert reason(outcome).startswith("pod 10.244.1.2: its UDP port 6080 receives another tunnel (")
    assert "dsr4" in machine.namespaces[1].links
    assert not Ask((pod(A, VIP),)).done(machine).problems, "only who takes GUE needs the port"


def test_gre_device_of_someone_else_matters_only_to_who_needs_it(machine: FakeMachine) -> None:
    machine.namespaces[0].links["dsr4gre"] = Link("gre", local=A)
    assert not Ask((pod(A, VIP),)).done(machine).problems
    assert "a device dsr4gre that this collection did not make" in reason(Ask(GUARDED).done(machine))
    Ask().done(machine)
    assert list(machine.namespaces[0].links) == ["lo", "eth0", "dsr4gre"]


def test_modules_of_the_tunnels_are_loaded_when_needed(machine: FakeMachine) -> None:
    machine.loaded.clear()
    Ask((pod(A, VIP, tunnels=["gue"]),)).done(machine)
    assert machine.writes[:2] == ["modprobe ipip", "modprobe fou"]
    Ask(GUARDED).done(machine)
    assert machine.writes[:3] == ["modprobe ip_gre", "modprobe ip6_tunnel", "modprobe ip6_gre"]


@pytest.mark.parametrize(
    ("place", "device", "mark"), [("lo", "lo", {METRIC}), ("interface", "eth0", {METRIC}), ("tunnel", "dsr4", set())]
)
def test_place_of_the_vip(machine: FakeMachine, place: str, device: str, mark: set[int]) -> None:
    pristine = machine.dump()
    Ask((pod(A, VIP), pod(A6, VIP6)), place).done(machine)
    link = machine.namespaces[0].links[device]
    assert "203.0.113.1/32" in link.addresses
    assert set(link.metrics.values()) == mark
    assert ("192.0.0.8/32" in machine.namespaces[0].links["dsr4"].addresses) == (place != "tunnel")
    Ask().done(machine)
    assert machine.dump() == pristine


def test_a_moved_vip_is_there_before_it_leaves(machine: FakeMachine) -> None:
    Ask((pod(A, VIP), pod(A6, VIP6))).done(machine)
    Ask((pod(A, VIP), pod(A6, VIP6)), "lo").done(machine)
    assert machine.writes == [
        "addr add 192.0.0.8/32 dev dsr4 scope host",
        "addr add 203.0.113.1/32 dev lo metric 13631488",
        "addr add 2001:db8:f::1/128 dev lo metric 13631488 preferred_lft 0 nodad",
        "addr del 203.0.113.1/32 dev dsr4",
        "addr del 2001:db8:f::1/128 dev dsr6",
    ]


def test_without_purge_the_vip_stays_at_the_old_place_too(machine: FakeMachine) -> None:
    Ask((pod(A, VIP),), "lo").done(machine)
    outcome = Ask((pod(A, VIP),), "interface", purge=False).done(machine)
    assert machine.writes == ["addr add 203.0.113.1/32 dev eth0 metric 13631488"]
    assert outcome.stale


@pytest.mark.parametrize("place", ["tunnel", "lo", "interface"])
@pytest.mark.parametrize("device", ["lo", "eth0"])
def test_a_vip_that_someone_else_put_there_is_told(machine: FakeMachine, place: str, device: str) -> None:
    machine.namespaces[0].links[device].addresses.append("203.0.113.1/32")
    before = machine.namespaces[0].dump()
    outcome = Ask((pod(A, VIP), pod(B, VIP)), place).done(machine)
    assert reason(outcome) == (
        f"pod 10.244.1.2: VIP 203.0.113.1 stands on its device {device}, and this collection did not put it there. "
        f"Take it off (ip addr del 203.0.113.1/32 dev {device}) or choose another VIP"
    )
    assert machine.namespaces[0].dump() == before
    assert "dsr4" in machine.namespaces[1].links


def test_a_kernel_that_keeps_no_metric_is_told(machine: FakeMachine) -> None:
    machine.keeps_metrics = False
    assert "kernel: does not keep the metric by which VIP 203.0.113.1 on lo is known as ours" in reason(
        Ask((pod(A, VIP),), "lo").done(machine)
    )


def test_the_guard_stands_before_the_vip_and_is_complete(machine: FakeMachine) -> None:
    Ask((pod(A, VIP),), sources=tuple(NODES)).done(machine)
    written = machine.writes
    assert written[written.index("ipset create dsr-node4 hash:ip family inet") :] == [
        "ipset create dsr-node4 hash:ip family inet",
        "ipset add dsr-node4 10.244.1.1",
        "ipset add dsr-node4 192.0.2.11",
        "ipset add dsr-node4 192.0.2.12",
        "ipset create dsr-vip4 hash:ip family inet",
        "ipset add dsr-vip4 203.0.113.1",
        "iptables-restore | :DSR-GUARD - [0:0] | -A DSR-GUARD -d 10.244.1.2/32 -p 4 -m set ! --match-set dsr-node4 src"
        ' -m comment --comment "baremetal.dsr" -j DROP | -A DSR-GUARD -i dsr4 -m set ! --match-set dsr-vip4 dst'
        ' -m comment --comment "baremetal.dsr" -j DROP | -I PREROUTING 1 -m comment --comment "baremetal.dsr"'
        " -j DSR-GUARD",
        "addr add 203.0.113.1/32 dev dsr4",
        "link set dsr4 up",
    ]


def test_protocols_by_name_make_no_difference(machine: FakeMachine) -> None:
    for namespace in machine.namespaces:
        namespace.netfilter.names = True
    Ask(GUARDED, sources=tuple(NODES)).done(machine)
    assert not Ask(GUARDED, sources=tuple(NODES)).done(machine).changed


def test_drift_of_the_guard_is_mended(machine: FakeMachine) -> None:
    ask = Ask(GUARDED, sources=tuple(NODES))
    ask.done(machine)
    calm = machine.dump()
    netfilter = machine.namespaces[0].netfilter
    netfilter.chains[4]["DSR-GUARD"].insert(0, "-s 192.0.2.66/32 -j ACCEPT")
    netfilter.chains[4]["PREROUTING"].clear()
    netfilter.chains[6]["PREROUTING"] *= 2
    netfilter.sets["dsr-node4"][1].symmetric_difference_update({"192.0.2.11", "192.0.2.66"})
    ask.done(machine)
    assert machine.dump() == calm


def test_foreign_rules_and_sets_stay(machine: FakeMachine) -> None:
    netfilter = machine.namespaces[0].netfilter
    netfilter.sets["dsr-other"] = ("hash:ip family inet", {"10.9.9.9"})
    netfilter.chains[4] = {"PREROUTING": ["-p tcp -j ACCEPT"], "OUTPUT": [], "DSR-GUARDIAN": ["-j RETURN"]}
    pristine = machine.dump()
    Ask(GUARDED, sources=tuple(NODES)).done(machine)
    Ask().done(machine)
    assert machine.dump() == pristine


def test_a_set_that_is_busy_a_little_longer_goes(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    pristine = machine.dump()
    Ask(GUARDED, sources=tuple(NODES)).done(machine)
    machine.namespaces[0].netfilter.busy = 7
    Ask().run(machine)
    assert machine.dump() == pristine


def test_a_set_of_another_kind_is_told(machine: FakeMachine) -> None:
    machine.namespaces[0].netfilter.sets["dsr-vip4"] = ("hash:net family inet", set())
    outcome = Ask((*GUARDED, pod(B, VIP)), sources=tuple(NODES)).done(machine)
    assert "ipset dsr-vip4: is a set of another kind (hash:net family inet). Remove whatever" in reason(outcome)
    assert "dsr4" in machine.namespaces[1].links


def test_sources_given_up_take_the_guard_with_purge_only(machine: FakeMachine) -> None:
    Ask(GUARDED, sources=tuple(NODES)).done(machine)
    Ask((pod(A, VIP, OTHER, tunnels=TUNNELS),), purge=False).done(machine)
    assert machine.writes == ["ipset add dsr-vip4 203.0.113.9", "addr add 203.0.113.9/32 dev dsr4"]
    assert machine.namespaces[0].takes(NODES[0], "gue", OTHER)
    Ask(GUARDED).done(machine)
    direct = with_pods(machine.root / "direct")
    Ask(GUARDED).done(direct)
    assert machine.dump() == direct.dump()


def test_a_pod_without_a_guard_has_its_tables_left_alone(machine: FakeMachine) -> None:
    Ask(GUARDED).done(machine)
    assert not [command for command in machine.commands if {"ipset", "iptables-save"} & set(command)]


@pytest.mark.parametrize("command", ["ipset", "iptables-save", "ip6tables-restore"])
def test_commands_of_the_guard_are_needed_only_for_it(machine: FakeMachine, command: str) -> None:
    machine.absent.add(command)
    Ask(GUARDED).done(machine)
    with pytest.raises(DsrError, match=f"command {command}: not found on this machine"):
        Ask(GUARDED, sources=tuple(NODES)).run(machine)


def test_a_half_made_device_needs_no_command_of_the_guard(machine: FakeMachine) -> None:
    machine.absent.add("ipset")
    machine.namespaces[0].links["dsr4"] = Link("ipip", "13631488", "ipip", A)
    Ask((pod(A, VIP),)).run(machine)
    assert machine.namespaces[0].links["dsr4"].alias


def test_a_pod_without_a_route_is_told(machine: FakeMachine) -> None:
    machine.unreachable.add(A)
    outcome = Ask((pod(A, VIP), pod(B, VIP)), sources=tuple(NODES)).done(machine)
    assert reason(outcome).startswith("pod 10.244.1.2: this node has no route to it, so its guard cannot know")
    assert "dsr4" in machine.namespaces[1].links
    assert not Ask((pod(A, VIP), pod(B, VIP))).done(machine).problems


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("n1",), "sources: 'n1' is not an IP address"),
        (("192.0.2.11",), "sources: has no IPv6 address, so nothing could reach pod 2001:db8:244:1::2. List"),
        ((), "sources: has no IPv4 address, so nothing could reach pod 10.244.1.2. List"),
    ],
)
def test_impossible_sources(machine: FakeMachine, sources: tuple[str, ...], message: str) -> None:
    with pytest.raises(DsrError) as error:
        Ask(GUARDED, sources=sources).run(machine)
    assert str(error.value).startswith(message)
    assert machine.commands == []


@pytest.mark.parametrize("tunnels", ["gue", ["vxlan"], [4]])
def test_impossible_tunnels(machine: FakeMachine, tunnels: object) -> None:
    with pytest.raises(DsrError, match=r"pod 10\.244\.1\.2: cannot take the tunnels .*Choose from ipip, gue, gre"):
        Ask(({**pod(A, VIP), "tunnels": tunnels},)).run(machine)


def test_a_run_without_change_reads_each_pod_in_five_commands(machine: FakeMachine) -> None:
    ask = Ask((*GUARDED, pod(B, VIP)), sources=tuple(NODES))
    ask.done(machine)
    machine.commands.clear()
    ask.run(machine)
    entered = [command for command in machine.commands if command[0] == "nsenter" and command[2] != "cat"]
    assert len(entered) == 5 + 4
    machine.commands.clear()
    Ask((pod(A, VIP), pod(B, VIP)), sources=tuple(NODES)).run(machine)
    machine.commands.clear()
    Ask((pod(A, VIP), pod(B, VIP))).run(machine)
    machine.commands.clear()
    Ask((pod(A, VIP), pod(B, VIP))).run(machine)
    assert len([command for command in machine.commands if command[0] == "nsenter" and command[2] != "cat"]) == 2 + 2


def test_strangers_never_get_in_while_a_guarded_pod_is_changed(machine: FakeMachine) -> None:
    """From before its first VIP until after its last."""
    history = [
        Ask(GUARDED, sources=tuple(NODES)),
        Ask(GUARDED, "lo", tuple(NODES)),
        Ask((pod(A, OTHER), pod(B, VIP)), "interface", tuple(NODES[:1])),
        Ask(GUARDED, sources=tuple(NODES), purge=False),
        Ask(),
    ]
    seen = []
    machine.after_write = lambda line: seen.extend(
        (line, packet) for packet in taken(machine) if packet[1] in STRANGERS or packet[3] in (A, A6)
    )
    for ask in history:
        ask.done(machine)
        assert not seen
