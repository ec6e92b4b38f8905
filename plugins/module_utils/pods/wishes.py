# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, checked before anything is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import TUNNELS, Pod


def pods_from(items: Iterable[Mapping[str, object]]) -> tuple[Pod, ...]:
    """Pods from [{"address": str, "vips": [str, ...], "tunnels": [str, ...], "draining": bool}].

    The last two may be absent. DsrError names the entry that cannot be. A pod takes IPIP, listed or not: it is what
    comes out of GUE.
    """
    pods: dict[str, Pod] = {}
    for item in items:
        pod = _pod(item)
        if pod.address in pods:
            raise DsrError(f"pod {pod.address}", "is listed twice", "List each pod address once with all its VIPs")
        pods[pod.address] = pod
    for pod in pods.values():
        for vip in sorted(pod.vips & pods.keys()):
            raise DsrError(f"pod {pod.address}", f"VIP {vip} is a pod's own address", "Choose another VIP")
    return tuple(sorted(pods.values(), key=lambda pod: parse_address("pod", pod.address)))


def _pod(item: Mapping[str, object]) -> Pod:
    address = parse_address("pod", item.get("address"))
    name = f"pod {address.text}"
    vips = item.get("vips")
    if not isinstance(vips, (list, tuple)) or not vips:
        raise DsrError(name, "has no VIPs", "Give it at least one VIP or leave it out of the list")
    parsed = [parse_address(f"{name}: VIP", vip) for vip in vips]
    for vip in parsed:
        if vip.version != address.version:
            raise DsrError(
                name,
                f"VIP {vip.text} is of the other address family",
                "Give the pod's address of that family its own entry",
            )
    tunnels = _tunnels(name, item.get("tunnels"))
    return Pod(
        address.text, address.version, frozenset(vip.text for vip in parsed), tunnels, bool(item.get("draining"))
    )


def _tunnels(name: str, value: object) -> frozenset[str]:
    tunnels = [] if value is None else value
    if not isinstance(tunnels, (list, tuple)) or not set(map(str, tunnels)) <= set(TUNNELS):
        raise DsrError(name, f"cannot take the tunnels {tunnels!r}", f"Choose from {', '.join(TUNNELS)}")
    return frozenset({"ipip", *map(str, tunnels)})


def sources_from(addresses: Sequence[object] | None, pods: Iterable[Pod]) -> frozenset[str] | None:
    """Addresses the guard admits, None for no guard; DsrError if one is no address or a pod's family has none."""
    if addresses is None:
        return None
    parsed = [parse_address("sources", address) for address in addresses]
    versions = {address.version for address in parsed}
    for pod in pods:
        if pod.version not in versions:
            raise DsrError(
                "sources",
                f"has no IPv{pod.version} address, so nothing could reach pod {pod.address}",
                "List the addresses of all nodes, of every family that has pods; or leave sources out for no guard",
            )
    return frozenset(address.text for address in parsed)
