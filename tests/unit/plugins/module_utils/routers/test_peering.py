# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventory data a peering is made of, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import parse_peering
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import (
    ADDRESSES,
    EXPLICIT,
    NODES,
    SECRET,
)
from hypothesis import given
from hypothesis import strategies as st

ROUTER: dict[str, Any] = {"addresses": ADDRESSES}


def peering(router: Any = None, name: Any = "edge-1", **options: Any) -> Peering:
    return parse_peering(name, ROUTER if router is None else router, **{**EXPLICIT, **options})


def refused(match: str, router: Any = None, name: Any = "edge-1", **options: Any) -> DsrError:
    with pytest.raises(DsrError, match=match) as caught:
        peering(router, name, **options)
    return caught.value


def test_names_are_the_clusters() -> None:
    got = peering(cluster="shop")
    assert [(f.vips, f.inbound) for f in got.families] == [("shop-vip4", "shop-in4"), ("shop-vip6", "shop-in6")]
    assert [group.nodes for group in got.groups] == ["shop-nodes4", "shop-nodes6"]
    assert (got.outbound, got.drain) == ("shop-out", "shop-drain")


def test_only_the_first_address_of_a_family_speaks() -> None:
    nodes = {"n1": {"addresses": ["192.0.2.21", "192.0.2.99", "2001:DB8:fab::21"]}}
    found = peering(nodes=nodes).groups
    assert [[neighbor.address for neighbor in group.neighbors] for group in found] == [
        ["192.0.2.21"],
        ["2001:db8:fab::21"],
    ]


def one(router: Any = None, **options: Any) -> list[tuple[int, list[int], list[str], list[str]]]:
    """Of each group with sessions="one": version of its addresses, of its routes, its neighbors, its ranges."""
    return [
        (
            group.version,
            [family.version for family in group.families],
            [neighbor.address for neighbor in group.neighbors],
            list(group.ranges),
        )
        for group in peering(router, sessions="one", **options).groups
    ]


def test_one_session_carries_both_families() -> None:
    assert one() == [(4, [4, 6], ["192.0.2.21", "192.0.2.22"], [])]


def test_one_session_carries_what_router_and_pools_have() -> None:
    v6, v4 = ["2001:db8:f::/64"], ["203.0.113.0/24"]
    addresses = ["192.0.2.21", "192.0.2.22"]
    assert one(vip_pools=v4) == one({"addresses": ["192.0.2.1"]}) == [(4, [4], addresses, [])]
    assert one(vip_pools=v6) == [(4, [6], addresses, [])]
    assert one({"addresses": ["2001:db8:fab::1"]}) == [(6, [6], ["2001:db8:fab::21", "2001:db8:fab::22"], [])]


def test_one_session_from_the_ranges_of_its_family() -> None:
    ranges = ["192.0.2.0/24", "2001:db8:fab::/64"]
    assert one(listen_ranges=ranges) == [(4, [4, 6], [], ranges[:1])]
    assert one(listen_ranges=ranges[:1]) == [(4, [4, 6], [], ranges[:1])]
    refused("^node k8s-1: address 192.0.2.21 lies in none", sessions="one", listen_ranges=ranges[1:])


@pytest.mark.parametrize("ranges", [[], ["192.0.2.0/24", "2001:db8:fab::/64"]])
def test_one_session_with_a_node_that_lacks_its_family(ranges: list[str]) -> None:
    nodes = {**NODES, "n9": {"addresses": ["2001:db8:fab::29"]}}
    error = refused(
        "^node n9: has no IPv4 address; router edge-1 has one", nodes=nodes, sessions="one", listen_ranges=ranges
    )
    assert "dsr_bgp_sessions: per_family" in error.cure
    v4 = {"n9": {"addresses": ["192.0.2.29"]}}
    refused("^node n9: has no IPv6 address", {"addresses": ["2001:db8:fab::1"]}, nodes=v4, sessions="one")
    assert len(peering(nodes=nodes).groups[1].neighbors) == 3


def test_numbers_that_a_template_made_text() -> None:
    got = peering(router_asn="65000", hold="30", bfd_interval="400")
    assert (got.asn, got.hold, got.bfd and got.bfd.interval) == (65000, 30, 400)


@pytest.mark.parametrize("asn", [1, 23455, 64512, 4294967295])
def test_asn_of_any_size(asn: int) -> None:
    assert peering(router_asn=asn, node_asn=asn).internal


@pytest.mark.parametrize(
    "asn, reason",
    [
        (0, "0 is reserved"),
        (23456, "23456 is AS_TRANS"),
        (-1, "is -1, out of range"),
        (4294967296, "out of range"),
        ("1.10", "not a number"),
        (True, "not a number"),
    ],
)
def test_asn_that_is_none(asn: Any, reason: str) -> None:
    refused(f"^dsr_router_asn: .*{reason}", router_asn=asn)
    refused(f"^dsr_node_asn: .*{reason}", node_asn=asn)
    refused(f"^router edge-1, asn: .*{reason}", {**ROUTER, "asn": asn})


def test_asn_of_a_router_that_is_nothing() -> None:
    refused("^router edge-1, asn: is None, not a number", {**ROUTER, "asn": None})


@pytest.mark.parametrize("unset", [None, ""])
def test_asns_that_are_equal_by_default(unset: Any) -> None:
    told = "is {}, and so is {} by default: the sessions would be iBGP, which nobody asked for. Set {} too"
    node, router = "dsr_node_asn", "dsr_router_asn"
    refused("^dsr_router_asn: " + told.format(64513, node, node), router_asn=64513, node_asn=unset)
    refused("^router edge-1, asn: " + told.format(64513, node, node), {**ROUTER, "asn": "64513"}, node_asn=unset)
    refused("^dsr_node_asn: " + told.format(64512, router, router), router_asn=unset, node_asn=64512)
    assert peering({**ROUTER, "asn": 64999}, node_asn=64512, router_asn=unset).asn == 64999
    assert peering({**ROUTER, "asn": 64512}, node_asn=64512, router_asn=unset).internal
    got = peering(router_asn=unset, node_asn=unset)
    assert (got.asn, got.node_asn) == (64512, 64513)


THREE = {f"n{number}": {"addresses": [f"192.0.2.2{number}", f"2001:db8:fab::2{number}"]} for number in range(3)}
RANGES = ["192.0.2.0/24", "2001:db8:fab::/64"]


@pytest.mark.parametrize("ranges", [[], RANGES], ids=["named", "ranges"])
def test_fewer_next_hops_than_nodes(ranges: list[str]) -> None:
    refused(
        "^dsr_max_paths: is 2, but 3 nodes announce every IPv4 VIP: .* Use at least 3",
        nodes=THREE,
        listen_ranges=ranges,
        max_paths=2,
    )
    assert peering(nodes=THREE, listen_ranges=ranges, max_paths=3).max_paths == 3
    six = {**THREE, "n0": {"addresses": ["2001:db8:fab::20"]}}
    refused("every IPv6 VIP", nodes=six, listen_ranges=ranges, max_paths=2)
    assert peering({"addresses": ["192.0.2.1"]}, nodes=six, listen_ranges=ranges, max_paths=2).max_paths == 2


def test_more_nodes_than_next_hops_can_be() -> None:
    nodes = {f"n{number}": {"addresses": [f"192.0.2.{number}"]} for number in range(2, 202)}
    assert peering(nodes=nodes, max_paths=128).max_paths == 128
    refused("^dsr_max_paths: is 127, but 200 nodes .* Use at least 128", nodes=nodes, max_paths=127)


def test_pool_over_machines() -> None:
    refused(r"^dsr_vip_pools: 192\.0\.2\.0/28 holds 192\.0\.2\.1 of router edge-1", vip_pools=["192.0.2.0/28"])
    refused(r"^dsr_vip_pools: 192\.0\.2\.16/28 holds 192\.0\.2\.21 of node k8s-1", vip_pools=["192.0.2.16/28"])


@pytest.mark.parametrize("name", ["edge 1", "", "-edge", "../edge", "edge\n", 'edge"', "e" * 64, 7, None])
def test_name_that_cannot_stand_in_a_configuration(name: Any) -> None:
    refused("^router .* its name cannot stand in a router's configuration", name=name)
    refused("^node .* its name cannot stand in a router's configuration", nodes={name: NODES["k8s-1"]})


@pytest.mark.parametrize("addresses", [[], None, "192.0.2.1", ["192.0.2.1/24"], ["edge-1.example.net"]])
def test_router_without_addresses(addresses: Any) -> None:
    refused("^router edge-1(, addresses)?:", {"addresses": addresses})
    refused("^node n1(, addresses)?:", nodes={"n1": {"addresses": addresses}})


def test_router_that_is_no_mapping() -> None:
    refused("^router edge-1: is 'eos', not a mapping", "eos")


def test_nothing_in_common() -> None:
    refused("^router edge-1: has no address family in common", vip_pools=[])
    refused("^router edge-1: has no address family in common", nodes={})
    refused(
        "^router edge-1: has no address family in common",
        {"addresses": ["192.0.2.1"]},
        nodes={"n1": {"addresses": ["2001:db8:fab::21"]}},
    )


def test_node_outside_the_listen_ranges() -> None:
    refused(
        r"^node k8s-1: address 2001:db8:fab::21 lies in none of dsr_listen_ranges \(192.0.2.0/24\)",
        listen_ranges=["192.0.2.0/24"],
    )


@pytest.mark.parametrize(
    "option, variable, value",
    [
        ("keepalive", "dsr_bgp_keepalive", 0),
        ("hold", "dsr_bgp_hold", 2),
        ("bfd_interval", "dsr_bfd_interval", 10),
        ("bfd_multiplier", "dsr_bfd_multiplier", 1),
        ("max_prefixes", "dsr_max_prefixes", 0),
        ("max_paths", "dsr_max_paths", 129),
        ("cluster", "dsr_cluster", "the shop"),
        ("cluster", "dsr_cluster", "c" * 21),
        ("cluster", "dsr_cluster", ""),
        ("vip_pools", "dsr_vip_pools", ["203.0.113.1/24"]),
        ("listen_ranges", "dsr_listen_ranges", ["192.0.2.0"]),
        ("sessions", "dsr_bgp_sessions", "two"),
        ("sessions", "dsr_bgp_sessions", ["one"]),
    ],
)
def test_option_out_of_range(option: str, variable: str, value: Any) -> None:
    refused(f"^{variable}: ", **{option: value})


def test_hold_time_shorter_than_three_keepalives() -> None:
    refused("^dsr_bgp_hold: is 8, less than three keepalives of 3 s. Use at least 9", hold=8)


def test_numbers_of_bfd_do_not_matter_without_it() -> None:
    assert peering(bfd=False, bfd_interval=0).bfd is None


@pytest.mark.parametrize("interface", ["Vlan 10", "eth0; reload"])
def test_interface_that_is_none(interface: Any) -> None:
    refused("^router edge-1, interface: ", {**ROUTER, "interface": interface})


@pytest.mark.parametrize(
    "password", [" x", "a b", 'a"b', "a'b", "a\\b", "a$b", "a?b", "a;b", "a|b", "a!b", "x" * 81, "ä"]
)
def test_password_that_some_router_would_mistake_is_not_told(password: Any) -> None:
    error = refused("^dsr_bgp_password: cannot be typed into every router", password=password)
    assert password not in error.reason + error.cure


def test_secret_is_replaced_unless_shown() -> None:
    assert SECRET not in str(peering())
    assert peering(show_password=True).password == SECRET
    assert peering(password="", show_password=True).password == ""


def test_all_problems_at_once() -> None:
    error = refused("dsr_cluster", {"addresses": ["x"]}, node_asn=0, hold=1, cluster="a b")
    told = [line.split(":")[0] for line in str(error).splitlines()]
    assert told == ["dsr_cluster", "router edge-1, addresses", "dsr_node_asn", "dsr_bgp_hold"]


scrap = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
)


@given(
    option=st.sampled_from(
        [
            "nodes",
            "vip_pools",
            "cluster",
            "router_asn",
            "node_asn",
            "keepalive",
            "password",
            "max_paths",
            "listen_ranges",
            "sessions",
        ]
    ),
    value=scrap,
    router=st.one_of(st.just(ROUTER), scrap),
)
def test_scrap_is_no_traceback(option: str, value: Any, router: Any) -> None:
    try:
        peering(router, **{option: value})
    except DsrError as error:
        assert error.item and error.reason and error.cure
