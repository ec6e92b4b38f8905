# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends of services, and what must be consistent across them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import (
    Problems,
    boolean,
    check_keys,
    integer,
    listing,
    mapping,
    sequence,
    shown,
    unix_time,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model.cluster import Backend, Node

_KEYS: Final = frozenset({"address", "node"})
_STATE_KEYS: Final = frozenset({"ready", "terminating", "drain_until"})
_LIMIT_KEYS: Final = frozenset({"max_connections", "min_connections"})
_OPTIONS: Final = frozenset({"weight"}) | _STATE_KEYS | _LIMIT_KEYS
_MAX_WEIGHT: Final = 65535
_MAX_CONNECTIONS: Final = 2**31 - 1


class BackendParser:
    """Parses the backends of one service after the other, and remembers which pod is where."""

    def __init__(self, nodes: Mapping[str, Node], node_addresses: Mapping[Address, str], problems: Problems) -> None:
        self._nodes = nodes
        self._node_addresses = node_addresses
        self._problems = problems
        self._pods: dict[Address, tuple[str, str]] = {}

    def parse(self, item: str, service: str, vip: Address, values: Any) -> tuple[Backend, ...]:
        """The backends of the service, in numeric address order. item: the service as messages name it."""
        backends: dict[Address, Backend] = {}
        for index, value in enumerate(sequence(f"{item}, backends", values, "mappings with address and node")):
            with self._problems:
                backend = self._backend(f"{item}, backends[{index}]", item, service, vip, value)
                if backend.address in backends:
                    raise DsrError(
                        f"{item}, backend {backend.address.text}",
                        "is listed twice in this service",
                        "Keep one; use weight to give it a bigger share",
                    )
                backends[backend.address] = backend
        return tuple(backends[address] for address in sorted(backends))

    def service_of(self, address: Address) -> str | None:
        """The name of a service that has a backend of this address, among those parsed so far."""
        _node, service = self._pods.get(address, (None, None))
        return service

    def _backend(self, item: str, service_item: str, service: str, vip: Address, value: Any) -> Backend:
        value = mapping(item, value, sorted(_KEYS | _OPTIONS))
        address = value.get("address")
        if isinstance(address, str) and address.isprintable():
            item = f"{service_item}, backend {address}"
        check_keys(item, value, _KEYS, _OPTIONS)
        pod = parse_address(item, address)
        self._check_pod(item, pod, vip, value["node"])
        node = value["node"]
        at, seen_in = self._pods.setdefault(pod, (node, service))
        if at != node:
            raise DsrError(
                item,
                f"is on node {node} here, but on node {at} in service {seen_in}",
                "A pod runs on one node: correct the wrong one",
            )
        weight = integer(f"{item}, weight", value.get("weight", 1), 0, _MAX_WEIGHT)
        draining, drain_until = _state(item, value)
        most, least = _limits(item, value)
        return Backend(pod, at, weight, draining, drain_until, most, least)

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


def _state(item: str, value: Mapping[str, Any]) -> tuple[bool, float | None]:
    """Whether it drains, and until when."""
    if _STATE_KEYS.isdisjoint(value):
        return False, None
    ready = boolean(f"{item}, ready", value.get("ready", True))
    terminating = boolean(f"{item}, terminating", value.get("terminating", False))
    draining = terminating or not ready
    until = value.get("drain_until")
    if until is None:
        return draining, None
    if not draining:
        raise DsrError(
            item,
            "has drain_until, but is ready and not terminating, so it does not drain",
            "Take drain_until away, or set ready to false or terminating to true",
        )
    return draining, unix_time(f"{item}, drain_until", until)


def _limits(item: str, value: Mapping[str, Any]) -> tuple[int, int]:
    """(max_connections, min_connections)."""
    if _LIMIT_KEYS.isdisjoint(value):
        return 0, 0
    most = integer(f"{item}, max_connections", value.get("max_connections", 0), 0, _MAX_CONNECTIONS)
    least = integer(f"{item}, min_connections", value.get("min_connections", 0), 0, _MAX_CONNECTIONS)
    if least > most:
        raise DsrError(
            item,
            f"has min_connections {least}, but max_connections {most or '0 (no limit)'}",
            "A backend that had max_connections gets new ones again below min_connections: let max be the bigger",
        )
    return most, least
