# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter speaker_sessions, and that router and node choose the same session."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter.speaker_sessions import FilterModule, speaker_sessions
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import parse_peering

BOTH = {4: "192.0.2.{}", 6: "2001:db8:1::{}"}
POOLS = ["203.0.113.0/24", "2001:db8:f::/64"]
MACHINES = [[4, 6], [6, 4], [4], [6]]


def own(number: int, versions: list[int]) -> list[str]:
    return [BOTH[version].format(number) for version in versions]


def sessions(router: list[int], node: list[int], form: str) -> list[dict[str, Any]]:
    routers = [{"name": "r-1", "addresses": own(1, router), "asn": "64512"}]
    return speaker_sessions(routers, own(11, node), form, "n1")


def test_it_is_a_filter() -> None:
    assert FilterModule().filters() == {"speaker_sessions": speaker_sessions}


def test_a_session_of_each_family() -> None:
    four, six = sessions([4, 6], [6, 4], "per_family")
    assert four == {
        "name": "dsr_r_1_ipv4",
        "router": "r-1",
        "local": "192.0.2.11",
        "neighbor": "192.0.2.1",
        "asn": 64512,
        "channels": [{"family": "ipv4", "next_hop": ""}],
    }
    assert (six["name"], six["local"], six["channels"]) == (
        "dsr_r_1_ipv6",
        "2001:db8:1::11",
        [{"family": "ipv6", "next_hop": ""}],
    )


def test_one_session_has_the_nodes_own_address_as_next_hop_of_the_other_family() -> None:
    (session,) = sessions([6, 4], [6, 4], "one")
    assert (session["name"], session["local"], session["neighbor"]) == ("dsr_r_1_ipv4", "192.0.2.11", "192.0.2.1")
    assert session["channels"] == [
        {"family": "ipv4", "next_hop": ""},
        {"family": "ipv6", "next_hop": "2001:db8:1::11"},
    ]


def test_the_first_address_of_a_family_speaks() -> None:
    routers = [{"name": "r1", "addresses": ["192.0.2.1", "192.0.2.2"], "asn": 64512}]
    (session,) = speaker_sessions(routers, ["192.0.2.11", "192.0.2.12"], "per_family", "n1")
    assert (session["local"], session["neighbor"]) == ("192.0.2.11", "192.0.2.1")


@pytest.mark.parametrize(
    ("routers", "addresses", "form", "message"),
    [
        ([[4, 6]], [6], "one", "^node n1: has no IPv4 address; router r0 has one, .* Add one .* per_family"),
        ([[6]], [4], "one", "^node n1: has no IPv6 address; router r0 has one"),
        ([[4], [4, 6]], [6], "one", "(?s)router r0 has one.*router r1 has one"),
        ([[4]], [4], "two", "^dsr_bgp_sessions: 'two' is not known. Use per_family, one"),
    ],
)
def test_refused(routers: list[list[int]], addresses: list[int], form: str, message: str) -> None:
    them = [{"name": f"r{i}", "addresses": own(i, each), "asn": 64512} for i, each in enumerate(routers)]
    with pytest.raises(AnsibleFilterError, match=message):
        speaker_sessions(them, own(11, addresses), form, "n1")


@pytest.mark.parametrize("addresses", ["192.0.2.1", ["192.0.2.0/24"], ["r1"], [7], None])
def test_addresses_that_are_none(addresses: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="^router r1, addresses: "):
        speaker_sessions([{"name": "r1", "addresses": addresses, "asn": 64512}], ["192.0.2.11"], "per_family", "n1")


@pytest.mark.parametrize("form", ["per_family", "one"])
@pytest.mark.parametrize("router", MACHINES)
@pytest.mark.parametrize("node", MACHINES)
def test_both_ends_choose_the_same(router: list[int], node: list[int], form: str) -> None:
    """What the router's side refuses for a family that is missing, the node's side has no session for, or refuses."""
    try:
        peering = parse_peering(
            "r-1",
            {"addresses": own(1, router)},
            nodes={"n1": {"addresses": own(11, node)}},
            vip_pools=POOLS,
            sessions=form,
        )
    except DsrError as error:
        if error.item == "node n1":
            with pytest.raises(AnsibleFilterError, match="^node n1: "):
                sessions(router, node, form)
        else:
            assert sessions(router, node, form) == []
        return
    waiting = {neighbor.address for group in peering.groups for neighbor in group.neighbors}
    assert {session["local"] for session in sessions(router, node, form)} == waiting
