# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of policy local: which nodes serve them, and which of these announce their VIPs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Backend, Service


def by_node(service: Service) -> dict[str, list[Backend]]:
    """Its backends by the node they run on, each list in the canonical order."""
    held: dict[str, list[Backend]] = {}
    for backend in service.backends:
        held.setdefault(backend.node, []).append(backend)
    return held


def announcers(services: Iterable[Service]) -> dict[Address, list[str]]:
    """The nodes that announce each VIP of these services of policy local, sorted; a VIP that no node may is left out.

    A node must hold a backend that takes new connections of every service on the VIP that has such a backend anywhere:
    the router sends it packets for all of them, and it would refuse those of a service it has no backend for.
    """
    able: dict[Address, set[str]] = {}
    for service in services:
        if service.accepts:
            nodes = _able(service)
            able[service.vip] = able.get(service.vip, nodes) & nodes
    return {vip: sorted(nodes) for vip, nodes in able.items() if nodes}


def _able(service: Service) -> set[str]:
    """Nodes with a backend that takes new connections. If none does for its weight of 0, those with such a backend:
    nobody could do better, and the connections that these have go on."""
    ready = [backend for backend in service.backends if not backend.draining]
    return {backend.node for backend in ready if backend.weight} or {backend.node for backend in ready}
