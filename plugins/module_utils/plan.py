# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: from a cluster to what each of its hosts must hold. Pure: no I/O, same input, same plan, any order.

`plan_cluster` does the work common to all hosts once; `ClusterPlan.for_host` is then a cheap view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils._advice import advice
from ansible_collections.baremetal.dsr.plugins.module_utils._path_mtu import Mss, mss, tunnels
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import LOCAL, Backend, Cluster, Service
from ansible_collections.baremetal.dsr.plugins.module_utils.plan_local import announcers, by_node


class PortPlan(TypedDict):
    port: int
    protocol: str


class BackendPlan(TypedDict):
    address: str
    node: str
    weight: int
    draining: bool


class ServicePlan(TypedDict):
    """A service as given, normalised."""

    name: str
    vip: str
    family: str
    mark: int
    policy: str
    ports: list[PortPlan]
    backends: list[BackendPlan]


class Destination(TypedDict):
    """weight: the backend's share, also while it is draining. drain_until: unix time at which connections still open
    on a draining one are given up; None: never. upper_threshold: connections on this director from which it gets no
    new ones until there are fewer than lower_threshold; 0: no limit."""

    address: str
    weight: int
    draining: bool
    drain_until: float | None
    upper_threshold: int
    lower_threshold: int


class IpvsPlan(TypedDict):
    """An IPVS fwmark service.

    destinations: in the order in which they must stand in the kernel's list, first at the head: numeric address order.
    The kernel inserts at the head, so whoever adds them one by one adds the last first.
    one_packet: schedule every datagram by itself; acts on UDP only.
    persistence: seconds a client stays with its pod on one director; 0: not kept.
    tunnel: ipip, gue or gre.
    """

    mark: int
    family: str
    scheduler: str
    scheduler_flags: list[str]
    one_packet: bool
    persistence: int
    tunnel: str
    destinations: list[Destination]


class SteeringEntry(TypedDict):
    vip: str
    protocol: str
    port: int
    mark: int
    source_ranges: list[str]


class SteeringPlan(TypedDict):
    """vips: all, also those to be refused for want of backends. entries: what gets a service's mark, if it comes from
    one of its source_ranges (none: from anywhere); of a service of policy local only where there is a backend."""

    vips: list[str]
    entries: list[SteeringEntry]


class PodPlan(TypedDict):
    """A backend on this host, the VIPs it must answer for and the tunnels their packets come in by (sorted). draining:
    in every service it backs, so that it may be gone at any moment."""

    address: str
    vips: list[str]
    tunnels: list[str]
    draining: bool


class GuardPlan(TypedDict):
    """Who may send what into tunnels to this host's pods: sources (addresses of all nodes) to pods (their addresses),
    by tunnels (those in use in the cluster, sorted), packets whose inner destination is in pools."""

    sources: list[str]
    pods: list[str]
    pools: list[str]
    tunnels: list[str]


class HostPlan(TypedDict):
    """What one host must hold. Ready for JSON; every list in a fixed order, addresses numerically, IPv4 first.

    services by name, ipvs by mark, pods only those on this host (draining ones too: they keep their connections),
    announce the VIPs with at least one backend that is not draining (of any weight, as one of weight 0 keeps its
    connections), warnings a few sentences each.
    A VIP whose last such backend begins to drain is withdrawn: its open connections end, too, as no packet comes here.
    Of a service of policy local ipvs holds this host's backends only, and announce its VIP only where
    announcers[VIP] names this host. announcers: nodes by VIP of policy local, for VIPs that any node announces; a
    backend of weight 0 lets its node announce only while all of the service have that weight.
    """

    host: str
    services: list[ServicePlan]
    ipvs: list[IpvsPlan]
    steering: SteeringPlan
    pods: list[PodPlan]
    guard: GuardPlan
    mss: Mss
    announce: list[str]
    announcers: Mapping[str, list[str]]
    warnings: list[str]


EntryOrder = tuple[int, str, int]
"""What entries are sorted by: the place of the VIP among all VIPs, protocol, port."""


@dataclass(frozen=True)
class OwnPlan:
    """What one host holds of services of policy local. announce: places of VIPs among all VIPs."""

    ipvs: list[IpvsPlan] = field(default_factory=list)
    entries: list[tuple[EntryOrder, SteeringEntry]] = field(default_factory=list)
    announce: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ClusterPlan:
    """The plan of a whole cluster, its common parts computed once.

    common: what every host holds of the services of policy cluster; own: what hosts hold besides, by host.
    """

    services: list[ServicePlan]
    vips: list[str]
    common: OwnPlan
    own: Mapping[str, OwnPlan]
    ipvs: list[IpvsPlan]
    steering: SteeringPlan
    guards: Mapping[str, GuardPlan]
    mss: Mss
    announce: list[str]
    announcers: Mapping[str, list[str]]
    warnings: list[str]
    pods: Mapping[str, list[PodPlan]]

    def for_host(self, name: str) -> HostPlan:
        """This host's plan. It shares lists with those of the other hosts, all but `pods` where the host holds nothing
        of a service of policy local: do not change them. DsrError if the cluster has no such node."""
        if name not in self.pods:
            raise DsrError(
                f"host {name}",
                "is not a node of the cluster",
                "Plan for a node only, or add the host to the nodes",
            )
        made: HostPlan = {
            "host": name,
            "services": self.services,
            "ipvs": self.ipvs,
            "steering": self.steering,
            "pods": self.pods[name],
            "guard": self.guards[name],
            "mss": self.mss,
            "announce": self.announce,
            "announcers": self.announcers,
            "warnings": self.warnings,
        }
        own = self.own.get(name)
        if own is not None:
            made["ipvs"] = sorted([*self.ipvs, *own.ipvs], key=itemgetter("mark"))
            entries = sorted([*self.common.entries, *own.entries], key=itemgetter(0))
            made["steering"] = {"vips": self.vips, "entries": [entry for _order, entry in entries]}
            made["announce"] = [self.vips[place] for place in sorted([*self.common.announce, *own.announce])]
        return made


def plan_cluster(cluster: Cluster) -> ClusterPlan:
    """The plan of every host of the cluster."""
    marks = cluster.marks
    by_mark = sorted(cluster.services, key=lambda service: marks[service.name])
    served = [service for service in by_mark if service.backends]
    everywhere = [service for service in served if service.policy != LOCAL]
    local = [service for service in served if service.policy == LOCAL]
    vips = sorted({service.vip for service in cluster.services})
    places = {vip: place for place, vip in enumerate(vips)}
    texts = [vip.text for vip in vips]
    common = OwnPlan(
        ipvs=[_ipvs(service, marks[service.name], service.backends) for service in everywhere],
        entries=sorted(
            (pair for service in everywhere for pair in _entries(service, marks[service.name], places)),
            key=itemgetter(0),
        ),
        announce=sorted({places[service.vip] for service in everywhere if service.accepts}),
    )
    at = announcers(local)
    pods = _pods(cluster)
    return ClusterPlan(
        services=[_service(service, marks[service.name]) for service in cluster.services],
        vips=texts,
        common=common,
        own=_own(local, marks, places, at),
        ipvs=common.ipvs,
        steering={"vips": texts, "entries": [entry for _order, entry in common.entries]},
        guards=_guards(cluster, pods),
        mss=mss(cluster),
        announce=[texts[place] for place in common.announce],
        announcers={vip.text: at[vip] for vip in sorted(at)},
        warnings=list(advice(cluster)),
        pods=pods,
    )


def _own(
    services: Iterable[Service],
    marks: Mapping[str, int],
    places: Mapping[Address, int],
    at: Mapping[Address, Iterable[str]],
) -> dict[str, OwnPlan]:
    """What hosts hold of these services of policy local. at: who announces their VIPs."""
    own: dict[str, OwnPlan] = {}
    for service in services:
        mark = marks[service.name]
        entries = _entries(service, mark, places)
        for node, backends in by_node(service).items():
            mine = own.setdefault(node, OwnPlan())
            mine.ipvs.append(_ipvs(service, mark, backends))
            mine.entries.extend(entries)
    for vip, nodes in at.items():
        for node in nodes:
            own[node].announce.append(places[vip])
    return own


def _service(service: Service, mark: int) -> ServicePlan:
    return {
        "name": service.name,
        "vip": service.vip.text,
        "family": service.vip.family,
        "mark": mark,
        "policy": service.policy,
        "ports": [{"port": port.port, "protocol": port.protocol} for port in service.ports],
        "backends": [
            {
                "address": backend.address.text,
                "node": backend.node,
                "weight": backend.weight,
                "draining": backend.draining,
            }
            for backend in service.backends
        ],
    }


def _ipvs(service: Service, mark: int, backends: Iterable[Backend]) -> IpvsPlan:
    return {
        "mark": mark,
        "family": service.vip.family,
        "scheduler": service.scheduler,
        "scheduler_flags": list(service.scheduler_flags),
        "one_packet": any(port.protocol == "udp" for port in service.ports),
        "persistence": service.persistence,
        "tunnel": service.tunnel,
        "destinations": [_destination(backend) for backend in backends],
    }


def _destination(backend: Backend) -> Destination:
    return {
        "address": backend.address.text,
        "weight": backend.weight,
        "draining": backend.draining,
        "drain_until": backend.drain_until,
        "upper_threshold": backend.max_connections,
        "lower_threshold": backend.min_connections,
    }


def _entries(service: Service, mark: int, places: Mapping[Address, int]) -> list[tuple[EntryOrder, SteeringEntry]]:
    source_ranges = [network.text for network in service.source_ranges]
    return [
        (
            (places[service.vip], port.protocol, port.port),
            {
                "vip": service.vip.text,
                "protocol": port.protocol,
                "port": port.port,
                "mark": mark,
                "source_ranges": source_ranges,
            },
        )
        for port in service.ports
    ]


def _pods(cluster: Cluster) -> dict[str, list[PodPlan]]:
    held: dict[str, set[tuple[Address, Address, str, bool]]] = {name: set() for name in cluster.nodes}
    for service in cluster.services:
        for backend in service.backends:
            held[backend.node].add((backend.address, service.vip, service.tunnel, backend.draining))
    return {node: _node_pods(uses) for node, uses in held.items()}


def _node_pods(uses: Iterable[tuple[Address, Address, str, bool]]) -> list[PodPlan]:
    """uses: (pod, VIP, tunnel, whether it drains there)."""
    by_pod = [(pod, list(group)) for pod, group in groupby(sorted(uses), key=itemgetter(0))]
    return [
        {
            "address": pod.text,
            "vips": list(dict.fromkeys(vip.text for _pod, vip, _tunnel, _draining in group)),
            "tunnels": sorted({tunnel for _pod, _vip, tunnel, _draining in group}),
            "draining": all(draining for _pod, _vip, _tunnel, draining in group),
        }
        for pod, group in by_pod
    ]


def _guards(cluster: Cluster, pods: Mapping[str, list[PodPlan]]) -> dict[str, GuardPlan]:
    addresses = {address for node in cluster.nodes.values() for address in (*node.addresses, *node.tunnel_addresses)}
    sources = [address.text for address in sorted(addresses)]
    pools = [pool.text for pool in cluster.pools]
    used = tunnels(cluster)
    return {
        name: {"sources": sources, "pods": [pod["address"] for pod in held], "pools": pools, "tunnels": used}
        for name, held in pods.items()
    }
