# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hands import Cluster, known_nodes


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
