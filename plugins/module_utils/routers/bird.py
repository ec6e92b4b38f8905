# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIRD 2 and 3, as a file to include. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Family, Group, Peering


def lines(peering: Peering) -> Iterator[str]:
    yield from sessions(peering)
    yield "# For the whole daemon, once: leave out what your configuration has, and compare it with yours."
    if peering.bfd:
        yield f"protocol bfd '{peering.cluster}-bfd' {{"
        yield "}"
    for family in peering.families:
        yield from _kernel(peering, family)


def sessions(peering: Peering) -> Iterator[str]:
    """All that belongs to this cluster alone."""
    for group in peering.groups:
        for family in group.families:
            yield from _filter(family)
        yield from _template(peering, group)
        yield from _sessions(peering, group)


def notes(peering: Peering) -> Iterator[str]:
    yield "Include it from bird.conf, which has the router id and a protocol device already."
    yield "The hash over addresses and ports is not BIRD's but the kernel's: in a file of /etc/sysctl.d"
    for family in peering.families:
        yield f"  net.ipv{family.version}.fib_multipath_hash_policy = 1"


def _filter(family: Family) -> Iterator[str]:
    pools = ", ".join(
        pool.text if pool.single else f"{pool.text}{{{family.bits},{family.bits}}}" for pool in family.pools
    )
    yield f"filter '{family.inbound}' {{"
    yield f"\tif net !~ [ {pools} ] then reject;"
    yield "\tif (65535, 0) ~ bgp_community then bgp_local_pref = 0;"
    yield "\taccept;"
    yield from ("}", "")


def _template(peering: Peering, group: Group) -> Iterator[str]:
    yield f"template bgp '{group.nodes}' {{"
    yield f'\tdescription "{peering.description}";'
    yield f"\tlocal as {peering.asn};"
    yield "\tdirect;"
    if peering.passive:
        yield "\tpassive yes;"
    elif peering.connect:
        yield from ("\tconnect delay time 1;", f"\tconnect retry time {peering.connect};")
    if peering.graceful_restart:
        yield "\tgraceful restart yes;"
    yield f"\tkeepalive time {peering.keepalive};"
    yield f"\thold time {peering.hold};"
    yield "\terror wait time 1, 5;"  # else a node that was lost is refused for a minute
    if peering.ttl_security:
        yield "\tttl security yes;"
    if peering.password:
        yield f'\tpassword "{peering.password}";'
    if peering.bfd:
        yield "\tbfd {"
        yield f"\t\tmin rx interval {peering.bfd.interval} ms;"
        yield f"\t\tmin tx interval {peering.bfd.interval} ms;"
        yield f"\t\tmultiplier {peering.bfd.multiplier};"
        yield "\t};"
    for family in group.families:
        yield f"\tipv{family.version} {{"
        yield f"\t\timport filter '{family.inbound}';"
        yield f"\t\timport limit {peering.max_prefixes} action restart;"
        yield from ("\t\texport none;", "\t};")
    yield from ("}", "")


def _sessions(peering: Peering, group: Group) -> Iterator[str]:
    for neighbor in group.neighbors:
        yield f"protocol bgp '{peering.cluster}-{neighbor.address}' from '{group.nodes}' {{"
        yield f'\tdescription "{neighbor.name}";'
        yield f"\tneighbor {neighbor.address} as {peering.node_asn};"
        yield from ("}", "")
    for number, network in enumerate(group.ranges, start=1):
        yield f"protocol bgp '{peering.cluster}-range{group.version}-{number}' from '{group.nodes}' {{"
        yield f"\tneighbor range {network} as {peering.node_asn};"
        yield f'\tdynamic name "{peering.cluster}-node{group.version}-";'
        yield from ("}", "")


def _kernel(peering: Peering, family: Family) -> Iterator[str]:
    yield f"protocol kernel '{peering.cluster}-kernel{family.version}' {{"
    yield f"\tmerge paths yes limit {peering.max_paths};"
    yield f"\tipv{family.version} {{"
    yield f'\t\texport where source = RTS_BGP && proto ~ "{peering.cluster}-*";'
    yield from ("\t};", "}")
