# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Prefix, parse_prefix
from hypothesis import given
from hypothesis import strategies as st

_NETWORKS = st.builds(
    lambda address, length: ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False),
    st.ip_addresses(),
    st.integers(0, 128),
)


@given(st.lists(_NETWORKS))
def test_networks_are_ordered_as_numbers_ipv4_first(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> None:
    wanted = sorted(networks, key=lambda each: (each.version, int(each.network_address), each.prefixlen))
    ordered = sorted((parse_prefix("x", str(each)) for each in networks), key=Prefix.order)
    assert [each.text for each in ordered] == [str(each) for each in wanted]


@given(_NETWORKS)
def test_length(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    assert parse_prefix("x", str(network)).length == network.prefixlen


@given(_NETWORKS, _NETWORKS)
def test_overlap(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> None:
    wanted = one.version == other.version and one.overlaps(other)
    assert parse_prefix("x", str(one)).overlaps(parse_prefix("x", str(other))) == wanted
