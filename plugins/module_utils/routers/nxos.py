# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco NX-OS on Nexus 3000 and 9000. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import (
    MAX_DYNAMIC_NEIGHBORS,
    Bfd,
    Family,
    Group,
    Peering,
)

_IP = {4: "ip", 6: "ipv6"}
_BFD_INTERVALS = (50, 999)
_MAX_PATHS = 64


def lines(peering: Peering) -> Iterator[str]:
    _check(peering)
    yield "feature bgp"
    if peering.bfd:
        yield "feature bfd"
    yield from ("!", "ip load-sharing address source-destination port source-destination", "!")
    for family in peering.families:
        yield from _prefix_list(family)
    yield f"ip community-list standard {peering.drain} permit 65535:0"
    yield "!"
    for family in peering.families:
        yield from _inbound(peering, family)
    yield from (f"route-map {peering.outbound} deny 10", "!")
    if peering.bfd and peering.interface:
        yield from _interface(peering, peering.bfd)
    yield f"router bgp {peering.asn}"
    if not peering.internal:
        yield "  bestpath as-path multipath-relax"
    for family in peering.families:
        yield f"  address-family ipv{family.version} unicast"
        yield f"    maximum-paths {'ibgp ' if peering.internal else ''}{peering.max_paths}"
    for group in peering.groups:
        yield from _template(peering, group)
        yield from _neighbors(group)


def notes(peering: Peering) -> Iterator[str]:
    yield "`feature` and `ip load-sharing` are for the whole switch: compare with `show ip load-sharing` first."
    if peering.bfd and not peering.interface:
        bfd = peering.bfd
        yield "The times of BFD belong to the interface towards the nodes, which dsr_router.interface did not name:"
        yield f"  bfd interval {bfd.interval} min_rx {bfd.interval} multiplier {bfd.multiplier}"
        yield "  no bfd echo"
        yield "  no ip redirects"
        yield "  no ipv6 redirects"


def _check(peering: Peering) -> None:
    low, high = _BFD_INTERVALS
    if peering.bfd and not low <= peering.bfd.interval <= high:
        raise DsrError(
            f"router {peering.router}",
            f"dsr_bfd_interval is {peering.bfd.interval}, which NX-OS does not take",
            f"Use {low} to {high} ms",
        )
    if peering.max_paths > _MAX_PATHS:
        raise DsrError(
            f"router {peering.router}",
            f"dsr_max_paths is {peering.max_paths}, more than NX-OS takes",
            f"Use at most {_MAX_PATHS}",
        )


def _prefix_list(family: Family) -> Iterator[str]:
    for number, pool in enumerate(family.pools, start=1):
        length = "" if pool.single else f" eq {family.bits}"
        yield f"{_IP[family.version]} prefix-list {family.vips} seq {5 * number} permit {pool.text}{length}"


def _inbound(peering: Peering, family: Family) -> Iterator[str]:
    match = f"  match {_IP[family.version]} address prefix-list {family.vips}"
    yield f"route-map {family.inbound} permit 5"
    yield from (match, f"  match community {peering.drain}", "  set local-preference 0", "!")
    yield f"route-map {family.inbound} permit 10"
    yield from (match, "!")


def _interface(peering: Peering, bfd: Bfd) -> Iterator[str]:
    """BIRD and FRR have no BFD echo, and NX-OS wants no redirects where BFD runs."""
    yield f"interface {peering.interface}"
    yield from ("  no ip redirects", "  no ipv6 redirects", "  no bfd echo")
    yield f"  bfd interval {bfd.interval} min_rx {bfd.interval} multiplier {bfd.multiplier}"
    yield "!"


def _template(peering: Peering, group: Group) -> Iterator[str]:
    yield f"  template peer {group.nodes}"
    yield f"    remote-as {peering.node_asn}"
    yield f"    description {peering.description}"
    if peering.bfd:
        yield "    bfd"
    if peering.password:
        yield f"    password 0 {peering.password}"
    if peering.ttl_security:
        yield "    ttl-security hops 1"
    yield f"    timers {peering.keepalive} {peering.hold}"
    if group.neighbors:  # a prefix peer waits anyway
        yield "    transport connection-mode passive"
    for family in group.families:
        yield f"    address-family ipv{family.version} unicast"
        yield f"      route-map {family.inbound} in"
        yield f"      route-map {peering.outbound} out"
        yield f"      maximum-prefix {peering.max_prefixes} restart 1"


def _neighbors(group: Group) -> Iterator[str]:
    for neighbor in group.neighbors:
        yield f"  neighbor {neighbor.address}"
        yield f"    inherit peer {group.nodes}"
        yield f"    description {neighbor.name}"
    for network in group.ranges:
        yield f"  neighbor {network}"
        yield f"    inherit peer {group.nodes}"
        yield f"    maximum-peers {MAX_DYNAMIC_NEIGHBORS}"
