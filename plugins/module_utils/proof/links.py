# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of the way to a VIP and back, in their order, and what to look at when one is broken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Link(Enum):
    """A link; its value is the cure to hint at."""

    EVIDENCE = "Make the host reachable and see why its task failed; without it nothing is proven"
    ANNOUNCERS = (
        "Let a node announce it: bring one back with the playbook undrain, or for policy local give one node a backend"
        " of every service on the VIP"
    )
    ROUTE = (
        "See `birdc -s /run/baremetal-dsr/bird.ctl show protocols` on the nodes and `vtysh -c 'show bgp summary'`"
        " on the router, then run the site playbook"
    )
    WITHDRAWAL = (
        "Nobody else may announce it: run the site playbook, and see on the router who does; all addresses of a node"
        " belong in its dsr_node"
    )
    CLIENT = "See whether the client's own route to the VIP leads to the router"
    ROUTER = "See `ip route get` for the VIP on the router, its neighbour entries for the next hops, and its firewall"
    ADDRESS = "Take the VIPs out of source NAT (masquerading) on the router and on the nodes"
    DIRECTOR = (
        "On that director see `iptables -t mangle -nvL DSR-MARK`, `ipset list`, `ip rule` and `ipvsadm -Ln`, then run"
        " the site playbook"
    )
    STALE = "Run the site playbook: the directors' IPVS tables are not those of the plan"
    NETWORK = "See whether IP protocol 4 (IPv6: 41) may pass between the nodes and into the pod (firewall, CNI, MTU)"
    TUNNEL = (
        "See `ip -d link` in the pod: the device dsr4 (IPv6: dsr6) must be up and have the pod's address as local;"
        " run the site playbook"
    )
    MISSING = "See whether the pod still runs there with that address, and correct the backends"
    POD = (
        "See that the pod holds the VIP (`ip address` in it) and that its application listens there on all addresses;"
        " over UDP it must answer from the address it was asked at"
    )
    FOREIGN = "See the route to the client on the answering pod's node, and whether kube-proxy or NAT takes the VIP"
    RETURN = "See the route to the client on the pod's node, `rp_filter`, and that no rule drops packets as INVALID"


@dataclass(frozen=True)
class Broken:
    """A broken link and what shows it."""

    link: Link
    reason: str
