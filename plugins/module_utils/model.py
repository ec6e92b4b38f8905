# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as the planner sees it, and the one door plain inventory data comes in by.

Everything is validated here, once; the planner behind `parse_cluster` checks nothing again. (The modules check their
own options, as they can be used without a plan.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
    listing,
    mapping,
    sequence,
    shown,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import (
    DEFAULT_MARK_BASE,
    DEFAULT_MARK_MASK,
    MarkRange,
    assign_marks,
    parse_mark_range,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULERS

PROTOCOLS: Final = ("tcp", "udp")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}")
_SERVICE_KEYS: Final = frozenset({"name", "vip", "ports", "backends"})
_SERVICE_OPTIONS: Final = frozenset({"scheduler"})
_PORT_KEYS: Final = frozenset({"port"})
_PORT_OPTIONS: Final = frozenset({"protocol", "targetPort"})
_BACKEND_KEYS: Final = frozenset({"address", "node"})
_BACKEND_OPTIONS: Final = frozenset({"weight"})
_NODE_KEYS: Final = frozenset({"addresses"})
_NODE_OPTIONS: Final = frozenset({"pod_cidrs"})


@dataclass(frozen=True)
class Port:
    port: int
    protocol: str


@dataclass(frozen=True)
class Backend:
    """A real server: a pod's address, the node it runs on, its share of new connections (0: none)."""

    address: Address
    node: str
    weight: int


@dataclass(frozen=True)
class Service:
    """A VIP with its ports (sorted) and backends (in numeric address order, the canonical one)."""

    name: str
    vip: Address
    ports: tuple[Port, ...]
    scheduler: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class Node:
    """A machine of the cluster. pod_cidrs empty: not stated, so backends on it are not checked against them."""

    name: str
    addresses: tuple[Address, ...]
    pod_cidrs: tuple[Prefix, ...]


@dataclass(frozen=True)
class Cluster:
    """One inventory's nodes (by name) and services (in name order), with the mark of every service."""

    services: tuple[Service, ...]
    nodes: Mapping[str, Node]
    marks: Mapping[str, int]


def parse_cluster(
    services: Any,
    nodes: Any,
    vip_pools: Any,
    mark_base: Any = DEFAULT_MARK_BASE,
    mark_mask: Any = DEFAULT_MARK_MASK,
) -> Cluster:
    """Cluster from plain inventory data.

    services: [{name, vip, ports: [{port, protocol: tcp|udp = tcp}], scheduler = mh,
              backends: [{address, node, weight = 1}]}]
    nodes: {name: {addresses: [...], pod_cidrs: [...] = []}}
    vip_pools: ["network/length", ...]
    mark_base, mark_mask: the marks owned are those with mark & mask == base.

    DsrError names the problems found, a line each: first those of nodes, pools and marks; when there are none of
    these, those of services.
    """
    problems = Problems()
    marks = MarkRange(DEFAULT_MARK_BASE, DEFAULT_MARK_MASK)
    with problems:
        marks = parse_mark_range(mark_base, mark_mask)
    pools: list[Prefix] = []
    with problems:
        for value in sequence("dsr_vip_pools", vip_pools, "networks"):
            with problems:
                pools.append(parse_prefix("dsr_vip_pools", value))
    known = _parse_nodes(nodes, problems)
    problems.raise_any()

    parsed = _ServiceParser(known, pools, problems).parse(services)
    with problems:
        assigned = assign_marks([service.name for service in parsed], marks)
    problems.raise_any()
    return Cluster(tuple(sorted(parsed, key=lambda service: service.name)), known, assigned)


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
    return Node(
        name,
        tuple(parse_address(f"{item}, addresses", address) for address in addresses),
        tuple(parse_prefix(f"{item}, pod_cidrs", cidr) for cidr in cidrs),
    )


class _ServiceParser:
    """Parses services one by one, and remembers what must be unique or consistent across them."""

    def __init__(self, nodes: Mapping[str, Node], pools: list[Prefix], problems: Problems) -> None:
        self._nodes = nodes
        self._problems = problems
        self._pools = PrefixTable((pool, pool.text) for pool in pools)
        self._pools_text = listing(pool.text for pool in pools)
        self._pod_cidrs = PrefixTable((cidr, node.name) for node in nodes.values() for cidr in node.pod_cidrs)
        self._node_addresses = {address: node.name for node in nodes.values() for address in node.addresses}
        self._names: set[str] = set()
        self._listeners: dict[tuple[Address, str, int], str] = {}
        self._pods: dict[Address, tuple[str, str]] = {}

    def parse(self, services: Any) -> list[Service]:
        parsed: list[Service] = []
        with self._problems:
            for index, value in enumerate(sequence("dsr_services", services, "services")):
                with self._problems:
                    parsed.append(self._service(f"dsr_services[{index}]", value))
        for service in parsed:
            with self._problems:
                self._check_vip_is_no_pod(service)
        return parsed

    def _service(self, item: str, value: Any) -> Service:
        value = mapping(item, value, sorted(_SERVICE_KEYS | _SERVICE_OPTIONS))
        name = value.get("name")
        if isinstance(name, str) and _NAME.fullmatch(name):
            item = f"service {name}"
        check_keys(item, value, _SERVICE_KEYS, _SERVICE_OPTIONS)
        name = self._name(item, name)
        vip = self._vip(item, value["vip"])
        scheduler = self._scheduler(item, value.get("scheduler", "mh"))
        ports = self._ports(item, name, vip, value["ports"])
        backends = self._backends(item, name, vip, value["backends"])
        return Service(name, vip, ports, scheduler, backends)

    def _name(self, item: str, value: Any) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise DsrError(
                item,
                f"name {shown(value)} is not a name",
                "Use a string of letters, digits and '.', '_', ':', '/', '-', at most 253",
            )
        if value in self._names:
            raise DsrError(item, "is defined twice", "Give every service its own name")
        self._names.add(value)
        return value

    def _vip(self, item: str, value: Any) -> Address:
        vip = parse_address(f"{item}, vip", value)
        node = self._node_addresses.get(vip)
        if node is not None:
            raise DsrError(item, f"vip {vip.text} is an address of node {node}", "Use an address that no machine has")
        node = self._pod_cidrs.owner(vip)
        if node is not None:
            raise DsrError(
                item,
                f"vip {vip.text} lies in a pod network of node {node}",
                "Use an address that the cluster's pods cannot get",
            )
        if self._pools.owner(vip) is None:
            raise DsrError(
                item,
                f"vip {vip.text} is outside the pools ({self._pools_text})",
                "Use an address of a pool or add its network to dsr_vip_pools",
            )
        return vip

    def _scheduler(self, item: str, value: Any) -> str:
        if not isinstance(value, str) or value not in SCHEDULERS:
            raise DsrError(item, f"unknown scheduler {shown(value)}", f"Use one of {listing(SCHEDULERS)}")
        return value

    def _ports(self, item: str, name: str, vip: Address, values: Any) -> tuple[Port, ...]:
        values = sequence(f"{item}, ports", values, "mappings with port and protocol")
        if not values:
            raise DsrError(item, "has no ports", "List at least one, such as {port: 80, protocol: tcp}")
        ports: list[Port] = []
        for value in values:
            with self._problems:
                port = _parse_port(item, value)
                self._listen(item, name, vip, port)
                ports.append(port)
        return tuple(sorted(ports, key=lambda port: (port.port, port.protocol)))

    def _listen(self, item: str, name: str, vip: Address, port: Port) -> None:
        listener = (vip, port.protocol, port.port)
        if listener in self._listeners:
            other = self._listeners[listener]
            where = "twice in this service" if other == name else f"also in service {other}"
            raise DsrError(
                item,
                f"{vip.text} port {port.port}/{port.protocol} is {where}",
                "A VIP and port can belong to one service only: change the port or the VIP of one of them",
            )
        self._listeners[listener] = name

    def _backends(self, item: str, name: str, vip: Address, values: Any) -> tuple[Backend, ...]:
        backends: dict[Address, Backend] = {}
        for index, value in enumerate(sequence(f"{item}, backends", values, "mappings with address and node")):
            with self._problems:
                backend = self._backend(f"{item}, backends[{index}]", item, name, vip, value)
                if backend.address in backends:
                    raise DsrError(
                        f"{item}, backend {backend.address.text}",
                        "is listed twice in this service",
                        "Keep one; use weight to give it a bigger share",
                    )
                backends[backend.address] = backend
        return tuple(backends[address] for address in sorted(backends))

    def _backend(self, item: str, service_item: str, name: str, vip: Address, value: Any) -> Backend:
        value = mapping(item, value, sorted(_BACKEND_KEYS | _BACKEND_OPTIONS))
        address = value.get("address")
        if isinstance(address, str) and address.isprintable():
            item = f"{service_item}, backend {address}"
        check_keys(item, value, _BACKEND_KEYS, _BACKEND_OPTIONS)
        pod = parse_address(item, address)
        self._check_pod(item, pod, vip, value["node"])
        node = value["node"]
        at, seen_in = self._pods.setdefault(pod, (node, name))
        if at != node:
            raise DsrError(
                item,
                f"is on node {node} here, but on node {at} in service {seen_in}",
                "A pod runs on one node: correct the wrong one",
            )
        return Backend(pod, at, integer(f"{item}, weight", value.get("weight", 1), 0, 65535))

    def _check_pod(self, item: str, pod: Address, vip: Address, node_name: Any) -> None:
        node = self._nodes.get(node_name) if isinstance(node_name, str) else None
        if node is None:
            raise DsrError(
                item,
                f"is on node {shown(node_name)}, which is not in the cluster",
                "Use the inventory name of one of the cluster's nodes, or add the node to the inventory",
            )
        if pod.version != vip.version:
            raise DsrError(
                item,
                f"is IPv{pod.version}, but the vip {vip.text} is IPv{vip.version}",
                "Use the pod's address of the vip's family, and a second service for the other family",
            )
        owner = self._node_addresses.get(pod)
        if owner is not None:
            raise DsrError(
                item,
                f"is an address of node {owner}: a director delivers to a destination of its own without"
                " encapsulation, so a hostNetwork pod cannot be a backend",
                "Run the pod without hostNetwork and use its pod address",
            )
        if node.pod_cidrs and not any(cidr.holds(pod) for cidr in node.pod_cidrs):
            raise DsrError(
                item,
                f"is outside the pod networks of node {node.name} ({listing(cidr.text for cidr in node.pod_cidrs)})",
                "Correct the address or the node, or add the network to the node's dsr_node.pod_cidrs",
            )

    def _check_vip_is_no_pod(self, service: Service) -> None:
        if service.vip in self._pods:
            _node, name = self._pods[service.vip]
            raise DsrError(
                f"service {service.name}",
                f"vip {service.vip.text} is the address of a backend of service {name}",
                "Use an address that no pod has",
            )


def _parse_port(service_item: str, value: Any) -> Port:
    item = f"{service_item}, ports"
    value = mapping(item, value, ["port", "protocol"])
    check_keys(item, value, _PORT_KEYS, _PORT_OPTIONS)
    port = integer(f"{service_item}, port", value["port"], 1, 65535)
    item = f"{service_item}, port {port}"
    target = value.get("targetPort", port)
    if isinstance(target, bool) or target not in (port, str(port)):
        raise DsrError(
            item,
            f"has targetPort {shown(target)}, but a packet to the vip reaches the pod as the client sent it:"
            " Direct Server Return cannot rewrite ports",
            f"Let the pod listen on port {port}, or make the pod's port the service's port",
        )
    protocol = value.get("protocol", "tcp")
    lowered = protocol.lower() if isinstance(protocol, str) else None
    if lowered == "sctp":
        raise DsrError(
            item,
            "is SCTP, which is not supported: its endpoints tell each other their own addresses, and those of the pod"
            " would lead the client past the vip",
            "Serve TCP or UDP here, and give SCTP clients the pod's own address",
        )
    if lowered not in PROTOCOLS:
        raise DsrError(item, f"unknown protocol {shown(protocol)}", f"Use one of {listing(PROTOCOLS)}")
    return Port(port, str(lowered))
