# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the input, and what must be unique or consistent across them."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    listing,
    mapping,
    sequence,
    shown,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model.backends import BackendParser
from ansible_collections.baremetal.dsr.plugins.module_utils.model.cluster import (
    POLICIES,
    TUNNELS,
    Node,
    Port,
    Service,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.model.ports import parse_port
from ansible_collections.baremetal.dsr.plugins.module_utils.model.scheduling import (
    SCHEDULING_KEYS,
    parse_scheduling,
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}")
_KEYS: Final = frozenset({"name", "vip", "ports", "backends"})
_OPTIONS: Final = frozenset({"tunnel", "source_ranges", "policy"}) | SCHEDULING_KEYS


class ServiceParser:
    """Parses services one by one, and remembers what must be unique or consistent across them."""

    def __init__(self, nodes: Mapping[str, Node], pools: list[Prefix], tunnel: str, problems: Problems) -> None:
        self._problems = problems
        self._tunnel = tunnel
        self._pools = PrefixTable((pool, pool.text) for pool in pools)
        self._pools_text = listing(pool.text for pool in pools)
        self._pod_cidrs = PrefixTable((cidr, node.name) for node in nodes.values() for cidr in node.pod_cidrs)
        self._node_addresses = {
            address: node.name for node in nodes.values() for address in (*node.addresses, *node.tunnel_addresses)
        }
        self._backends = BackendParser(nodes, self._node_addresses, problems)
        self._names: set[str] = set()
        self._listeners: dict[tuple[Address, str, int], str] = {}
        self._policies: dict[Address, tuple[str, str]] = {}

    def parse(self, services: Any) -> list[Service]:
        """The services, in the order given. Problems go to those the parser was made with."""
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
        value = mapping(item, value, sorted(_KEYS | _OPTIONS))
        name = value.get("name")
        if isinstance(name, str) and _NAME.fullmatch(name):
            item = f"service {name}"
        check_keys(item, value, _KEYS, _OPTIONS)
        name = self._name(item, name)
        vip = self._vip(item, value["vip"])
        scheduling = parse_scheduling(item, value)
        return Service(
            name=name,
            vip=vip,
            ports=self._ports(item, name, vip, value["ports"]),
            scheduler=scheduling.scheduler,
            scheduler_flags=scheduling.flags,
            persistence=scheduling.persistence,
            tunnel=parse_tunnel(item, value["tunnel"]) if "tunnel" in value else self._tunnel,
            source_ranges=self._source_ranges(item, vip, value.get("source_ranges", ())),
            policy=self._policy(item, name, vip, value.get("policy", POLICIES[0])),
            backends=self._backends.parse(item, name, vip, value["backends"]),
        )

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

    def _ports(self, item: str, name: str, vip: Address, values: Any) -> tuple[Port, ...]:
        values = sequence(f"{item}, ports", values, "mappings with port and protocol")
        if not values:
            raise DsrError(item, "has no ports", "List at least one, such as {port: 80, protocol: tcp}")
        ports: list[Port] = []
        for value in values:
            with self._problems:
                port = parse_port(item, value)
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

    def _source_ranges(self, item: str, vip: Address, values: Any) -> tuple[Prefix, ...]:
        item = f"{item}, source_ranges"
        ranges: set[Prefix] = set()
        for value in sequence(item, values, "networks"):
            with self._problems:
                network = parse_prefix(item, value)
                if network.version != vip.version:
                    raise DsrError(
                        item,
                        f"{network.text} is IPv{network.version}, but the vip {vip.text} is IPv{vip.version}:"
                        " none of its clients has such an address",
                        "List networks of the vip's family only",
                    )
                ranges.add(network)
        if any(network.length == 0 for network in ranges):
            return ()
        return tuple(sorted(ranges, key=Prefix.order))

    def _policy(self, item: str, name: str, vip: Address, value: Any) -> str:
        """A VIP is announced whole, so all services on it must want it announced by the same nodes."""
        if not isinstance(value, str) or value not in POLICIES:
            raise DsrError(item, f"unknown policy {shown(value)}", f"Use one of {listing(POLICIES)}")
        other, policy = self._policies.setdefault(vip, (name, value))
        if policy != value:
            raise DsrError(
                item,
                f"has policy {value}, but service {other} on the same vip {vip.text} has policy {policy}:"
                " a VIP is announced for all its services together",
                "Give both the same policy, or one of them another vip",
            )
        return value

    def _check_vip_is_no_pod(self, service: Service) -> None:
        name = self._backends.service_of(service.vip)
        if name is not None:
            raise DsrError(
                f"service {service.name}",
                f"vip {service.vip.text} is the address of a backend of service {name}",
                "Use an address that no pod has",
            )


def parse_tunnel(item: str, value: Any) -> str:
    """The tunnel's name; DsrError if there is none of it."""
    if not isinstance(value, str) or value not in TUNNELS:
        raise DsrError(item, f"unknown tunnel {shown(value)}", f"Use one of {listing(TUNNELS)}")
    return value
