# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of the model. All are made by parse_cluster, which has checked what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, Prefix

PROTOCOLS: Final = ("tcp", "udp")
TUNNELS: Final = ("gre", "gue", "ipip")
LOCAL: Final = "local"
POLICIES: Final = ("cluster", LOCAL)


@dataclass(frozen=True)
class Port:
    port: int
    protocol: str


@dataclass(frozen=True)
class Backend:
    """A real server: a pod's address, the node it runs on, its share of new connections (0: none).

    draining: it is not ready or terminating: it gets no new connections, and keeps those it has for as long as another
    backend of the VIP is not draining. The VIP of the last one is withdrawn, and no packet gets through any more.
    drain_until: unix time at which the rest of them is given up; None: never. Only when draining.
    max_connections, min_connections: on one director it gets no more connections from the one on until there are
    fewer than the other. 0: no limit.
    """

    address: Address
    node: str
    weight: int
    draining: bool
    drain_until: float | None
    max_connections: int
    min_connections: int


@dataclass(frozen=True)
class Service:
    """A VIP with its ports (sorted) and backends (in numeric address order, the canonical one).

    scheduler_flags: sorted. persistence: seconds a client stays with its pod on one director, 0: not kept.
    source_ranges: in numeric order; empty: everybody may reach it.
    policy: cluster, where every director announces the VIP and sends to all backends, or local, where only nodes with
    a backend do, and to their own. It is the same for all services of a VIP.
    """

    name: str
    vip: Address
    ports: tuple[Port, ...]
    scheduler: str
    scheduler_flags: tuple[str, ...]
    persistence: int
    tunnel: str
    source_ranges: tuple[Prefix, ...]
    policy: str
    backends: tuple[Backend, ...]

    @property
    def accepts(self) -> bool:
        """Whether any backend takes new connections, by its state, so that the VIP may be announced. (The weight is a
        share, not a state.)"""
        return any(not backend.draining for backend in self.backends)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster. pod_cidrs empty: not stated, so backends on it are not checked against them.

    tunnel_addresses: what its tunnel packets come from besides addresses, as the device of an overlay between nodes.
    """

    name: str
    addresses: tuple[Address, ...]
    pod_cidrs: tuple[Prefix, ...]
    tunnel_addresses: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """One inventory's nodes (by name) and services (in name order), with the mark of every service.

    pools: what all VIPs lie in, in numeric order. tunnel: of services that state none.
    mtu: of the network between the nodes, in bytes. overlay_overhead: what an overlay there adds to a packet, in bytes.
    """

    services: tuple[Service, ...]
    nodes: Mapping[str, Node]
    marks: Mapping[str, int]
    pools: tuple[Prefix, ...]
    tunnel: str
    mtu: int
    overlay_overhead: int
