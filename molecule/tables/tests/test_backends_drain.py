# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 5: a backend that drains keeps its connections and gets no new ones, and leaves when they are gone or overdue."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from hands import NODES, Services, known_nodes, services

FULL = bool(os.environ.get("DSR_TEST_FULL"))
"""`make test` gives only the last step of a drain to site.yml, which takes more than a minute."""
COUNT = 24
"""Connections to each VIP: so many that one backend of three surely has some of them."""
WEB, WEB6, DNS, DNS6 = "203.0.113.1", "2001:db8:f::1", "203.0.113.2", "2001:db8:f::2"
LEAVING = {
    "web": "10.244.2.2",
    "web6": "2001:db8:244:2::2",
    "dns": "10.244.2.3",
    "dns6": "2001:db8:244:2::3",
}
ECHO = "7007"
PORTS = ("20000", "20099")

Change = Mapping[str, Any]
Bring = Callable[[Services], Any]


def changed(**backends: Change) -> Services:
    """The inventory's services, the leaving backend of each of these with more fields."""
    return [
        {
            **service,
            "backends": [
                {**backend, **(backends.get(service["name"], {}) if backend["address"] in LEAVING.values() else {})}
                for backend in service["backends"]
            ],
        }
        for service in services()
    ]


@pytest.fixture
def site(playbook) -> Bring:
    """Bring the cluster to other services by the shipped playbook."""

    def run(wanted: Services) -> None:
        done = playbook("site", dsr_services=wanted)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture
def pods_by_port(machine, packets) -> Callable[[str], dict[str, dict[str, str]]]:
    """Which pod gets a datagram from each port, by VIP of DNS, if it comes to this director.

    Each datagram is scheduled by itself, by the same table that new connections are. They are sent by a machine that
    is next to the nodes, lest the connections of others change their director.
    """

    def look(node: str) -> dict[str, dict[str, str]]:
        routes = [f"{vip} via {known_nodes()[node]['addresses'][vip == DNS6]}" for vip in (DNS, DNS6)]
        machine("attacker").check_output(f"ip route replace {routes[0]}; ip -6 route replace {routes[1]}")
        try:
            return dict(json.loads(packets("attacker", "ask", ECHO, *PORTS, DNS, DNS6)))
        finally:
            machine("attacker").check_output(f"ip route del {routes[0]}; ip -6 route del {routes[1]}")

    return look


def at_leaving(result: Mapping[str, Any]) -> list[str]:
    """The connections that leaving backends have, named as they are where they are said to be broken."""
    return [
        f"{flow['vip']} from port {flow['port']} at {flow['pod']}" for flow in result["flows"] if flow["node"] == "n2"
    ]


@pytest.fixture
def by_way_of_n1(through) -> ExitStack:
    """Within it n1 gets the packets of the services whose connections must not be counted elsewhere."""
    with ExitStack() as stack:
        for vip in (WEB, DNS, DNS6):
            stack.enter_context(through(vip, "n1"))
        return stack.pop_all()


def test_backends_drain(
    tables, forgetful, site, playbook, flows, by_way_of_n1, destinations, pods_by_port, in_pod, until
) -> None:
    """Two of four backends keep their connections, one loses them by and by, and of one the time is over.

    No director may leave meanwhile.
    """
    bring: Bring = site if FULL else tables.bring

    def connections(name: str) -> list[int]:
        """Of the leaving backend, at each director."""
        held = destinations()
        return [held[node][name, LEAVING[name]][1] for node in NODES]

    until(lambda: not any(any(connections(name)) for name in LEAVING), 130)
    leaving, unready = {"terminating": True}, {"ready": False}
    with by_way_of_n1, flows(COUNT, DNS, DNS6) as living, flows(COUNT, WEB6) as cut:
        with flows(COUNT, WEB) as ending:
            assert all(len(at_leaving(result)) > 0 for result in (living, cut, ending))
            before = pods_by_port("n1")
            bring(changed(web=leaving, web6=unready, dns=leaving, dns6=unready))
            held = destinations()
            for node in NODES:
                assert {held[node][place][0] for place in LEAVING.items()} == {0}, held
            assert_nothing_new_comes(before, pods_by_port, flows)
            for name in ("dns", "dns6"):
                assert [count > 0 for count in connections(name)] == [True, False, False], destinations()
        assert ending["broken"] == [], ending
        until(lambda: not any(connections("web")))

        overdue = {"terminating": True, "drain_until": time.time() - 60}
        draining = changed(web=leaving, web6=overdue, dns=leaving, dns6=unready)
        site(draining)
        held = destinations()
        for node in NODES:
            weights = {name: held[node].get((name, address), (None,))[0] for name, address in LEAVING.items()}
            assert weights == {"web": None, "web6": None, "dns": 0, "dns6": 0}, held
        done = playbook("drain", dsr_drain_nodes="n3", dsr_services=draining)
        assert done.returncode != 0 and set(re.findall(r"changed=(\d+)", done.stdout)) <= {"0"}, done.stdout
        assert f"A backend still drains: {LEAVING['dns']} of service dns" in done.stdout + done.stderr

        gone = (LEAVING["web"], LEAVING["web6"])
        bring([without(service, gone) for service in changed(dns=leaving, dns6=unready)])
        assert "dsr" not in in_pod("n2/web-2", "ip link")
    assert living["broken"] == [] and living["alive"] == 2 * COUNT, living
    assert sorted(text.partition(": ")[0] for text in cut["broken"]) == sorted(at_leaving(cut)), cut


def without(service: Mapping[str, Any], addresses: tuple[str, ...]) -> dict[str, Any]:
    return {**service, "backends": [each for each in service["backends"] if each["address"] not in addresses]}


def assert_nothing_new_comes(before: Mapping[str, Mapping[str, str]], pods_by_port: Any, flows: Any) -> None:
    """No director sends anything new to what leaves, and each sends all that it sent to others to the same ones."""
    kept = {vip: {port: pod for port, pod in pods.items() if pod != "dns-2"} for vip, pods in before.items()}
    assert all(0 < len(kept[vip]) < len(before[vip]) == 100 for vip in (DNS, DNS6)), before
    for node in NODES:
        now = pods_by_port(node)
        assert {vip: {port: now[vip].get(port) for port in kept[vip]} for vip in kept} == kept, node
        for vip in (DNS, DNS6):
            assert set(now[vip]) == set(before[vip]) and set(now[vip].values()) == {"dns-1", "dns-3"}, node
    with flows(COUNT // 2, WEB, WEB6, DNS, DNS6) as new:
        pass
    assert at_leaving(new) == [], new
