# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peering of a router from plain inventory data. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import (
    Address,
    Prefix,
    PrefixTable,
    parse_address,
    parse_prefix,
)
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import (
    Problems,
    integer,
    listing,
    mapping,
    sequence,
    shown,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.asns import is_set, parse_node_asn, parse_router_asn
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import (
    ONE,
    PASSWORD_PLACEHOLDER,
    PER_FAMILY,
    SESSIONS,
    Bfd,
    Family,
    Group,
    Neighbor,
    Peering,
    Pool,
)

_MOST_PATHS: Final = 128
_MACHINE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}")
CLUSTER: Final = r"[A-Za-z0-9][A-Za-z0-9-]{0,19}"
"""What the name of a cluster looks like."""

_CLUSTER: Final = re.compile(CLUSTER)
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_-]{0,62}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9._+=@%,/:^~*()\[\]{}-]{1,80}")


def parse_peering(
    name: Any,
    router: Any,
    nodes: Any,
    vip_pools: Any,
    cluster: Any = "dsr",
    router_asn: Any = None,
    node_asn: Any = None,
    keepalive: Any = 3,
    hold: Any = 9,
    password: Any = "",
    show_password: bool = False,
    ttl_security: bool = True,
    bfd: bool = True,
    bfd_interval: Any = 300,
    bfd_multiplier: Any = 3,
    max_prefixes: Any = 10000,
    max_paths: Any = 64,
    listen_ranges: Any = (),
    passive: bool = True,
    connect: Any = 0,
    router_id: Any = "",
    graceful_restart: bool = False,
    sessions: Any = PER_FAMILY,
) -> Peering:
    """Peering of the router called name; DsrError names every problem found, a line each.

    router: {addresses: [...], asn = router_asn, interface = ""}; nodes: {name: {addresses: [...]}}.
    router_asn, node_asn: None for the defaults, which must not be why the two are equal.
    A family is part of it if the router has an address of it and the pools a network of it.
    sessions: with "one" both families go over the session between IPv4 addresses. Every node needs one then, unless the
    router has none itself: the session is between IPv6 addresses there.
    """
    problems = Problems()
    parse = _Parser(problems)
    router_name = parse.name("router", name)
    item = f"router {router_name}"
    router = parse.router(item, router)
    owner = parse.cluster(cluster)
    addresses = parse.addresses(item, router, "dsr_router")
    versions = {address.version for address in addresses}
    pools = parse.networks("dsr_vip_pools", vip_pools)
    ranges = parse.networks("dsr_listen_ranges", listen_ranges)
    asn = parse.node_asn(node_asn)
    form = parse.sessions(sessions)
    transport = min(versions, default=None) if form == ONE else None
    neighbors = parse.neighbors(nodes, ranges, item, transport)
    served = sorted(versions & {pool.version for pool in pools})
    families = tuple(_family(version, owner, pools) for version in served)
    peering = Peering(
        router=router_name,
        interface=parse.interface(item, router.get("interface", "")),
        cluster=owner,
        asn=parse.router_asn(item, router, router_asn, asn, is_set(node_asn)),
        node_asn=asn,
        families=families,
        groups=tuple(_groups(owner, families, transport, neighbors, ranges)),
        keepalive=parse.integer("dsr_bgp_keepalive", keepalive, 1, 21845),
        hold=parse.integer("dsr_bgp_hold", hold, 3, 65535),
        password=parse.password(password, show_password),
        ttl_security=ttl_security,
        bfd=parse.bfd(bfd_interval, bfd_multiplier) if bfd else None,
        max_prefixes=parse.integer("dsr_max_prefixes", max_prefixes, 1, 1_000_000),
        max_paths=parse.integer("dsr_max_paths", max_paths, 1, _MOST_PATHS),
        passive=passive or bool(ranges),
        connect=parse.integer("router_connect", connect, 0, 65535),
        router_id=parse.router_id(router_id),
        graceful_restart=graceful_restart,
    )
    problems.raise_any()
    _check(item, peering)
    _check_pools(pools, [(item, each) for each in addresses] + [(f"node {name}", each) for name, each in neighbors])
    _check_paths(peering, neighbors)
    return peering


def _family(version: int, cluster: str, pools: list[Prefix]) -> Family:
    own = (pool for pool in pools if pool.version == version)
    return Family(version, cluster, tuple(Pool(pool.text, pool.shift == 0) for pool in own))


def _groups(
    cluster: str,
    families: tuple[Family, ...],
    transport: int | None,
    neighbors: list[tuple[str, Address]],
    ranges: list[Prefix],
) -> Iterator[Group]:
    """transport: the version of the addresses between which every session is; None for a session of each family."""
    carried = {transport: families} if transport and families else {each.version: (each,) for each in families}
    for version, over in carried.items():
        named = () if ranges else tuple((name, each.text) for name, each in neighbors if each.version == version)
        yield Group(
            version=version,
            cluster=cluster,
            families=over,
            neighbors=tuple(Neighbor(name, address) for name, address in named),
            ranges=tuple(network.text for network in ranges if network.version == version),
        )


def _check(item: str, peering: Peering) -> None:
    """What only shows when the parts are put together."""
    _check_hold(peering.keepalive, peering.hold)
    if not any(group.neighbors or group.ranges for group in peering.groups):
        raise DsrError(
            item,
            "has no address family in common with the nodes and dsr_vip_pools",
            "Give router, nodes and pools addresses of the same family",
        )


def _check_pools(pools: list[Prefix], machines: list[tuple[str, Address]]) -> None:
    for item, address in machines:
        for pool in pools:
            if pool.holds(address):
                raise DsrError(
                    "dsr_vip_pools",
                    f"{pool.text} holds {address.text} of {item}",
                    "Take the VIPs from a network of their own",
                )


def _check_paths(peering: Peering, nodes: list[tuple[str, Address]]) -> None:
    """Every node announces every VIP. More next hops than _MOST_PATHS no route can have."""
    for family in peering.families:
        count = sum(address.version == family.version for _name, address in nodes)
        if peering.max_paths < min(count, _MOST_PATHS):
            raise DsrError(
                "dsr_max_paths",
                f"is {peering.max_paths}, but {count} nodes announce every IPv{family.version} VIP: the rest of them"
                " would get no packets",
                f"Use at least {min(count, _MOST_PATHS)}",
            )


def _check_hold(keepalive: int, hold: int) -> None:
    if keepalive * 3 > hold:
        raise DsrError(
            "dsr_bgp_hold",
            f"is {hold}, less than three keepalives of {keepalive} s",
            f"Use at least {3 * keepalive}, or a shorter dsr_bgp_keepalive",
        )


def parse_session(
    asn: Any,
    keepalive: Any,
    hold: Any,
    password: Any,
    bfd_interval: Any,
    bfd_multiplier: Any,
) -> None:
    """What a node's side of a session has in common with the router's; DsrError, a line per problem."""
    problems = Problems()
    parse = _Parser(problems)
    parse.node_asn(asn)
    parse.integer("dsr_bgp_keepalive", keepalive, 1, 21845)
    parse.integer("dsr_bgp_hold", hold, 3, 65535)
    parse.password(password, False)
    parse.bfd(bfd_interval, bfd_multiplier)
    problems.raise_any()
    _check_hold(int(keepalive), int(hold))


def without_transport(node: str, router: str, version: int | None) -> DsrError:
    """The error for a node that lacks an address of the version between which the one session would be."""
    return DsrError(
        f"node {node}",
        f"has no IPv{version} address; {router} has one, and with dsr_bgp_sessions: {ONE} the session is between these",
        f"Add one to addresses of its dsr_node, or set dsr_bgp_sessions: {PER_FAMILY}",
    )


class _Parser:
    """Parses field by field; what is wrong goes to problems, and something harmless stands in for it."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def name(self, kind: str, value: Any) -> str:
        with self._problems:
            if not isinstance(value, str) or not _MACHINE.fullmatch(value):
                raise DsrError(
                    f"{kind} {shown(value)}",
                    "its name cannot stand in a router's configuration",
                    "Name the host by letters, digits and '.', '_', ':', '-' without spaces, at most 63",
                )
        return str(value)

    def router(self, item: str, value: Any) -> Mapping[str, Any]:
        with self._problems:
            return mapping(item, value, ["addresses", "asn", "dialect", "interface"])
        return {"addresses": ["192.0.2.1"]}

    def cluster(self, value: Any) -> str:
        with self._problems:
            if not isinstance(value, str) or not _CLUSTER.fullmatch(value):
                raise DsrError("dsr_cluster", f"{shown(value)} is no name", "Use letters, digits and '-', at most 20")
        return str(value)

    def addresses(self, item: str, machine: Mapping[str, Any], variable: str) -> list[Address]:
        """The first address of each family: the one that sessions use."""
        first: dict[int, Address] = {}
        with self._problems:
            values = sequence(f"{item}, addresses", machine.get("addresses", []), "addresses")
            if not values:
                raise DsrError(item, "has no addresses", f"State its addresses on the nodes' network in {variable}")
            for value in values:
                address = parse_address(f"{item}, addresses", value)
                first.setdefault(address.version, address)
        return list(first.values())

    def networks(self, item: str, values: Any) -> list[Prefix]:
        found: list[Prefix] = []
        with self._problems:
            for value in sequence(item, values, "networks"):
                with self._problems:
                    found.append(parse_prefix(item, value))
        return found

    def sessions(self, value: Any) -> str:
        with self._problems:
            if value not in SESSIONS:
                raise DsrError("dsr_bgp_sessions", f"{shown(value)} is not known", f"Use {listing(SESSIONS)}")
            return str(value)
        return PER_FAMILY

    def neighbors(
        self, nodes: Any, ranges: list[Prefix], router: str, transport: int | None
    ) -> list[tuple[str, Address]]:
        """In the order of nodes, of each the first address of each family.

        transport: the version that sessions are between; None for both. A node needs an address of it, and with ranges
        that must lie in one, or it could never connect.
        """
        found: list[tuple[str, Address]] = []
        table = PrefixTable((network, network.text) for network in ranges)
        with self._problems:
            for key, value in mapping("nodes", nodes, ["<node name>"]).items():
                name = self.name("node", key)
                with self._problems:
                    machine = mapping(f"node {name}", value, ["addresses"])
                    own = self.addresses(f"node {name}", machine, "dsr_node")
                    if own and transport and transport not in {address.version for address in own}:
                        raise without_transport(name, router, transport)
                    found += [(name, address) for address in own]
        for name, address in found if ranges else ():
            with self._problems:
                if transport in (None, address.version) and table.owner(address) is None:
                    raise DsrError(
                        f"node {name}",
                        f"address {address.text} lies in none of dsr_listen_ranges"
                        f" ({listing(network.text for network in ranges)})",
                        "Add its network, or empty dsr_listen_ranges to name every node",
                    )
        return found

    def node_asn(self, value: Any) -> int:
        with self._problems:
            return parse_node_asn(value)
        return 1

    def router_asn(self, item: str, router: Mapping[str, Any], value: Any, node_asn: int, node_set: bool) -> int:
        with self._problems:
            return parse_router_asn(item, router, value, node_asn, node_set=node_set)
        return 1

    def integer(self, item: str, value: Any, low: int, high: int) -> int:
        with self._problems:
            return integer(item, value, low, high)
        return low

    def interface(self, item: str, value: Any) -> str:
        with self._problems:
            if value and (not isinstance(value, str) or not _INTERFACE.fullmatch(value)):
                raise DsrError(
                    f"{item}, interface", f"{shown(value)} is no interface", "Write it as the router does: 'Vlan10'"
                )
        return str(value or "")

    def router_id(self, value: Any) -> str:
        with self._problems:
            if value and parse_address("router_id", value).version != 4:
                raise DsrError(
                    "router_id", f"{shown(value)} is no IPv4 address", "Write it as 192.0.2.1, or leave it out"
                )
        return str(value or "")

    def bfd(self, interval: Any, multiplier: Any) -> Bfd:
        return Bfd(
            interval=self.integer("dsr_bfd_interval", interval, 50, 60000),
            multiplier=self.integer("dsr_bfd_multiplier", multiplier, 3, 50),
        )

    def password(self, value: Any, show: bool) -> str:
        """The placeholder unless show. The secret itself is in no message."""
        if not value:
            return ""
        with self._problems:
            if not isinstance(value, str) or not _PASSWORD.fullmatch(value):
                raise DsrError(
                    "dsr_bgp_password",
                    "cannot be typed into every router",
                    "Use at most 80 letters, digits and of the signs ._+=@%,/:^~*()[]{}-",
                )
        return str(value) if show else PASSWORD_PLACEHOLDER
