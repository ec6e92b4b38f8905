# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is allowed but unwise, a few sentences each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._path_mtu import inner_mtu
from ansible_collections.baremetal.dsr.plugins.module_utils.model import LOCAL, Cluster, Service
from ansible_collections.baremetal.dsr.plugins.module_utils.plan_local import announcers
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import FALLBACK_FLAGS

MH_BACKENDS: Final = 40
"""Up to here mh keeps 100 slots of its default 4093 per backend, the Maglev paper's rule for an even share."""
_MIN_MTU_IPV6: Final = 1280


def advice(cluster: Cluster) -> Iterator[str]:
    """Warnings about the cluster, and then about its services in name order."""
    if any(service.vip.version == 6 for service in cluster.services) and inner_mtu(cluster, 6) < _MIN_MTU_IPV6:
        yield (
            f"A dsr_mtu of {cluster.mtu} leaves {inner_mtu(cluster, 6)} bytes for IPv6 packets to pods: with less than"
            f" {_MIN_MTU_IPV6} IPVS sends none. Raise the MTU of the network between the nodes."
        )
    announced = announcers(service for service in cluster.services if service.policy == LOCAL)
    for service in cluster.services:
        yield from _of_hashing(service)
        yield from _of_one_directors_view(service)
        if service.policy == LOCAL and service.accepts and service.vip not in announced:
            yield (
                f"No node announces VIP {service.vip.text} of service {service.name}: it has policy local, and no node"
                " holds a backend that takes connections of every service on that VIP. Give them VIPs of their own."
            )
        if service.backends and not service.accepts:
            yield (
                f"All backends of service {service.name} are draining: VIP {service.vip.text} is withdrawn unless"
                " another service on it has a backend that is not. Nothing leads to the directors then, so open"
                " connections end too, not only new ones. To let them end by themselves, add a backend that is ready,"
                " or let one serve on until the others have drained."
            )


def _of_hashing(service: Service) -> Iterator[str]:
    count = len(service.backends)
    if service.scheduler == "mh" and count > MH_BACKENDS:
        yield (
            f"Service {service.name} has {count} backends: beyond {MH_BACKENDS}, mh's default table of 4093 slots"
            " no longer shares connections evenly, and moves more of them when a backend leaves."
        )
    fallback = FALLBACK_FLAGS.get(service.scheduler)
    if fallback is not None and fallback not in service.scheduler_flags:
        yield (
            f"Service {service.name} does without {fallback}: new connections that hash to a backend that is draining,"
            " has weight 0 or is full are dropped."
        )


def _of_one_directors_view(service: Service) -> Iterator[str]:
    if service.persistence:
        yield (
            f"Service {service.name} has affinity persistent, which each director keeps for itself: when the router"
            " moves a client to another director, the client may change its pod. With affinity hash it does not."
        )
    if any(backend.max_connections for backend in service.backends):
        yield (
            f"Service {service.name} limits the connections of its backends: each director counts its own only, so"
            " directors disagree about which backend is full, and together pass more than the limit."
        )
