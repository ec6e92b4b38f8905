# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 10: services, a node and the whole cluster go, one after the other, and leave the machines as they were found.

The tests build on each other, in their order.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dumps import items

NODES = ("n1", "n2", "n3")
CLUSTER = Path(__file__).resolve().parents[3] / "inventories/lab/group_vars/all/cluster.yml"
WEB, WEB6, DNS, DNS6 = "203.0.113.1", "2001:db8:f::1", "203.0.113.2", "2001:db8:f::2"

FOREIGN_ON_A_NODE = (
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j MARK --set-mark 7",
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j RETURN",
    "iptables -t nat -A PREROUTING -d 198.51.100.94 -j DNAT --to-destination 192.0.2.1",
    "iptables -t raw -N OTHERS",
    "ip6tables -t raw -A PREROUTING -s 2001:db8:c::99 -j ACCEPT",
    "ipset create others hash:ip",
    "ipset add others 198.51.100.98",
    "ipvsadm -A -f 7 -s rr",
    "ipvsadm -a -f 7 -r 192.0.2.1:0 -g -w 3",
    "ip rule add fwmark 7 lookup 7 priority 700",
    "ip route add 198.51.100.97/32 dev lo table 7",
    "ip address add 198.51.100.95/32 dev lo",
    "sysctl -qw net.ipv4.vs.conn_reuse_mode=0",
    "echo '# not ours' >/etc/bird/others.conf",
)
FOREIGN_IN_A_POD = (
    "iptables -t raw -A PREROUTING -s 198.51.100.99 -j ACCEPT",
    "ipset create others hash:ip",
    "ip address add 198.51.100.93/32 dev lo",
)
FOREIGN_ON_THE_ROUTER = (
    "printf '!\\n! not ours\\nip prefix-list others seq 5 permit 198.51.100.0/24\\n' >>/etc/frr/frr.conf",
    "echo 'ip route 198.51.100.96/32 blackhole' >>/etc/frr/frr.conf",
    "systemctl reload frr",
    "sysctl -qw net.ipv6.fib_multipath_hash_policy=2",
)


@pytest.fixture(scope="module")
def pristine(machine, in_pod, dump) -> dict[str, str]:
    """The machines before the first install, with things on them that are not ours."""
    for node in ("n1", "n3"):
        for line in FOREIGN_ON_A_NODE:
            machine(node).check_output(line)
    for line in FOREIGN_IN_A_POD:
        in_pod("n1/web-1", line)
    for line in FOREIGN_ON_THE_ROUTER:
        machine("r1").check_output(line)
    return dict(dump())


def services() -> list[dict[str, Any]]:
    """Those of the lab, the ones for DNS without a backend on n3, so that no connection to them ends with n3."""
    everything: list[dict[str, Any]] = yaml.safe_load(CLUSTER.read_text())["dsr_services"]
    for service in everything:
        if service["name"].startswith("dns"):
            service["backends"] = [backend for backend in service["backends"] if backend["node"] != "n3"]
    return everything


LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="ten minutes: under make test-full only")


def assert_same(after: dict[str, str], before: dict[str, str], *names: str) -> None:
    for name in names:
        assert items(after[name]) == items(before[name]), f"{name} is not what it was"


def changes(done) -> set[str]:
    """The counts of changed tasks in the recap, of a run that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"changed=(\d+)", done.stdout))


def next_hops(machine, vip: str) -> set[str]:
    """In the kernel of the router."""
    routes = json.loads(machine("r1").check_output(f"ip {'-6' if ':' in vip else '-4'} -json route show {vip}"))
    return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}


def test_install(pristine, playbook) -> None:
    assert changes(playbook("site", dsr_services=services())) - {"0"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"dsr_teardown_nodes": "n3,n9"}, "node n9: is not in the inventory's group of nodes. Name one of n1, n2, n3"),
        ({"dsr_teardown_nodes": ["n1", "n2", "n3"]}, "dsr_teardown_nodes: no node would be left. To take down"),
        ({"dsr_teardown_services": "web,nosuch"}, "service nosuch: is not in dsr_services."),
        ({"dsr_teardown_nodes": 3}, "3 is no list of names. Write it as n1,n2"),
    ],
    ids=["unknown node", "all nodes", "unknown service", "no names"],
)
def test_mistake_is_told_before_any_change(playbook, variables: dict[str, Any], message: str) -> None:
    done = playbook("teardown", dsr_services=services(), **variables)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert message in said, said
    assert "Traceback" not in said
    assert set(re.findall(r"changed=(\d+)", said)) <= {"0"}


@LONG
def test_services_go_and_others_live_on(machine, in_pod, playbook, dump, flows) -> None:
    with flows(10, DNS, DNS6) as result:
        done = playbook("teardown", dsr_services=services(), dsr_teardown_services="web,web6")
        assert changes(done) - {"0"}
    assert "service web, service web6" in " ".join(done.stdout.split())
    assert result["broken"] == [] and result["alive"] == 20, result
    now = dump()
    for vip in (WEB, WEB6):
        assert next_hops(machine, vip) == set()
        for node in NODES:
            assert [line for line in now[node].splitlines() if re.search(rf"{re.escape(vip)}\b", line)] == []
    assert "dsr" not in in_pod("n1/web-1", "ip link")


@LONG
def test_node_goes_and_others_live_on(pristine, machine, playbook, dump, flows) -> None:
    assert changes(playbook("site", dsr_services=services())) - {"0"}
    with flows(10, DNS, DNS6) as result:
        assert changes(playbook("teardown", dsr_services=services(), dsr_teardown_nodes="n3")) - {"0"}
    assert result["broken"] == [] and result["alive"] == 20, result
    assert_same(dump(), pristine, "n3", "client")
    assert next_hops(machine, WEB) == {"192.0.2.11", "192.0.2.12"}
    assert next_hops(machine, WEB6) == {"2001:db8:fab::11", "2001:db8:fab::12"}
    assert "n3" not in machine("r1").check_output("vtysh -c 'show running-config'")
    for vip in (WEB, DNS):
        assert machine("client").check_output(f"curl -sS -m 10 http://{vip}/")
    assert changes(playbook("teardown", dsr_services=services(), dsr_teardown_nodes=["n3"])) == {"0"}


def test_cluster_goes_and_leaves_what_was_there(pristine, machine, playbook, dump) -> None:
    machine("n2").check_output("sysctl -qw net.ipv4.vs.schedule_icmp=0")  # what someone changes since stays
    before = dump()
    predicted = changes(playbook("teardown", "--check", "--diff"))
    assert_same(dump(), before, *before)
    assert predicted - {"0"}
    assert changes(playbook("teardown")) - {"0"}
    assert_same(dump(), pristine, *pristine)


def test_second_teardown_changes_nothing(playbook) -> None:
    assert changes(playbook("teardown")) == {"0"}


def test_cluster_comes_back(playbook) -> None:
    assert changes(playbook("site")) - {"0"}
    assert playbook("verify").returncode == 0
