# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain inventory data to a Cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import (
    Address,
    Prefix,
    PrefixTable,
    parse_address,
    parse_prefix,
)
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import (
    Problems,
    check_keys,
    integer,
    mapping,
    sequence,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import (
    DEFAULT_MARK_BASE,
    DEFAULT_MARK_MASK,
    MarkRange,
    assign_marks,
    parse_mark_range,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.model.cluster import Cluster, Node, Service
from ansible_collections.baremetal.dsr.plugins.module_utils.model.services import ServiceParser, parse_tunnel

_NODE_KEYS: Final = frozenset({"addresses"})
_NODE_OPTIONS: Final = frozenset({"pod_cidrs", "tunnel_addresses"})
_MIN_MTU: Final = 576
_MIN_MTU_IPV6: Final = 1280
_MAX_MTU: Final = 65535
_MAX_OVERLAY_OVERHEAD: Final = 200


def parse_cluster(
    services: Any,
    nodes: Any,
    vip_pools: Any,
    mark_base: Any = DEFAULT_MARK_BASE,
    mark_mask: Any = DEFAULT_MARK_MASK,
    tunnel: Any = "ipip",
    mtu: Any = 1500,
    overlay_overhead: Any = 0,
    routers: Any = (),
) -> Cluster:
    """Cluster from plain inventory data.

    services: [{name, vip, ports: [{port, protocol: tcp|udp = tcp}],
              scheduler = mh, scheduler_flags: [...] = all of the scheduler's,
              affinity: none|hash|persistent = none, affinity_timeout = 10800 (seconds),
              tunnel: ipip|gue|gre = tunnel, source_ranges: ["network/length", ...] = [],
              policy: cluster|local = cluster (the same for all services of a VIP),
              backends: [{address, node, weight = 1, ready = true, terminating = false,
                          drain_until: unix seconds or ISO 8601 with a zone = none,
                          max_connections = 0, min_connections = 0}]}]
    nodes: {name: {addresses: [...], pod_cidrs: [...] = [], tunnel_addresses: [...] = []}}
    vip_pools: ["network/length", ...]
    mark_base, mark_mask: the marks owned are those with mark & mask == base.
    tunnel: of services that state none. mtu: bytes, of the network between the nodes. overlay_overhead: bytes that an
    overlay between the nodes adds to a packet. routers: [{name, addresses: [...]}].

    DsrError names the problems found, a line each: first those of everything but services; when there are none of
    these, those of services.
    """
    problems = Problems()
    marks = MarkRange(DEFAULT_MARK_BASE, DEFAULT_MARK_MASK)
    with problems:
        marks = parse_mark_range(mark_base, mark_mask)
    with problems:
        tunnel = parse_tunnel("dsr_tunnel", tunnel)
    with problems:
        mtu = integer("dsr_mtu", mtu, _MIN_MTU, _MAX_MTU)
    with problems:
        overlay_overhead = integer("dsr_overlay_overhead", overlay_overhead, 0, _MAX_OVERLAY_OVERHEAD)
    pools: list[Prefix] = []
    with problems:
        for value in sequence("dsr_vip_pools", vip_pools, "networks"):
            with problems:
                pools.append(parse_prefix("dsr_vip_pools", value))
    known = _parse_nodes(nodes, problems)
    _check_pools(pools, known.values(), _router_addresses(routers, problems), problems)
    problems.raise_any()

    parsed = ServiceParser(known, pools, tunnel, problems).parse(services)
    with problems:
        assigned = assign_marks([service.name for service in parsed], marks)
    with problems:
        _check_mtu(mtu, parsed)
    problems.raise_any()
    _check_backends(pools, parsed)
    return Cluster(
        services=tuple(sorted(parsed, key=lambda service: service.name)),
        nodes=known,
        marks=assigned,
        pools=tuple(sorted(set(pools), key=Prefix.order)),
        tunnel=tunnel,
        mtu=mtu,
        overlay_overhead=overlay_overhead,
    )


def _check_pools(
    pools: Iterable[Prefix], nodes: Iterable[Node], routers: Iterable[tuple[str, Address]], problems: Problems
) -> None:
    """A router that took host routes of pods, nodes or routers from a node would send their packets to it."""
    nodes, routers = list(nodes), list(routers)
    for pool in pools:
        with problems:
            _check_pool(pool, nodes, routers)


def _check_pool(pool: Prefix, nodes: Iterable[Node], routers: Iterable[tuple[str, Address]]) -> None:
    for node in nodes:
        for address in (*node.addresses, *node.tunnel_addresses):
            if pool.holds(address):
                raise _in_pool(f"{pool.text} holds {address.text} of node {node.name}")
        for cidr in node.pod_cidrs:
            if pool.overlaps(cidr):
                raise _in_pool(f"{pool.text} overlaps {cidr.text}, pods of node {node.name}")
    for name, address in routers:
        if pool.holds(address):
            raise _in_pool(f"{pool.text} holds {address.text} of router {name}")


def _check_backends(pools: Iterable[Prefix], services: Iterable[Service]) -> None:
    """Those of nodes with pod_cidrs lie in these, which were checked."""
    table = PrefixTable((pool, pool.text) for pool in pools)
    for service in services:
        for backend in service.backends:
            pool = table.owner(backend.address)
            if pool is not None:
                raise _in_pool(f"{pool} holds {backend.address.text}, a backend of service {service.name}")


def _in_pool(reason: str) -> DsrError:
    return DsrError("dsr_vip_pools", reason, "Take the VIPs from a network of their own")


def _router_addresses(routers: Any, problems: Problems) -> list[tuple[str, Address]]:
    found = []
    with problems:
        for value in sequence("routers", routers, "mappings with name and addresses"):
            name = str(mapping("routers", value, ["name", "addresses"]).get("name"))
            item = f"router {name}, addresses"
            with problems:
                for address in sequence(item, value.get("addresses"), "addresses"):
                    found.append((name, parse_address(item, address)))
    return found


def _check_mtu(mtu: int, services: Iterable[Service]) -> None:
    if mtu < _MIN_MTU_IPV6 and any(service.vip.version == 6 for service in services):
        raise DsrError(
            "dsr_mtu",
            f"is {mtu}, but there are IPv6 vips, and every network that carries IPv6 has {_MIN_MTU_IPV6} at least",
            "State the MTU of the network between the nodes, or serve IPv4 only",
        )


def _parse_nodes(nodes: Any, problems: Problems) -> dict[str, Node]:
    known: dict[str, Node] = {}
    owners: dict[Address, str] = {}
    with problems:
        for name, value in mapping("nodes", nodes, ["<node name>"]).items():
            with problems:
                node = known[str(name)] = _parse_node(str(name), value)
                for address in node.addresses:
                    owner = owners.setdefault(address, node.name)
                    if owner != node.name:
                        raise DsrError(
                            f"node {node.name}",
                            f"address {address.text} is also that of node {owner}",
                            "Give every node its own addresses in dsr_node",
                        )
    return known


def _parse_node(name: str, value: Any) -> Node:
    item = f"node {name}"
    value = mapping(item, value, sorted(_NODE_KEYS | _NODE_OPTIONS))
    check_keys(item, value, _NODE_KEYS, _NODE_OPTIONS)
    addresses = sequence(f"{item}, addresses", value["addresses"], "addresses")
    if not addresses:
        raise DsrError(item, "has no address", "State its fabric addresses in dsr_node.addresses")
    cidrs = sequence(f"{item}, pod_cidrs", value.get("pod_cidrs", []), "networks")
    overlay = sequence(f"{item}, tunnel_addresses", value.get("tunnel_addresses", []), "addresses")
    return Node(
        name,
        tuple(parse_address(f"{item}, addresses", address) for address in addresses),
        tuple(parse_prefix(f"{item}, pod_cidrs", cidr) for cidr in cidrs),
        tuple(parse_address(f"{item}, tunnel_addresses", address) for address in overlay),
    )
