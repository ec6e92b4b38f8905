# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR, as frr.conf or vtysh take it; and SONiC, whose routing daemon is FRR. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import (
    MAX_DYNAMIC_NEIGHBORS,
    Bfd,
    Family,
    Group,
    Peering,
)

_IP = {4: "ip", 6: "ipv6"}


def lines(peering: Peering) -> Iterator[str]:
    profile = f"{peering.cluster}-bfd"
    if peering.bfd:
        yield from _profile(profile, peering.bfd)
    for family in peering.families:
        yield from _prefix_list(family)
    yield f"bgp community-list standard {peering.drain} seq 5 permit graceful-shutdown"
    yield "!"
    for family in peering.families:
        yield from _inbound(peering, family)
    yield from (f"route-map {peering.outbound} deny 10", "exit", "!", f"router bgp {peering.asn}")
    if peering.router_id:
        yield f" bgp router-id {peering.router_id}"
    if not peering.internal:
        yield " bgp bestpath as-path multipath-relax"
    if any(group.ranges for group in peering.groups):
        yield f" bgp listen limit {MAX_DYNAMIC_NEIGHBORS}"
    for group in peering.groups:
        yield from _group(peering, group, profile)
    yield " !"
    for version in sorted({4, *(family.version for family in peering.families)}):
        yield from _address_family(peering, version)
    yield "exit"


def kernel_notes(peering: Peering) -> Iterator[str]:
    yield "The hash over addresses and ports is not FRR's but the kernel's: in a file of /etc/sysctl.d"
    for family in peering.families:
        yield f"  net.ipv{family.version}.fib_multipath_hash_policy = 1"
    yield "The daemons that must run, in /etc/frr/daemons: bgpd=yes" + (" bfdd=yes" if peering.bfd else "")


def sonic_notes(peering: Peering) -> Iterator[str]:
    yield "For vtysh in the container bgp: docker exec -i bgp vtysh < this file."
    yield "With docker_routing_config_mode split-unified it belongs into /etc/sonic/frr/frr.conf as well. With unified"
    yield "and separated the next start of the container writes FRR's files anew from CONFIG_DB, and this is gone."
    yield "The hash over addresses and ports belongs to the switch, where its ASIC offers the choice:"
    yield "  config switch-hash global ecmp-hash SRC_IP DST_IP IP_PROTOCOL L4_SRC_PORT L4_DST_PORT"
    if peering.bfd:
        yield "BFD needs bfdd in the container bgp: docker exec bgp supervisorctl status bfdd"


def _profile(name: str, bfd: Bfd) -> Iterator[str]:
    yield "bfd"
    yield f" profile {name}"
    yield f"  detect-multiplier {bfd.multiplier}"
    yield f"  receive-interval {bfd.interval}"
    yield f"  transmit-interval {bfd.interval}"
    yield from (" exit", "exit", "!")


def _prefix_list(family: Family) -> Iterator[str]:
    for number, pool in enumerate(family.pools, start=1):
        length = "" if pool.single else f" ge {family.bits}"
        yield f"{_IP[family.version]} prefix-list {family.vips} seq {5 * number} permit {pool.text}{length}"


def _inbound(peering: Peering, family: Family) -> Iterator[str]:
    match = f" match {_IP[family.version]} address prefix-list {family.vips}"
    global_hop = [" set ipv6 next-hop prefer-global"] if family.version == 6 else []
    yield f"route-map {family.inbound} permit 5"
    yield from (match, f" match community {peering.drain}", " set local-preference 0", *global_hop, "exit", "!")
    yield f"route-map {family.inbound} permit 10"
    yield from (match, *global_hop, "exit", "!")


def _group(peering: Peering, sessions: Group, profile: str) -> Iterator[str]:
    group = f" neighbor {sessions.nodes}"
    yield f"{group} peer-group"
    yield f"{group} remote-as {peering.node_asn}"
    yield f"{group} description {peering.description}"
    if peering.passive:
        yield f"{group} passive"
    if peering.bfd:
        yield f"{group} bfd"
        yield f"{group} bfd profile {profile}"
    if peering.password:
        yield f"{group} password {peering.password}"
    if peering.ttl_security:
        yield f"{group} ttl-security hops 1"
    if peering.graceful_restart:
        yield f"{group} graceful-restart"
    yield f"{group} timers {peering.keepalive} {peering.hold}"
    if peering.connect:
        yield f"{group} timers connect {peering.connect}"
    for network in sessions.ranges:
        yield f" bgp listen range {network} peer-group {sessions.nodes}"
    for neighbor in sessions.neighbors:
        yield f" neighbor {neighbor.address} peer-group {sessions.nodes}"
        yield f" neighbor {neighbor.address} description {neighbor.name}"


def _address_family(peering: Peering, version: int) -> Iterator[str]:
    yield f" address-family ipv{version} unicast"
    for group in peering.groups:
        family = group.carried(version)
        if family:
            yield from _policy(peering, group, family)
        elif version == 4:
            yield from _closed(peering, group)
    yield from (" exit-address-family", " !")


def _policy(peering: Peering, sessions: Group, family: Family) -> Iterator[str]:
    group = f"  neighbor {sessions.nodes}"
    yield f"{group} activate"
    yield f"{group} maximum-prefix {peering.max_prefixes} restart 1"
    yield f"{group} route-map {family.inbound} in"
    yield f"{group} route-map {peering.outbound} out"
    yield f"  maximum-paths {'ibgp ' if peering.internal else ''}{peering.max_paths}"


def _closed(peering: Peering, sessions: Group) -> Iterator[str]:
    """No IPv4 routes over sessions that are for IPv6 only, where FRR activates them by itself.

    A neighbor from a listen range takes no heed of "no activate" (seen with 8.4): it gets a policy that denies all.
    """
    group = f"  neighbor {sessions.nodes}"
    if not sessions.ranges:
        yield f"  no neighbor {sessions.nodes} activate"
        return
    yield f"{group} activate"
    yield f"{group} route-map {peering.outbound} in"
    yield f"{group} route-map {peering.outbound} out"
