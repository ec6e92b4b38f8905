# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 10: services, a node and the whole cluster go, one after the other, and leave the machines as they were found.

The tests build on each other, in their order, and on test_dry_run.py, which installs the cluster.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from dumps import items

NODES = ("n1", "n2", "n3")
WEB, WEB6, DNS, DNS6 = "203.0.113.1", "2001:db8:f::1", "203.0.113.2", "2001:db8:f::2"

FULL = bool(os.environ.get("DSR_TEST_FULL"))
"""`make test` takes no dry run of the teardown, which takes two minutes."""
LONG = pytest.mark.skipif(not FULL, reason="a quarter of an hour: under make test-full only")


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
def test_mistake_is_told_before_any_change(playbook, given, variables: dict[str, Any], message: str) -> None:
    done = playbook("teardown", **given, **variables)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert message in said, said
    assert "Traceback" not in said
    assert set(re.findall(r"changed=(\d+)", said)) <= {"0"}


@LONG
def test_services_go_and_others_live_on(machine, in_pod, playbook, given, dump, flows) -> None:
    with flows(10, DNS, DNS6) as result:
        done = playbook("teardown", **given, dsr_teardown_services="web,web6")
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
def test_node_goes_and_others_live_on(pristine, machine, playbook, given, dump, flows) -> None:
    assert changes(playbook("site", **given)) - {"0"}
    with flows(10, DNS, DNS6) as result:
        assert changes(playbook("teardown", **given, dsr_teardown_nodes="n3")) - {"0"}
    assert result["broken"] == [] and result["alive"] == 20, result
    assert_same(dump(), pristine, "n3", "client")
    assert next_hops(machine, WEB) == {"192.0.2.11", "192.0.2.12"}
    assert next_hops(machine, WEB6) == {"2001:db8:fab::11", "2001:db8:fab::12"}
    assert "n3" not in machine("r1").check_output("vtysh -c 'show running-config'")
    for vip in (WEB, DNS):
        assert machine("client").check_output(f"curl -sS -m 10 http://{vip}/")
    assert changes(playbook("teardown", **given, dsr_teardown_nodes=["n3"])) == {"0"}


def test_cluster_goes_and_leaves_what_was_there(pristine, machine, playbook, dump) -> None:
    machine("n2").check_output("sysctl -qw net.ipv4.vs.schedule_icmp=0")  # what someone changes since stays
    if FULL:
        before = dump()
        assert changes(playbook("teardown", "--check", "--diff")) - {"0"}
        assert_same(dump(), before, *before)
    assert changes(playbook("teardown")) - {"0"}
    assert_same(dump(), pristine, *pristine)


@LONG
def test_second_teardown_changes_nothing(playbook) -> None:
    assert changes(playbook("teardown")) == {"0"}


@LONG
def test_cluster_comes_back(playbook) -> None:
    assert changes(playbook("site")) - {"0"}
    assert playbook("verify").returncode == 0
