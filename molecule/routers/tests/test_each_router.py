# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two routers of different make do the same. molecule/default/tests/test_recipe.py runs for both as well."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from typing import Any

import pytest

COUNT = 10
CLIENT = {4: "198.51.100.10", 6: "2001:db8:c::10"}
CONFIG = {"frr": "/etc/frr/frr.conf", "bird": "/etc/bird/bird.conf"}
RUNNING = {"frr": "vtysh -c 'show running-config'", "bird": "birdc show protocols all"}
MORE_POOLS = ["203.0.113.0/24", "2001:db8:f::/64", "198.18.1.0/24"]
SECOND = {
    "cluster": "second",
    "vip_pools": ["198.18.0.0/24"],
    "nodes": [{"name": "s1", "addresses": ["192.0.2.200", "2001:db8:fab::200"]}],
}
RUNNING_LIMIT = {"frr": r"maximum-prefix 77\b", "bird": r"Import limit: +77\b"}


def sent(machine, router: str) -> int:
    """Packets that the router has sent to the nodes."""
    (link,) = json.loads(machine(router).check_output("ip -json -statistics link show fabric"))
    return int(link["stats64"]["tx"]["packets"])


def test_flows_pass_through_it(machine, flows, through, vips, router: str) -> None:
    with through(router):
        before = sent(machine, router)
        with flows(COUNT, *vips) as result:
            time.sleep(2)
        forwarded = sent(machine, router) - before
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result
    # The client's part of each handshake, each request, and its end.
    assert forwarded >= 4 * COUNT * len(vips)


def directors(machine, router: str, flows: list[dict[str, Any]]) -> list[str]:
    """The node that the kernel of this router sends each flow to."""
    asked = []
    for flow in flows:
        version = 6 if ":" in flow["vip"] else 4
        ends = f"{flow['vip']} from {CLIENT[version]} iif outside ipproto tcp sport {flow['port']} dport 80"
        asked.append(f"ip -{version} -json route get {ends}")
    answers = machine(router).check_output("; ".join(asked)).splitlines()
    return [re.split("[.:]", gateway)[-1] for gateway in re.findall(r'"gateway": ?"([^"]+)"', "\n".join(answers))]


def test_flows_outlive_a_change_of_the_router(machine, flows, through, vips) -> None:
    """Routers agree on the directors of a VIP, and not on which of them gets a flow: what saves it is their tables."""
    with ExitStack() as first:
        first.enter_context(through("r1"))
        with flows(COUNT, *vips) as result:
            one, other = (directors(machine, router, result["flows"]) for router in ("r1", "r2"))
            first.close()
            with through("r2"):
                time.sleep(5)
            time.sleep(5)
    assert len(one) == len(other) == COUNT * len(vips)
    assert one != other
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result


@pytest.mark.parametrize("version", [4, 6])
def test_sessions_are_signed(machine, password, router: str, version: int) -> None:
    """tcpdump knows the password, and checks every signature."""
    watch = f"timeout 20 tcpdump -i fabric -c 6 -nvM {password} 'ip{6 if version == 6 else ''} and tcp port 179'"
    said = machine(router).run(watch).stdout
    assert said.count("md5 valid") == 6, said


def test_change_that_nobody_confirms_is_taken_back(machine, providers, peering, bgp_router, sessions, until) -> None:
    """A run of site.yml that ends between two tasks; on both routers at once, which saves half of the wait."""

    def file(router: str) -> str:
        return str(machine(router).check_output(f"cat {CONFIG[providers[router]]}"))

    def changed(router: str) -> bool:
        shown = machine(router).check_output(RUNNING[providers[router]])
        return bool(re.search(RUNNING_LIMIT[providers[router]], shown))

    before = {router: file(router) for router in providers}
    for router in providers:
        assert not bgp_router(router, **peering(router, _ansible_check_mode=True))["changed"], router
        assert bgp_router(router, **peering(router, max_prefixes=77, take_back=30))["changed"], router
        assert changed(router), router
    for router in providers:
        until(lambda router=router: file(router) == before[router], 60)
        until(lambda router=router: not changed(router), 30)
        with pytest.raises(AssertionError, match="its change was taken back"):
            bgp_router(router, provider=providers[router], state="confirmed")
        assert not bgp_router(router, **peering(router, _ansible_check_mode=True))["changed"], router
        assert machine(router).run("test -e /run/baremetal-dsr-router").rc != 0
        for version in (4, 6):
            until(lambda at=(router, version): set(sessions(*at).values()) == {"Established"}, 20)


@pytest.mark.parametrize("change", [{"max_prefixes": 77}, {"vip_pools": MORE_POOLS}], ids=["limit", "pool"])
def test_sessions_that_a_change_does_not_touch_go_on(
    providers, peering, bgp_router, unbroken, hops, vips, router: str, change: dict[str, Any]
) -> None:
    with unbroken(router):
        for wanted in (change, {}):
            assert bgp_router(router, **peering(router, **wanted))["changed"]
            assert bgp_router(router, provider=providers[router], state="confirmed")["changed"]
            assert [hops(vip, router) for vip in vips] == [{"11", "12", "13"}] * len(vips)
    assert not bgp_router(router, **peering(router, _ansible_check_mode=True))["changed"]


def test_second_cluster_comes_and_goes_beside_the_first(
    machine, providers, peering, bgp_router, unbroken, hops, vips, router: str
) -> None:
    def file() -> str:
        return str(machine(router).check_output(f"cat {CONFIG[providers[router]]}"))

    def first() -> str:
        block = re.search(r"^[!#] BEGIN baremetal\.dsr dsr$.*?^[!#] END baremetal\.dsr dsr$", file(), re.M | re.S)
        assert block
        return block[0]

    second = {"provider": providers[router], "cluster": "second"}
    before, block = file(), first()
    with unbroken(router):
        try:
            told = bgp_router(router, **peering(router, **SECOND))
            assert (told["changed"], told["clusters"]) == (True, ["dsr", "second"])
            with pytest.raises(AssertionError, match="a change of cluster second on this router waits"):
                bgp_router(router, **peering(router, max_prefixes=77, _ansible_check_mode=True))
            assert bgp_router(router, **second, state="confirmed")["changed"]
            assert first() == block
            assert "192.0.2.200" in machine(router).check_output(RUNNING[providers[router]])
            assert [hops(vip, router) for vip in vips] == [{"11", "12", "13"}] * len(vips)
            for cluster in ({}, SECOND):
                assert not bgp_router(router, **peering(router, **cluster, _ansible_check_mode=True))["changed"]
            third = {**SECOND, "cluster": "third", "nodes": [{"name": "t1", "addresses": ["192.0.2.201"]}]}
            with pytest.raises(AssertionError, match="its VIP pool .* overlaps .* of cluster second"):
                bgp_router(router, **peering(router, **third, _ansible_check_mode=True))
        finally:
            bgp_router(router, **second, state="absent")
        assert file() == before
    assert [hops(vip, router) for vip in vips] == [{"11", "12", "13"}] * len(vips)


def test_drain_and_undrain_break_no_flow(playbook, flows, hops, vips, providers, peered) -> None:
    with flows(COUNT, *vips) as result:
        done = playbook("drain", dsr_drain_nodes="n2")
        assert done.returncode == 0, done.stdout + done.stderr
        for router in providers:
            assert [hops(vip, router) for vip in vips] == [{"11", "13"}] * len(vips), router
        done = playbook("undrain", dsr_drain_nodes="n2")
        assert done.returncode == 0, done.stdout + done.stderr
        peered()
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result
