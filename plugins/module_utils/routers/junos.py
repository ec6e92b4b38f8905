# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper Junos, as lines for `load set terminal`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Family, Group, Peering, Pool

_INET = {4: "inet", 6: "inet6"}
_ECMP_SIZES = (16, 32, 64, 128)


def lines(peering: Peering) -> Iterator[str]:
    yield f"set policy-options community {peering.drain} members 65535:0"
    for family in peering.families:
        yield from _inbound(peering, family)
    yield f"set policy-options policy-statement {peering.outbound} then reject"
    for group in peering.groups:
        yield from _group(peering, group)
    if peering.ttl_security:
        for group in peering.groups:
            yield from _ttl_filter(group)
    yield from _per_flow(peering)
    yield "# For the whole router: compare with what it has."
    yield f"set routing-options autonomous-system {peering.asn}"
    yield f"set routing-options forwarding-table export {peering.cluster}-ecmp"
    yield f"set chassis maximum-ecmp {min(size for size in _ECMP_SIZES if size >= peering.max_paths)}"
    if peering.ttl_security and peering.interface:
        name, _dot, unit = peering.interface.partition(".")
        for group in peering.groups:
            inet = _INET[group.version]
            yield f"set interfaces {name} unit {unit or 0} family {inet} filter input {_ttl_name(group)}"


def notes(peering: Peering) -> Iterator[str]:
    yield "For `load set terminal` in configure mode; then `show | compare` and `commit confirmed 5`."
    yield "Ports are in the hash by default on MX (MPC) and QFX. Elsewhere: set forwarding-options hash-key family inet"
    yield "layer-3 and layer-4, and the same for family inet6."
    yield f"Junos derives the keepalive from the hold time: {peering.hold / 3:g} s."
    if peering.ttl_security and not peering.interface:
        yield "Junos checks the TTL by a filter, which protects only where it is attached. dsr_router.interface did not"
        yield "name the interface towards the nodes, so attach it yourself:"
        for group in peering.groups:
            inet = _INET[group.version]
            yield f"  set interfaces INTERFACE unit UNIT family {inet} filter input {_ttl_name(group)}"


def _route_filter(family: Family, pool: Pool) -> str:
    length = "exact" if pool.single else f"prefix-length-range /{family.bits}-/{family.bits}"
    return f"route-filter {pool.text} {length}"


def _inbound(peering: Peering, family: Family) -> Iterator[str]:
    policy = f"set policy-options policy-statement {family.inbound} term"
    for pool in family.pools:
        yield f"{policy} drain from {_route_filter(family, pool)}"
    yield f"{policy} drain from community {peering.drain}"
    yield f"{policy} drain then local-preference 0"
    yield f"{policy} drain then accept"
    for pool in family.pools:
        yield f"{policy} vips from {_route_filter(family, pool)}"
    yield f"{policy} vips then accept"
    if not _chained(peering):
        yield f"{policy} rest then reject"


def _chained(peering: Peering) -> bool:
    """A session has one chain of policies for all that it carries: none but the last may refuse the rest."""
    return any(len(group.families) > 1 for group in peering.groups)


def _group(peering: Peering, sessions: Group) -> Iterator[str]:
    group = f"set protocols bgp group {sessions.nodes}"
    yield f"{group} type {'internal' if peering.internal else 'external'}"
    yield f'{group} description "{peering.description}"'
    if not peering.internal:
        yield f"{group} peer-as {peering.node_asn}"
    yield f"{group} passive"
    yield f"{group} hold-time {peering.hold}"
    if peering.password:
        yield f'{group} authentication-key "{peering.password}"'
    if peering.ttl_security:
        yield f"{group} ttl 255"
    if peering.bfd:
        yield f"{group} bfd-liveness-detection minimum-interval {peering.bfd.interval}"
        yield f"{group} bfd-liveness-detection multiplier {peering.bfd.multiplier}"
    yield f"{group} multipath{'' if peering.internal else ' multiple-as'}"
    for family in sessions.families:
        unicast = f"{group} family {_INET[family.version]} unicast"
        yield f"{unicast} prefix-limit maximum {peering.max_prefixes}"
        yield f"{unicast} prefix-limit teardown idle-timeout 1"
    policies = " ".join(family.inbound for family in sessions.families)
    if _chained(peering):
        policies = f"[ {policies} {peering.outbound} ]"
    yield f"{group} import {policies}"
    yield f"{group} export {peering.outbound}"
    for network in sessions.ranges:
        yield f"{group} allow {network}"
    for neighbor in sessions.neighbors:
        yield f'{group} neighbor {neighbor.address} description "{neighbor.name}"'


def _ttl_name(group: Group) -> str:
    return f"{group.cluster}-ttl{group.version}"


def _ttl_filter(group: Group) -> Iterator[str]:
    """Drops BGP that says it comes from a node and has passed a router; takes everything else."""
    inet = _INET[group.version]
    term = f"set firewall family {inet} filter {_ttl_name(group)} term"
    sources = group.ranges or tuple(f"{neighbor.address}/{group.bits}" for neighbor in group.neighbors)
    for source in sources:
        yield f"{term} far from source-address {source}"
    yield f"{term} far from {'protocol' if group.version == 4 else 'next-header'} tcp"
    yield f"{term} far from port bgp"
    yield f"{term} far from {'ttl-except' if group.version == 4 else 'hop-limit-except'} 255"
    yield f"{term} far then discard"
    yield f"{term} rest then accept"


def _per_flow(peering: Peering) -> Iterator[str]:
    """Junos calls it per-packet; it is per flow."""
    for family in peering.families:
        term = f"set policy-options policy-statement {peering.cluster}-ecmp term vips{family.version}"
        for pool in family.pools:
            yield f"{term} from {_route_filter(family, pool)}"
        yield f"{term} then load-balance per-packet"
