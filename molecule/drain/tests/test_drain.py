# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directors are drained and come back, with connections open. The tests build on each other, in their order."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

VIPS = ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
ALL, WITHOUT_N2 = {"11", "12", "13"}, {"11", "13"}
COUNT = 10
CLUSTER = Path(__file__).resolve().parents[3] / "inventories/lab/group_vars/all/cluster.yml"


def services(**states: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the lab, with fields added to backends, named by their address."""
    everything: list[dict[str, Any]] = yaml.safe_load(CLUSTER.read_text())["dsr_services"]
    for service in everything:
        for backend in service["backends"]:
            backend.update(states.get(backend["address"], {}))
    return everything


def changes(done) -> set[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"changed=(\d+)", done.stdout))


def said(done) -> str:
    return " ".join((done.stdout + done.stderr).split())


def refused(done, message: str) -> None:
    assert done.returncode != 0
    assert message in said(done), said(done)
    assert "Traceback" not in said(done)


def refused_untouched(done, message: str) -> None:
    refused(done, message)
    assert set(re.findall(r"changed=(\d+)", done.stdout)) <= {"0"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "No node is named."),
        ({"dsr_drain_nodes": "n9"}, "Node n9 is not in the inventory's group of nodes."),
        ({"dsr_drain_nodes": "n1,n2"}, "would take 2 nodes out, and dsr_drain_max allows 1."),
        ({"dsr_drain_nodes": "n1,n2,n3", "dsr_drain_max": 3}, "No other node announces VIP 203.0.113.1 of service web"),
    ],
    ids=["none", "unknown", "too many", "the last ones"],
)
def test_mistake_is_told_before_any_change(playbook, variables: dict[str, Any], message: str) -> None:
    refused_untouched(playbook("drain", **variables), message)


def test_check_mode_changes_nothing(playbook, dump) -> None:
    before = dump()
    assert changes(playbook("drain", "--check", "--diff", dsr_drain_nodes="n2")) > {"0"}
    assert dump() == before


def test_drain_breaks_no_connection(playbook, flows, hops, announced, machine) -> None:
    with flows(COUNT, *VIPS) as result:
        assert changes(playbook("drain", dsr_drain_nodes="n2")) > {"0"}
        assert [hops(vip) for vip in VIPS] == [WITHOUT_N2] * len(VIPS)
        assert announced("n2") == set()
        time.sleep(3)
    assert result["broken"] == [] and result["alive"] == COUNT * len(VIPS), result
    assert "65535" not in machine("n2").check_output("cat /etc/bird/baremetal-dsr.conf")


def test_second_drain_changes_nothing(playbook) -> None:
    assert changes(playbook("drain", dsr_drain_nodes="n2")) == {"0"}


def test_another_one_must_wait(playbook) -> None:
    refused_untouched(
        playbook("drain", dsr_drain_nodes="n3"), "Draining n3 beside n2, drained or unreachable, would take 2"
    )


def test_site_leaves_a_drained_node_drained(playbook, hops, announced) -> None:
    done = playbook("site")
    assert changes(done) == {"0"}
    assert "This node is drained" in said(done)
    assert announced("n2") == set()
    assert hops(VIPS[0]) == WITHOUT_N2


def test_node_whose_tables_are_wrong_stays_out(playbook, machine, announced) -> None:
    machine("n2").check_output("ipvsadm -C; ip rule del priority 781")
    refused(playbook("undrain", dsr_drain_nodes="n2"), "node n2: its tables are not those planned. Run site.yml first")
    assert announced("n2") == set()
    assert changes(playbook("site")) > {"0"}
    assert announced("n2") == set()


def test_node_whose_pods_do_not_answer_stays_out(playbook, machine, announced) -> None:
    """Nothing on n2 is wrong, but what it sends into tunnels is lost."""
    for iptables, protocol in (("iptables", "ipencap"), ("ip6tables", "ipv6")):
        machine("n2").check_output(f"{iptables} -I OUTPUT -p {protocol} -j DROP")
    try:
        refused(playbook("undrain", dsr_drain_nodes="n2"), "got no answer: 203.0.113.")
        assert announced("n2") == set()
    finally:
        for iptables, protocol in (("iptables", "ipencap"), ("ip6tables", "ipv6")):
            machine("n2").check_output(f"{iptables} -D OUTPUT -p {protocol} -j DROP")


def test_undrain_breaks_no_connection(playbook, flows, hops) -> None:
    with flows(COUNT, *VIPS) as result:
        assert changes(playbook("undrain", dsr_drain_nodes="n2")) > {"0"}
        assert [hops(vip) for vip in VIPS] == [ALL] * len(VIPS)
        time.sleep(3)
    assert result["broken"] == [] and result["alive"] == COUNT * len(VIPS), result


def test_second_undrain_changes_nothing(playbook) -> None:
    assert changes(playbook("undrain", dsr_drain_nodes="n2")) == {"0"}
    assert changes(playbook("site")) == {"0"}


def test_drain_goes_on_where_it_was_killed(playbook, machine, hops) -> None:
    """Noted, and asked of the routers, but not withdrawn."""
    machine("n2").check_output("touch /etc/baremetal-dsr-drained")
    assert hops(VIPS[0]) == ALL
    assert changes(playbook("drain", dsr_drain_nodes="n2")) > {"0"}
    assert hops(VIPS[0]) == WITHOUT_N2
    assert changes(playbook("undrain", dsr_drain_nodes="n2")) > {"0"}
    assert hops(VIPS[0]) == ALL


def killed_before_the_withdrawal(playbook) -> None:
    """Noted, and the routers send elsewhere: no traffic can fall below this."""
    done = playbook("drain", dsr_drain_nodes="n2", dsr_drain_packets=-1, dsr_drain_wait=15)
    refused(done, "packets per second still come to VIPs")


def test_undrain_goes_back_from_a_drain_that_was_killed(playbook, hops) -> None:
    killed_before_the_withdrawal(playbook)
    assert hops(VIPS[0]) == WITHOUT_N2
    assert changes(playbook("undrain", dsr_drain_nodes="n2")) > {"0"}
    assert [hops(vip) for vip in VIPS] == [ALL] * len(VIPS)
    assert changes(playbook("undrain", dsr_drain_nodes="n2")) == {"0"}


def test_drain_goes_on_where_bird_had_not_read_its_file(playbook, machine, hops, until) -> None:
    """Noted, and the community stands in the file, but BIRD still goes by the file before that."""
    node, file, configure = (
        machine("n2"),
        "/etc/bird/baremetal-dsr.conf",
        "birdc -s /run/baremetal-dsr/bird.ctl configure",
    )
    node.check_output(f"cp {file} /root/usual.conf")
    killed_before_the_withdrawal(playbook)
    node.check_output(f"cp {file} /root/leaving.conf; cat /root/usual.conf >{file}; {configure}")
    node.check_output(f"cat /root/leaving.conf >{file}; rm /root/usual.conf /root/leaving.conf")
    until(lambda: hops(VIPS[0]) == ALL)
    assert "(65535, 0)" in node.check_output(f"cat {file}")
    assert changes(playbook("drain", dsr_drain_nodes="n2")) > {"0"}
    assert [hops(vip) for vip in VIPS] == [WITHOUT_N2] * len(VIPS)
    assert changes(playbook("drain", dsr_drain_nodes="n2")) == {"0"}
    assert changes(playbook("undrain", dsr_drain_nodes="n2")) > {"0"}
    assert [hops(vip) for vip in VIPS] == [ALL] * len(VIPS)


def test_two_drains_at_once_take_no_more_out_than_allowed(playbook, machine, hops, announced) -> None:
    """Each looks before it has noted anything and again afterwards, so one at most goes on, and perhaps none."""
    nodes = ("n2", "n3")
    with ThreadPoolExecutor() as pool:
        done = dict(zip(nodes, pool.map(lambda node: playbook("drain", dsr_drain_nodes=node), nodes)))
    out = [node for node in nodes if machine(node).file("/etc/baremetal-dsr-drained").exists]
    assert len(out) <= 1
    assert out == [node for node in nodes if done[node].returncode == 0]
    for node in set(nodes) - set(out):
        refused(done[node], "and dsr_drain_max allows 1.")
        assert announced(node) == set(VIPS)
    assert [hops(vip) for vip in VIPS] == [ALL - {f"1{node[1]}" for node in out}] * len(VIPS)
    for node in out:
        assert changes(playbook("undrain", dsr_drain_nodes=node)) > {"0"}
    assert [hops(vip) for vip in VIPS] == [ALL] * len(VIPS)


def test_no_director_goes_or_comes_while_a_backend_drains(playbook, flows, hops) -> None:
    """Law 5: connections of the pod would be lost on another director."""
    with flows(COUNT, "203.0.113.1") as result:
        draining = next(flow["pod"] for flow in result["flows"])
        address = f"10.244.{draining[-1]}.2"
        with_drain = services(**{address: {"terminating": True}})
        assert changes(playbook("site", dsr_services=with_drain)) > {"0"}
        for name, asked in (("drain", {"dsr_drain_nodes": "n2"}), ("teardown", {"dsr_teardown_nodes": "n2"})):
            done = playbook(name, dsr_services=with_drain, **asked)
            refused_untouched(done, f"A backend still drains: {address} of service web")
        assert hops("203.0.113.1") == ALL
    assert result["broken"] == [], result
    assert changes(playbook("site")) > {"0"}


def test_site_lets_no_director_begin_while_a_backend_drains(playbook, machine, flows, hops, announced, until) -> None:
    """n3 announces nothing, as after a boot, before the connections begin."""
    machine("n3").check_output("rm /run/baremetal-dsr/vips.conf; birdc -s /run/baremetal-dsr/bird.ctl configure")
    until(lambda: hops("203.0.113.1") == {"11", "12"})
    with flows(COUNT, "203.0.113.1") as result:
        draining = next(flow["pod"] for flow in result["flows"])
        with_drain = services(**{f"10.244.{draining[-1]}.2": {"terminating": True}})
        done = playbook("site", dsr_services=with_drain)
        assert changes(done) > {"0"}
        assert "Node n3 does not announce VIP 203.0.113.1 yet" in said(done)
        assert announced("n3") == set(VIPS) - {"203.0.113.1"}
        assert hops("203.0.113.1") == {"11", "12"}
        assert changes(playbook("site", dsr_services=with_drain)) == {"0"}
    assert result["broken"] == [], result
    assert changes(playbook("site")) > {"0"}
    assert hops("203.0.113.1") == ALL


def test_policy_local_is_announced_where_backends_are(playbook, hops, machine) -> None:
    local = services()
    for service in local:
        if service["name"] == "web":
            service["policy"] = "local"
            service["backends"] = [backend for backend in service["backends"] if backend["node"] != "n3"]
    assert changes(playbook("site", dsr_services=local)) > {"0"}
    assert hops("203.0.113.1") == {"11", "12"}
    for _each in range(10):
        assert json.loads(machine("client").check_output("curl -sS -m 10 http://203.0.113.1/"))["pod"] != "web-3"
    local[0]["backends"][0]["weight"] = 0
    assert changes(playbook("site", dsr_services=local)) > {"0"}
    assert hops("203.0.113.1") == {"12"}
    local[0]["backends"][0].update(weight=1, ready=False)
    assert changes(playbook("site", dsr_services=local))
    assert hops("203.0.113.1") == {"12"}
    asked = playbook("drain", dsr_drain_nodes="n2", dsr_services=local)
    refused_untouched(asked, "No other node announces VIP 203.0.113.1 of service web to a router.")
    assert changes(playbook("site")) > {"0"}
    assert hops("203.0.113.1") == ALL
