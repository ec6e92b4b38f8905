# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a BGP daemon says of itself, in one shape for BIRD and FRR.

Times are seconds unless a name ends in _ms. None means that the daemon does not tell.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

ESTABLISHED = "established"
DISABLED = "disabled"
"""An operator shut the session down; BIRD calls it Down, FRR an administrative shutdown."""

_WHOLE = {4: "/32", 6: "/128"}


@dataclass(frozen=True)
class Bfd:
    """A BFD session.

    state: up | down | init | admin_down | unknown; unknown: the BGP session wants BFD, but no BFD daemon runs.
    interval_ms: between two packets that this daemon sends.
    multiplier: so many of them may be lost before the neighbor calls the path down.
    detect_time_ms: so long after the neighbor's last packet this daemon calls the path down; None while it is not up.
    """

    neighbor: str
    state: str
    interval_ms: int | None = None
    multiplier: int | None = None
    detect_time_ms: int | None = None


@dataclass(frozen=True)
class Session:
    """A BGP session.

    name: BIRD's protocol, or FRR's name of the neighbor, which is its address or interface.
    families: ipv4, ipv6, or what else the daemon calls them.
    state: established | idle | connect | active | opensent | openconfirm | disabled | ...
    uptime, hold_time: None while the session is not established. hold_time is what both ends agreed on.
    prefixes_received: those that passed the import policy.
    graceful_restart: {"local", "neighbor"}: whose restart the other end would bridge; None while not established.
    password, ttl_security: whether there is one.
    """

    name: str
    neighbor: str
    description: str | None = None
    families: tuple[str, ...] = ()
    local_asn: int | None = None
    remote_asn: int | None = None
    state: str = ""
    uptime: int | None = None
    hold_time: int | None = None
    bfd: Bfd | None = None
    prefixes_received: int = 0
    prefixes_sent: int = 0
    password: bool | None = None
    ttl_security: bool | None = None
    graceful_restart: dict[str, bool] | None = None
    last_error: str | None = None

    def result(self) -> dict[str, Any]:
        told = asdict(self)
        told["families"] = list(self.families)
        if self.bfd:
            del told["bfd"]["neighbor"]
        return told


@dataclass(frozen=True)
class Export:
    """A host route as the neighbor gets it; communities are "65535:0", large ones "64513:1:2"."""

    vip: str
    communities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that one daemon told. exports: by neighbor."""

    provider: str
    version: str | None
    sessions: list[Session] = field(default_factory=list)
    bfd: list[Bfd] = field(default_factory=list)
    exports: dict[str, list[Export]] = field(default_factory=dict)

    def result(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "version": self.version,
            "sessions": [each.result() for each in sorted(self.sessions, key=lambda each: each.name)],
            "bfd": [asdict(each) for each in sorted(self.bfd, key=lambda each: each.neighbor)],
            "announced": _announced(self.exports),
        }


def with_bfd(sessions: Iterable[Session], table: Iterable[Bfd]) -> list[Session]:
    """The sessions, each with the BFD session to its neighbor, if there is one."""
    by_neighbor = {each.neighbor: each for each in table}
    return [replace(each, bfd=by_neighbor.get(each.neighbor, each.bfd)) for each in sessions]


def host_address(prefix: str) -> str | None:
    """Canonical address of a host route ("203.0.113.1/32"); None for every other text."""
    try:
        network = ipaddress.ip_network(prefix)
    except ValueError:
        return None
    whole = prefix.endswith(_WHOLE[network.version]) and network.num_addresses == 1
    return str(network.network_address) if whole else None


def neighbor_name(address: str, interface: str) -> str:
    """Address of a neighbor; a link-local one means nothing without its interface."""
    if interface and "%" not in address and address.lower().startswith("fe80:"):
        return f"{address}%{interface}"
    return address


def ordered_communities(communities: Iterable[str]) -> tuple[str, ...]:
    """Each once, the large ones last, otherwise by number."""
    return tuple(sorted(set(communities), key=_community_order))


def _community_order(text: str) -> tuple[int, list[int], str]:
    parts = text.split(":")
    numbers = [int(part) if part.isascii() and part.isdecimal() and len(part) <= 10 else -1 for part in parts]
    return len(parts), numbers, text


def _announced(exports: dict[str, list[Export]]) -> list[dict[str, Any]]:
    """A line per VIP and set of communities, with the neighbors that hear it so."""
    heard: dict[Export, list[str]] = {}
    for neighbor in sorted(exports):
        for export in dict.fromkeys(exports[neighbor]):
            heard.setdefault(export, []).append(neighbor)
    ordered = sorted(heard, key=lambda each: (":" in each.vip, int(ipaddress.ip_address(each.vip)), each.communities))
    return [{"vip": each.vip, "communities": list(each.communities), "neighbors": heard[each]} for each in ordered]
