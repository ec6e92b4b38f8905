# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arista EOS. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import (
    MAX_DYNAMIC_NEIGHBORS,
    Family,
    Group,
    Peering,
)

_IP = {4: "ip", 6: "ipv6"}


def lines(peering: Peering) -> Iterator[str]:
    for family in peering.families:
        yield from _prefix_list(family)
    yield f"ip community-list {peering.drain} permit 65535:0"
    yield "!"
    for family in peering.families:
        yield from _inbound(peering, family)
    yield from (f"route-map {peering.outbound} deny 10", "!", f"router bgp {peering.asn}")
    if not peering.internal:
        yield "   bgp bestpath as-path multipath-relax"
    yield f"   maximum-paths {peering.max_paths} ecmp {peering.max_paths}"
    if any(group.ranges for group in peering.groups):
        yield f"   dynamic peer max {MAX_DYNAMIC_NEIGHBORS}"
    for group in peering.groups:
        yield from _group(peering, group)
    for version in sorted({4, *(family.version for family in peering.families)}):
        yield from _address_family(peering, version)


def notes(peering: Peering) -> Iterator[str]:
    yield "EOS 4.23 or later, for a `configure session`; then `show session-config diffs` and `commit`."
    yield "The hash over addresses and ports is the default. The command that changes it depends on the switch:"
    yield "see `show load-balance profile` and `show ip load-sharing`."


def _prefix_list(family: Family) -> Iterator[str]:
    yield f"{_IP[family.version]} prefix-list {family.vips}"
    for number, pool in enumerate(family.pools, start=1):
        yield f"   seq {5 * number} permit {pool.text}{'' if pool.single else f' eq {family.bits}'}"
    yield "!"


def _inbound(peering: Peering, family: Family) -> Iterator[str]:
    match = f"   match {_IP[family.version]} address prefix-list {family.vips}"
    yield f"route-map {family.inbound} permit 5"
    yield from (match, f"   match community {peering.drain}", "   set local-preference 0", "!")
    yield f"route-map {family.inbound} permit 10"
    yield from (match, "!")


def _group(peering: Peering, sessions: Group) -> Iterator[str]:
    group = f"   neighbor {sessions.nodes}"
    yield f"{group} peer group"
    yield f"{group} remote-as {peering.node_asn}"
    yield f"{group} description {peering.description}"
    yield f"{group} passive"
    if peering.bfd:
        interval = peering.bfd.interval
        yield f"{group} bfd"
        yield f"{group} bfd interval {interval} min-rx {interval} multiplier {peering.bfd.multiplier}"
    if peering.ttl_security:
        yield f"{group} ttl maximum-hops 1"
    yield f"{group} timers {peering.keepalive} {peering.hold}"
    if peering.password:
        yield f"{group} password 0 {peering.password}"
    yield f"{group} maximum-routes {peering.max_prefixes}"
    yield f"{group} idle-restart-timer 60"
    for network in sessions.ranges:
        yield f"   bgp listen range {network} peer-group {sessions.nodes} remote-as {peering.node_asn}"
    for neighbor in sessions.neighbors:
        yield f"   neighbor {neighbor.address} peer group {sessions.nodes}"
        yield f"   neighbor {neighbor.address} description {neighbor.name}"


def _address_family(peering: Peering, version: int) -> Iterator[str]:
    """Sessions carry what they are for and no more: EOS activates IPv4 on all of them by itself."""
    yield from ("   !", f"   address-family ipv{version}")
    for group in peering.groups:
        family = group.carried(version)
        if family or version == 4:
            yield f"      {'' if family else 'no '}neighbor {group.nodes} activate"
            yield f"      neighbor {group.nodes} route-map {family.inbound if family else peering.outbound} in"
            yield f"      neighbor {group.nodes} route-map {peering.outbound} out"
