# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA Cumulus Linux 5.2 to 5.9, as NVUE commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import (
    MAX_DYNAMIC_NEIGHBORS,
    Family,
    Group,
    Peering,
)

_BGP = "nv set vrf default router bgp"
_POLICY = "nv set router policy"


def lines(peering: Peering) -> Iterator[str]:
    for family in peering.families:
        yield from _prefix_list(family)
    yield f"{_POLICY} community-list {peering.drain} rule 10 action permit"
    yield f"{_POLICY} community-list {peering.drain} rule 10 community 65535:0"
    for family in peering.families:
        yield from _inbound(peering, family)
    yield f"{_POLICY} route-map {peering.outbound} rule 10 action deny"
    for group in peering.groups:
        yield from _group(peering, group)
        yield from _neighbors(peering, group)
    if any(group.ranges for group in peering.groups):
        yield f"{_BGP} dynamic-neighbor limit {MAX_DYNAMIC_NEIGHBORS}"
    yield "# For the whole switch: compare with what it has."
    yield "nv set router bgp enable on"
    yield f"{_BGP} autonomous-system {peering.asn}"
    if not peering.internal:
        yield f"{_BGP} path-selection multipath aspath-ignore on"
    for family in peering.families:
        unicast = f"{_BGP} address-family ipv{family.version}-unicast"
        yield f"{unicast} enable on"
        yield f"{unicast} multipaths {'ibgp' if peering.internal else 'ebgp'} {peering.max_paths}"
    for field in ("ip-protocol", "source-ip", "destination-ip", "source-port", "destination-port"):
        yield f"nv set system forwarding ecmp-hash {field} on"


def notes(peering: Peering) -> Iterator[str]:
    yield "Shell commands of NVUE, Cumulus Linux 5.2 to 5.9 (later ones say enabled for on, and keep BFD in profiles)."
    yield "Afterwards `nv config diff`, `nv config apply`, `nv config save`."
    if peering.password and any(group.ranges for group in peering.groups):
        yield "Cumulus Linux does not enforce the password on sessions from a listen range: name the nodes instead."


def _prefix_list(family: Family) -> Iterator[str]:
    name = f"{_POLICY} prefix-list {family.vips}"
    yield f"{name} type ipv{family.version}"
    for number, pool in enumerate(family.pools, start=1):
        length = "" if pool.single else f" min-prefix-len {family.bits}"
        yield f"{name} rule {5 * number} match {pool.text}{length}"
        yield f"{name} rule {5 * number} action permit"


def _inbound(peering: Peering, family: Family) -> Iterator[str]:
    for number in (5, 10):
        rule = f"{_POLICY} route-map {family.inbound} rule {number}"
        yield f"{rule} match type ipv{family.version}"
        yield f"{rule} match ip-prefix-list {family.vips}"
        if number == 5:
            yield f"{rule} match community-list {peering.drain}"
            yield f"{rule} set local-preference 0"
        if family.version == 6:
            yield f"{rule} set ipv6-nexthop-prefer-global on"
        yield f"{rule} action permit"


def _group(peering: Peering, sessions: Group) -> Iterator[str]:
    group = f"{_BGP} peer-group {sessions.nodes}"
    yield f"{group} remote-as {peering.node_asn}"
    yield f"{group} description '{peering.description}'"
    yield f"{group} passive-mode on"
    yield f"{group} timers keepalive {peering.keepalive}"
    yield f"{group} timers hold {peering.hold}"
    if peering.bfd:
        yield f"{group} bfd enable on"
        yield f"{group} bfd detect-multiplier {peering.bfd.multiplier}"
        yield f"{group} bfd min-rx-interval {peering.bfd.interval}"
        yield f"{group} bfd min-tx-interval {peering.bfd.interval}"
    if peering.password:
        yield f"{group} password '{peering.password}'"
    if peering.ttl_security:
        yield f"{group} ttl-security enable on"
        yield f"{group} ttl-security hops 1"
    if not sessions.carried(4):
        yield from _closed(peering, sessions)
    for family in sessions.families:
        unicast = f"{group} address-family ipv{family.version}-unicast"
        yield f"{unicast} enable on"
        yield f"{unicast} policy inbound route-map {family.inbound}"
        yield f"{unicast} policy outbound route-map {peering.outbound}"
        yield f"{unicast} prefix-limits inbound maximum {peering.max_prefixes}"
        yield f"{unicast} prefix-limits inbound reestablish-wait 60"


def _closed(peering: Peering, sessions: Group) -> Iterator[str]:
    """No IPv4 routes where only IPv6 ones are wanted; a neighbor from a listen range is stopped by policy only."""
    unicast = f"{_BGP} peer-group {sessions.nodes} address-family ipv4-unicast"
    if not sessions.ranges:
        yield f"{unicast} enable off"
        return
    yield f"{unicast} enable on"
    yield f"{unicast} policy inbound route-map {peering.outbound}"
    yield f"{unicast} policy outbound route-map {peering.outbound}"


def _neighbors(peering: Peering, sessions: Group) -> Iterator[str]:
    for network in sessions.ranges:
        yield f"{_BGP} dynamic-neighbor listen-range {network} peer-group {sessions.nodes}"
    for neighbor in sessions.neighbors:
        session = f"{_BGP} neighbor {neighbor.address}"
        yield f"{session} peer-group {sessions.nodes}"
        yield f"{session} description {neighbor.name}"
        if peering.ttl_security:  # some releases lose it on a peer group
            yield f"{session} ttl-security enable on"
            yield f"{session} ttl-security hops 1"
