# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fits into a packet on its way from a director to a pod."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, TypedDict

from ansible_collections.baremetal.dsr.plugins.module_utils.model import Cluster

_TUNNEL_BYTES: Final = {
    4: {"ipip": 20, "gre": 24, "gue": 32},
    6: {"ipip": 40, "gre": 44, "gue": 52},
}
"""By IP version and tunnel, what the tunnel adds: IP header; and for gre 4 bytes; for gue UDP 8 and GUE 4."""
_HEADER_BYTES: Final = {4: 40, 6: 60}
"""By IP version, the IP and TCP headers without options."""


class Mss(TypedDict):
    """The biggest TCP segment, in bytes, that reaches the pod unfragmented, whatever the service."""

    ipv4: int
    ipv6: int


def mss(cluster: Cluster) -> Mss:
    return {"ipv4": inner_mtu(cluster, 4) - _HEADER_BYTES[4], "ipv6": inner_mtu(cluster, 6) - _HEADER_BYTES[6]}


def inner_mtu(cluster: Cluster, version: int) -> int:
    """The biggest packet, in bytes, that fits into every tunnel used for this IP version (none: the default one)."""
    used = tunnels(cluster, [version]) or [cluster.tunnel]
    return cluster.mtu - cluster.overlay_overhead - max(_TUNNEL_BYTES[version][tunnel] for tunnel in used)


def tunnels(cluster: Cluster, versions: Container[int] = (4, 6)) -> list[str]:
    """The tunnels of the services of these IP versions, sorted. Services that have no backend now count too."""
    return sorted({service.tunnel for service in cluster.services if service.vip.version in versions})
