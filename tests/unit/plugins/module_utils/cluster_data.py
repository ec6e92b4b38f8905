# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain inventory data for the tests: one small example by hand, and a hypothesis strategy of whole clusters."""

from __future__ import annotations

from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.model import POLICIES, TUNNELS
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULER_FLAGS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Data = dict[str, Any]
"""The keyword arguments of parse_cluster."""

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For property tests: a busy machine is no failure."""

_SCHEDULERS = ["mh", "sh", "wrr", "rr"]
_SOURCES = {
    4: ["9.0.0.0/8", "192.0.2.0/24", "192.0.2.0/25", "198.51.100.7/32", "0.0.0.0/0"],
    6: ["2001:db8::/32", "2001:db8:c::/48", "2001:db8:c::7/128", "::/0"],
}


def example() -> Data:
    """Two nodes; web (IPv4, two pods), dns (IPv6, UDP and TCP, one pod), idle (no backends)."""
    return {
        "services": [
            {
                "name": "web",
                "vip": "203.0.113.1",
                "ports": [{"port": 80}, {"port": 443, "protocol": "tcp"}],
                "backends": [
                    {"address": "10.244.2.2", "node": "n2", "weight": 3},
                    {"address": "10.244.1.10", "node": "n1"},
                ],
            },
            {
                "name": "dns",
                "vip": "2001:db8:f::1",
                "ports": [{"port": 53, "protocol": "udp"}, {"port": 53, "protocol": "tcp"}],
                "scheduler": "wrr",
                "backends": [{"address": "2001:db8:1::2", "node": "n1"}],
            },
            {"name": "idle", "vip": "203.0.113.2", "ports": [{"port": 80}], "backends": []},
        ],
        "nodes": {
            "n1": {"addresses": ["192.0.2.11", "2001:db8:a::11"], "pod_cidrs": ["10.244.1.0/24", "2001:db8:1::/64"]},
            "n2": {"addresses": ["192.0.2.12"], "pod_cidrs": ["10.244.2.0/24"]},
        },
        "vip_pools": ["203.0.113.0/24", "2001:db8:f::/64"],
    }


def full() -> Data:
    """The example with every option stated."""
    data = example()
    web, dns, _idle = data["services"]
    web.update(
        scheduler="mh",
        scheduler_flags=["mh-fallback"],
        affinity="hash",
        tunnel="gue",
        source_ranges=["198.51.100.0/24", "192.0.2.128/25"],
        policy="cluster",
    )
    web["backends"][0].update(
        ready=False,
        terminating=True,
        drain_until="2026-07-01T12:00:00Z",
        max_connections=100,
        min_connections=80,
    )
    dns.update(affinity="persistent", affinity_timeout=600)
    dns["backends"][0].update(ready=False, drain_until=1782907200.5)
    return {**data, "tunnel": "gre", "mtu": 9000, "overlay_overhead": 50}


def _address(family: int, node: int, pod: int) -> str:
    return f"10.244.{node}.{pod + 2}" if family == 4 else f"2001:db8:{node:x}::{pod + 2:x}"


@st.composite
def _scheduling(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a service that say how its connections are shared out."""
    scheduler = draw(st.sampled_from(_SCHEDULERS))
    flags = SCHEDULER_FLAGS.get(scheduler, ())
    affinity = draw(st.sampled_from(["none", "persistent", *(["hash"] if flags else [])]))
    made = {"scheduler": scheduler, "affinity": affinity}
    if draw(st.booleans()):
        allowed = [flag for flag in flags if affinity != "hash" or "port" not in flag]
        made["scheduler_flags"] = draw(st.lists(st.sampled_from(allowed), unique=True)) if allowed else []
    if affinity == "persistent" and draw(st.booleans()):
        made["affinity_timeout"] = draw(st.integers(1, 86400))
    return made


@st.composite
def _state(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a backend that say whether it drains and what it may hold."""
    most = draw(st.sampled_from([0, 100]))
    made = {
        "ready": draw(st.booleans()),
        "terminating": draw(st.booleans()),
        "max_connections": most,
        "min_connections": draw(st.integers(0, most)),
    }
    if made["terminating"] or not made["ready"]:
        made["drain_until"] = draw(st.sampled_from([None, 1782907200, "2026-07-01T12:00:00+02:00"]))
    return made


@st.composite
def _service(draw: st.DrawFn, name: str, index: int, nodes: int) -> dict[str, Any]:
    """A service whose ports start at a number of its own, so that services may share VIPs."""
    family = draw(st.sampled_from([4, 6]))
    vip = draw(st.integers(1, 4))
    ports = draw(st.sets(st.tuples(st.integers(0, 9), st.sampled_from(["tcp", "udp"])), min_size=1, max_size=3))
    pods = draw(st.sets(st.tuples(st.integers(1, nodes), st.integers(0, 3)), max_size=5))
    return {
        "name": name,
        "vip": f"203.0.113.{vip}" if family == 4 else f"2001:db8:f::{vip}",
        "ports": [{"port": 100 + 10 * index + port, "protocol": protocol} for port, protocol in ports],
        **draw(_scheduling()),
        **draw(st.sampled_from([{}, *({"tunnel": tunnel} for tunnel in TUNNELS)])),
        "source_ranges": draw(st.lists(st.sampled_from(_SOURCES[family]), unique=True)),
        "backends": [
            {
                "address": _address(family, node, pod),
                "node": f"n{node}",
                "weight": draw(st.integers(0, 65535)),
                **draw(st.just({}) | _state()),
            }
            for node, pod in pods
        ],
    }


@st.composite
def clusters(draw: st.DrawFn, local: bool = False) -> Data:
    """Valid data of 1 to 4 nodes and up to 8 services. local: some VIPs are of that policy."""
    nodes = draw(st.integers(1, 4))
    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), unique=True, max_size=8))
    services = [draw(_service(name, index, nodes)) for index, name in enumerate(names)]
    if local:
        policies = {vip: draw(st.sampled_from(POLICIES)) for vip in sorted({service["vip"] for service in services})}
        services = [{**service, "policy": policies[service["vip"]]} for service in services]
    return {
        "services": services,
        "nodes": {
            f"n{node}": {
                "addresses": [f"192.0.2.{node}", f"2001:db8:a::{node}"],
                "pod_cidrs": [f"10.244.{node}.0/24", f"2001:db8:{node}::/64"],
            }
            for node in range(1, nodes + 1)
        },
        "vip_pools": ["203.0.113.0/24", "2001:db8:f::/64"],
        "tunnel": draw(st.sampled_from(TUNNELS)),
        "mtu": draw(st.sampled_from([1280, 1500, 9000])),
        "overlay_overhead": draw(st.sampled_from([0, 50])),
    }


@st.composite
def shuffled(draw: st.DrawFn, data: Data) -> Data:
    """The same data in another order, at every level where order must not matter."""
    services = [
        {
            **service,
            "ports": draw(st.permutations(service["ports"])),
            "source_ranges": draw(st.permutations(service["source_ranges"])),
            "backends": draw(st.permutations(service["backends"])),
        }
        for service in data["services"]
    ]
    return {
        **data,
        "services": draw(st.permutations(services)),
        "nodes": dict(draw(st.permutations(list(data["nodes"].items())))),
        "vip_pools": draw(st.permutations(data["vip_pools"])),
    }
