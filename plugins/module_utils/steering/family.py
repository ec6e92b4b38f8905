# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two address families, and how each tool names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """version: 4 or 6. inet: ipset's word. bits: of an address. icmp: iptables' name of the protocol. error_types: ICMP
    types that report an error about a packet sent earlier, from whose quoted header IPVS can tell the connection.
    echo_type: of an echo request."""

    version: int
    inet: str
    bits: int
    icmp: str
    icmp_match: str
    error_types: tuple[int, ...]
    echo_type: int

    @property
    def flag(self) -> str:
        """ip's option for this family alone."""
        return f"-{self.version}"

    @property
    def save(self) -> str:
        return "iptables-save" if self.version == 4 else "ip6tables-save"

    @property
    def restore(self) -> str:
        return "iptables-restore" if self.version == 4 else "ip6tables-restore"

    @property
    def vip_set(self) -> str:
        """ipset of all VIPs; a VIP's skbmark is for packets that show no port."""
        return f"dsr-vip{self.version}"

    @property
    def map_set(self) -> str:
        """ipset of all VIP,protocol:port with their service's mark."""
        return f"dsr-map{self.version}"

    @property
    def limit_set(self) -> str:
        """ipset of all VIP,protocol:port that only some may reach; its counters count who was refused."""
        return f"dsr-limit{self.version}"

    @property
    def allow_set(self) -> str:
        """ipset of VIP,protocol:port,network: who may reach those of limit_set."""
        return f"dsr-allow{self.version}"

    @property
    def error_set(self) -> str:
        """ipset of VIP,code with the mark of the service an ICMP error to a VIP of several is about."""
        return f"dsr-error{self.version}"

    @property
    def pod_set(self) -> str:
        """ipset of this node's backend pods."""
        return f"dsr-pod{self.version}"

    @property
    def node_set(self) -> str:
        """ipset of the addresses that may send tunnel packets to them."""
        return f"dsr-node{self.version}"

    @property
    def set_names(self) -> tuple[str, ...]:
        return (
            self.allow_set,
            self.limit_set,
            self.map_set,
            self.vip_set,
            self.error_set,
            self.node_set,
            self.pod_set,
        )


IPV4: Final = Family(4, "inet", 32, "icmp", "-p icmp -m icmp --icmp-type", (3, 11), 8)
IPV6: Final = Family(6, "inet6", 128, "ipv6-icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type", (1, 2, 3), 128)
FAMILIES: Final = (IPV4, IPV6)
