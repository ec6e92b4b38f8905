# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to open connections, and to everything else on the machines, while the cluster changes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from dumps import items

NODES = ("n1", "n2", "n3")
VIPS = ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
LEAVING = ("203.0.113.1", "2001:db8:f::1")
STAYING = ("203.0.113.2", "2001:db8:f::2")
CLUSTER = Path(__file__).resolve().parents[3] / "inventories/lab/group_vars/all/cluster.yml"
BIRDC = "birdc -s /run/baremetal-dsr/bird.ctl"


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.5)


def next_hops(machine, vip: str) -> int:
    """Next hops in the kernel of the router."""
    family = "-6" if ":" in vip else "-4"
    routes = json.loads(machine("r1").check_output(f"ip {family} -json route show {vip}"))
    return sum(len(route.get("nexthops", [route])) for route in routes)


def test_flows_outlive_a_director_that_leaves_and_returns(machine, flows) -> None:
    """Law 4: the router sends them through other directors, and those send them to the same pods."""
    with flows(15, *VIPS) as result:
        for order, hops in (("disable", 2), ("enable", 3)):
            for version in (4, 6):
                machine("n2").check_output(f"{BIRDC} {order} dsr_r1_ipv{version}")
            until(lambda hops=hops: all(next_hops(machine, vip) == hops for vip in VIPS))
            time.sleep(5)
    assert result["broken"] == [] and result["alive"] == 15 * len(VIPS), result
    assert result["rounds"] >= 5, result


@contextmanager
def like_kube_proxy(machine, vip: str) -> Iterator[None]:
    """What kube-proxy would do to a VIP it knows: DNAT it to somewhere else, and drop what conntrack calls invalid."""
    iptables, other = ("ip6tables", "2001:db8:fab::1") if ":" in vip else ("iptables", "192.0.2.1")
    rules = (
        f"-t nat {{}} PREROUTING -d {vip} -j DNAT --to-destination {other}",
        "-t filter {} FORWARD -m conntrack --ctstate INVALID -j DROP",
    )
    with ExitStack() as stack:
        for node in NODES:
            for rule in rules:
                machine(node).check_output(f"{iptables} {rule.format('-A')}")
                stack.callback(machine(node).check_output, f"{iptables} {rule.format('-D')}")
        yield


@pytest.mark.parametrize("vip", LEAVING)
def test_connection_tracking_never_sees_a_vip(machine, flows, vip: str) -> None:
    """Law 6."""
    with like_kube_proxy(machine, vip), flows(10, vip) as result:
        for node in NODES:
            assert vip not in machine(node).check_output(
                "conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null; true"
            )
    assert result["broken"] == [] and result["alive"] == 10, result


FOREIGN = (
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j MARK --set-mark 7",
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j RETURN",
    "iptables -t nat -A PREROUTING -d 198.51.100.94 -j DNAT --to-destination 192.0.2.1",
    "ip6tables -t raw -A PREROUTING -s 2001:db8:c::99 -j ACCEPT",
    "ipset create others hash:ip",
    "ipset add others 198.51.100.98",
    "ipvsadm -A -f 7 -s rr",
    "ipvsadm -a -f 7 -r 192.0.2.1:0 -g -w 3",
    "ip rule add fwmark 7 lookup 7 priority 700",
    "ip route add 198.51.100.97/32 dev lo table 7",
    "ip address add 198.51.100.95/32 dev lo",
)
FOREIGN_GONE = (
    "iptables -t mangle -D PREROUTING -s 198.51.100.99 -j MARK --set-mark 7",
    "iptables -t mangle -D PREROUTING -s 198.51.100.99 -j RETURN",
    "iptables -t nat -D PREROUTING -d 198.51.100.94 -j DNAT --to-destination 192.0.2.1",
    "ip6tables -t raw -D PREROUTING -s 2001:db8:c::99 -j ACCEPT",
    "ipset destroy others",
    "ipvsadm -D -f 7",
    "ip rule del fwmark 7 lookup 7 priority 700",
    "ip route flush table 7",
    "ip address del 198.51.100.95/32 dev lo",
)


LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="six minutes: under make test-full only")


@LONG
def test_service_that_leaves_takes_everything_with_it_and_nothing_else(machine, in_pod, playbook, dump, flows) -> None:
    """Laws 1, 9 and 10: its traces go; foreign things and the connections of other services stay; it can come back."""
    everything = yaml.safe_load(CLUSTER.read_text())["dsr_services"]
    remaining = [service for service in everything if service["vip"] not in LEAVING]
    for line in FOREIGN:
        machine("n1").check_output(line)
    before = dump()
    with flows(10, *STAYING) as result:
        done = playbook("site", dsr_services=remaining)
        assert done.returncode == 0, done.stdout + done.stderr
        without = dump()
        for vip in LEAVING:
            assert next_hops(machine, vip) == 0
            for node in NODES:
                traces = [line for line in without[node].splitlines() if f"{vip} " in f"{line} " or f"{vip}/" in line]
                assert traces == []
        assert "dsr4" not in in_pod("n1/web-1", "ip link")
        assert in_pod("n1/web-1", "sysctl -n net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce").split() == [
            "0",
            "0",
        ]
        done = playbook("site")
        assert done.returncode == 0, done.stdout + done.stderr
    assert result["broken"] == [] and result["alive"] == 10 * len(STAYING), result
    after = dump()
    for name in before:
        assert items(after[name]) == items(before[name]), name
    for line in FOREIGN_GONE:
        machine("n1").check_output(line)
