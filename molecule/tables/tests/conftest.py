# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hands import Cluster, Services, known_nodes, planned, services


@pytest.fixture
def tables(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster for a test that changes its tables; brought back to the inventory afterwards.

    Without the guards, which would withdraw the VIPs of a node whose tables are taken away.
    """
    cluster.run("systemctl stop baremetal-dsr-guard")
    yield cluster
    cluster.bring()
    cluster.run("systemctl start baremetal-dsr-guard")


@pytest.fixture
def through(machine) -> Callable[[str, str], AbstractContextManager[None]]:
    """`with through(VIP, "n2"):` the router sends all packets for the VIP to this director."""
    router = machine("r1")

    @contextmanager
    def steer(vip: str, node: str) -> Iterator[None]:
        family = "-6" if ":" in vip else "-4"
        gateway = known_nodes()[node]["addresses"]["." not in vip]
        # FRR leaves routes of this protocol alone, and does not take them for better ones than its own.
        route = f"{vip} metric 1 proto kernel"
        router.check_output(f"ip {family} route replace {route} via {gateway}")
        try:
            yield
        finally:
            router.check_output(f"ip {family} route del {route}")

    return steer


@pytest.fixture
def until() -> Callable[..., None]:
    def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.3)

    return wait


@pytest.fixture
def answer(machine) -> Callable[..., dict[str, str]]:
    """What the pod behind a VIP says when asked over HTTP."""

    def ask(vip: str, asker: str = "client") -> dict[str, str]:
        host = f"[{vip}]" if ":" in vip else vip
        return dict(json.loads(machine(asker).check_output(f"curl -gsS -m 10 http://{host}/")))

    return ask


@pytest.fixture
def destinations(cluster: Cluster) -> Callable[..., dict[str, dict[tuple[str, str], tuple[int, int]]]]:
    """What the directors hold of these services: {node: {(service, pod address): (weight, connections)}}."""
    command = "ipvsadm -Ln --nosort | awk '/^FWM/ {mark = $2} /Tunnel/ {print mark, $2, $4, $5 + $6}'"

    def look(wanted: Services | None = None) -> dict[str, dict[tuple[str, str], tuple[int, int]]]:
        names = {str(each["mark"]): each["name"] for each in planned("n1", wanted or services())["services"]}
        return {
            node: {
                (names[mark], server.rpartition(":")[0].strip("[]")): (int(weight), int(connections))
                for mark, server, weight, connections in map(str.split, listing.splitlines())
            }
            for node, (listing,) in cluster.run(command).items()
        }

    return look


@pytest.fixture
def forgetful(cluster: Cluster) -> Iterator[None]:
    """Directors hold a connection that its client has closed for two seconds, not for Linux's two minutes.

    Except connections to a pod on the same node, whose director sees the answers too: nothing shortens its TIME_WAIT.
    """
    cluster.run("ipvsadm --set 0 2 0")
    yield
    cluster.run("ipvsadm --set 0 120 0")
