# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: from a cluster to what each of its hosts must hold. Pure: no I/O, same input, same plan, any order.

`plan_cluster` does the work common to all hosts once; `ClusterPlan.for_host` is then a cheap view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Cluster, Service
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULER_FLAGS

MH_BACKENDS: Final = 40
"""Up to here mh keeps 100 slots of its default 4093 per backend, the Maglev paper's rule for an even share."""


class PortPlan(TypedDict):
    port: int
    protocol: str


class BackendPlan(TypedDict):
    address: str
    node: str
    weight: int


class ServicePlan(TypedDict):
    """A service as given, normalised."""

    name: str
    vip: str
    family: str
    mark: int
    ports: list[PortPlan]
    backends: list[BackendPlan]


class Destination(TypedDict):
    address: str
    weight: int


class IpvsPlan(TypedDict):
    """An IPVS fwmark service.

    destinations: in the order in which they must stand in the kernel's list, first at the head: numeric address order.
    The kernel inserts at the head, so whoever adds them one by one adds the last first.
    one_packet: schedule every datagram by itself; acts on UDP only.
    """

    mark: int
    family: str
    scheduler: str
    scheduler_flags: list[str]
    one_packet: bool
    destinations: list[Destination]


class SteeringEntry(TypedDict):
    vip: str
    protocol: str
    port: int
    mark: int


class SteeringPlan(TypedDict):
    """vips: all, also those to be refused for want of backends. entries: what gets a service's mark."""

    vips: list[str]
    entries: list[SteeringEntry]


class PodPlan(TypedDict):
    """A backend on this host and the VIPs it must answer for."""

    address: str
    vips: list[str]


class HostPlan(TypedDict):
    """What one host must hold. Ready for JSON; every list in a fixed order, addresses numerically, IPv4 first.

    services by name, ipvs by mark, pods only those on this host, announce the VIPs with at least one backend (of any
    weight: draining a service to 0 must not withdraw it under its open connections), warnings a sentence each.
    """

    host: str
    services: list[ServicePlan]
    ipvs: list[IpvsPlan]
    steering: SteeringPlan
    pods: list[PodPlan]
    announce: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class ClusterPlan:
    """The plan of a whole cluster, its common parts computed once."""

    services: list[ServicePlan]
    ipvs: list[IpvsPlan]
    steering: SteeringPlan
    announce: list[str]
    warnings: list[str]
    pods: Mapping[str, list[PodPlan]]

    def for_host(self, name: str) -> HostPlan:
        """This host's plan. It shares its lists with those of the other hosts: do not change them. DsrError if the
        cluster has no such node."""
        if name not in self.pods:
            raise DsrError(
                f"host {name}",
                "is not a node of the cluster",
                "Plan for a node only, or add the host to the nodes",
            )
        return {
            "host": name,
            "services": self.services,
            "ipvs": self.ipvs,
            "steering": self.steering,
            "pods": self.pods[name],
            "announce": self.announce,
            "warnings": self.warnings,
        }


def plan_cluster(cluster: Cluster) -> ClusterPlan:
    """The plan of every host of the cluster."""
    marks = cluster.marks
    by_mark = sorted(cluster.services, key=lambda service: marks[service.name])
    served = [service for service in by_mark if service.backends]
    return ClusterPlan(
        services=[_service(service, marks[service.name]) for service in cluster.services],
        ipvs=[_ipvs(service, marks[service.name]) for service in served],
        steering={
            "vips": _vips(cluster.services),
            "entries": _entries(served, marks),
        },
        announce=_vips(served),
        warnings=[warning for service in cluster.services for warning in _warnings(service)],
        pods=_pods(cluster),
    )


def _service(service: Service, mark: int) -> ServicePlan:
    return {
        "name": service.name,
        "vip": service.vip.text,
        "family": service.vip.family,
        "mark": mark,
        "ports": [{"port": port.port, "protocol": port.protocol} for port in service.ports],
        "backends": [
            {"address": backend.address.text, "node": backend.node, "weight": backend.weight}
            for backend in service.backends
        ],
    }


def _ipvs(service: Service, mark: int) -> IpvsPlan:
    return {
        "mark": mark,
        "family": service.vip.family,
        "scheduler": service.scheduler,
        "scheduler_flags": list(SCHEDULER_FLAGS.get(service.scheduler, ())),
        "one_packet": any(port.protocol == "udp" for port in service.ports),
        "destinations": [{"address": backend.address.text, "weight": backend.weight} for backend in service.backends],
    }


def _vips(services: Iterable[Service]) -> list[str]:
    return [vip.text for vip in sorted({service.vip for service in services})]


def _entries(services: Iterable[Service], marks: Mapping[str, int]) -> list[SteeringEntry]:
    ordered = sorted(
        (service.vip, port.protocol, port.port, marks[service.name]) for service in services for port in service.ports
    )
    return [
        {"vip": vip.text, "protocol": protocol, "port": port, "mark": mark} for vip, protocol, port, mark in ordered
    ]


def _pods(cluster: Cluster) -> dict[str, list[PodPlan]]:
    held: dict[str, set[tuple[Address, Address]]] = {name: set() for name in cluster.nodes}
    for service in cluster.services:
        for backend in service.backends:
            held[backend.node].add((backend.address, service.vip))
    return {node: _node_pods(pairs) for node, pairs in held.items()}


def _node_pods(pairs: Iterable[tuple[Address, Address]]) -> list[PodPlan]:
    by_pod = groupby(sorted(pairs), key=itemgetter(0))
    return [{"address": pod.text, "vips": [vip.text for _pod, vip in group]} for pod, group in by_pod]


def _warnings(service: Service) -> Iterable[str]:
    count = len(service.backends)
    if service.scheduler == "mh" and count > MH_BACKENDS:
        yield (
            f"Service {service.name} has {count} backends: beyond {MH_BACKENDS}, mh's default table of 4093 slots"
            " no longer shares connections evenly, and moves more of them when a backend leaves."
        )
