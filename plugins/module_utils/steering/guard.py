# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard in front of this node's backend pods: tunnel packets only from nodes, and only for VIPs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import IPV4, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.u32 import TUNNEL_MATCHES, tunnelled_to
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import Guard

_OURS: Final = f'-m comment --comment "{iptables.COMMENT}"'


def guards(guard: Guard | None, family: Family) -> bool:
    """Whether there is a pod of this family to guard."""
    return guard is not None and any(_of(guard.pods, family))


def sets(guard: Guard, family: Family) -> dict[str, ipset.IpSet]:
    return {
        family.node_set: ipset.plain(family.node_set, "hash:ip", family, _of(guard.sources, family)),
        family.pod_set: ipset.plain(family.pod_set, "hash:ip", family, _of(guard.pods, family)),
    }


def jumps(guard: Guard, family: Family) -> list[tuple[str, str]]:
    """Only tunnel packets enter the chain. Those that this node itself sends to its pods pass OUTPUT, not here."""
    return [
        ("PREROUTING", f"{TUNNEL_MATCHES[tunnel, family.version]} {_OURS} -j {iptables.GUARD}")
        for tunnel in guard.tunnels
    ]


def rules(guard: Guard, family: Family) -> tuple[str, ...]:
    """A rule, and so a counter, for each tunnel and each reason of a refusal.

    IPv4 fragments after the first show no inner header; without their first one, which does, they come to nothing. IPv6
    ones are put together before raw PREROUTING wherever IPVS serves IPv6; IPVS sends none.
    """
    entrance = [f"-m set ! --match-set {family.pod_set} dst {_OURS} -j RETURN"]
    strangers = [
        f"{TUNNEL_MATCHES[tunnel, family.version]} -m set ! --match-set {family.node_set} src {_OURS} -j DROP"
        for tunnel in guard.tunnels
    ]
    later = [f"-f {_OURS} -j RETURN"] if family is IPV4 else []
    return (
        *entrance,
        *strangers,
        *later,
        *(rule for tunnel in guard.tunnels for rule in _to_vips(guard, family, tunnel)),
    )


def _to_vips(guard: Guard, family: Family, tunnel: str) -> Iterable[str]:
    match = TUNNEL_MATCHES[tunnel, family.version]
    for pool in guard.pools:
        if pool.version == family.version:
            yield f"{match} {tunnelled_to(tunnel, pool)} {_OURS} -j RETURN"
    yield f"{match} {_OURS} -j DROP"


def _of(addresses: Iterable[Address], family: Family) -> list[str]:
    return [address.text for address in addresses if address.version == family.version]
