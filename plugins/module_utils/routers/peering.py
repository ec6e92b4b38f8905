# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One router's side of the peering with a cluster's nodes: what every dialect says. Vendor-neutral.

Every name that is made here belongs to the cluster, so that clusters which share a router do not touch each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PASSWORD_PLACEHOLDER: Final = "REPLACE-WITH-THE-BGP-PASSWORD"
"""Stands where the secret goes. A router that gets it as it is refuses every node, and lets nobody in."""

PER_FAMILY: Final = "per_family"
ONE: Final = "one"
SESSIONS: Final = (PER_FAMILY, ONE)
"""How many sessions a node and a router have: one for each address family, or one that carries both."""

MAX_DYNAMIC_NEIGHBORS: Final = 1000
"""Sessions a router accepts from the listen ranges. The daemons' own default of 100 is 50 dual-stack nodes."""

_BITS: Final = {4: 32, 6: 128}


@dataclass(frozen=True)
class Neighbor:
    """A node's session: its name and the address it connects from."""

    name: str
    address: str


@dataclass(frozen=True)
class Pool:
    """A network VIPs come from; single: it is one host address, so nothing in it is longer."""

    text: str
    single: bool


@dataclass(frozen=True)
class Family:
    """What is accepted of one address family, over whatever session it comes."""

    version: int
    cluster: str
    pools: tuple[Pool, ...]

    @property
    def bits(self) -> int:
        return _BITS[self.version]

    @property
    def vips(self) -> str:
        """Name of the prefix list."""
        return f"{self.cluster}-vip{self.version}"

    @property
    def inbound(self) -> str:
        """Name of the policy for what comes from the nodes."""
        return f"{self.cluster}-in{self.version}"


@dataclass(frozen=True)
class Group:
    """The sessions between addresses of one family. families: those whose routes they carry.

    ranges: where neighbors are accepted from instead of by name; else empty.
    """

    version: int
    cluster: str
    families: tuple[Family, ...]
    neighbors: tuple[Neighbor, ...]
    ranges: tuple[str, ...]

    @property
    def bits(self) -> int:
        return _BITS[self.version]

    @property
    def nodes(self) -> str:
        """Name of the peer group."""
        return f"{self.cluster}-nodes{self.version}"

    def carried(self, version: int) -> Family | None:
        """The family of this version, if the sessions carry its routes."""
        return next((family for family in self.families if family.version == version), None)


@dataclass(frozen=True)
class Bfd:
    """interval: milliseconds, both directions."""

    interval: int
    multiplier: int


@dataclass(frozen=True)
class Peering:
    """All that a dialect must say. password: empty for none. interface: the one towards the nodes; empty if not told.

    max_prefixes: routes of one family a node may announce. max_paths: next hops of one route.
    passive: wait for the nodes; else connect to them, every `connect` seconds (0: as the router does by itself).
    router_id: empty leaves it to the router. graceful_restart: keep the routes of a node whose speaker restarts.
    """

    router: str
    interface: str
    cluster: str
    asn: int
    node_asn: int
    families: tuple[Family, ...]
    groups: tuple[Group, ...]
    keepalive: int
    hold: int
    password: str
    ttl_security: bool
    bfd: Bfd | None
    max_prefixes: int
    max_paths: int
    passive: bool = True
    connect: int = 0
    router_id: str = ""
    graceful_restart: bool = False

    @property
    def internal(self) -> bool:
        """iBGP: both ends in one AS."""
        return self.asn == self.node_asn

    @property
    def outbound(self) -> str:
        """Name of the policy that lets nothing out to the nodes."""
        return f"{self.cluster}-out"

    @property
    def drain(self) -> str:
        """Name of the community list of RFC 8326."""
        return f"{self.cluster}-drain"

    @property
    def description(self) -> str:
        return f"nodes of cluster {self.cluster}"
