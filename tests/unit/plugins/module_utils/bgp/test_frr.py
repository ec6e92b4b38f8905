# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of vtysh of FRR 10.3, in good and in bad state."""

from __future__ import annotations

import json

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.frr import (
    parse_bfd,
    parse_documents,
    parse_exports,
    parse_guarded,
    parse_sessions,
    parse_version,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import Bfd, Export, Session
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.recordings import text


def sessions(recording: str) -> dict[str, Session]:
    guarded = parse_guarded(text(recording, "running-config"))
    return {each.name: each for each in parse_sessions(text(recording, "neighbors.json"), guarded)}


def exports(route: dict[str, object]) -> list[Export]:
    return parse_exports({"advertisedRoutes": {"203.0.113.1/32": route}})


def test_established() -> None:
    found = sessions("frr-10.3-established")
    assert found["192.0.2.11"] == Session(
        name="192.0.2.11",
        neighbor="192.0.2.11",
        description="n1",
        families=("ipv4",),
        local_asn=64512,
        remote_asn=64513,
        state="established",
        uptime=168,
        hold_time=9,
        bfd=Bfd("192.0.2.11", "unknown", 300, 3, None),
        prefixes_received=2,
        prefixes_sent=3,
        password=True,
        ttl_security=True,
        graceful_restart={"local": False, "neighbor": False},
    )
    other = found["2001:db8:fab::12"]
    assert (other.families, other.password, other.ttl_security, other.bfd) == (("ipv6",), False, False, None)
    assert (found["192.0.2.99"].state, found["192.0.2.99"].last_error) == ("active", "Waiting for peer OPEN")
    assert found["192.0.2.99"].hold_time is found["192.0.2.99"].uptime is None


def test_failing() -> None:
    found = sessions("frr-10.3-failing")
    assert {name: (each.state, each.last_error) for name, each in found.items()} == {
        "192.0.2.11": ("idle", "BFD down received"),
        "192.0.2.12": ("connect", "BGP Notification send: Cease/Other Configuration Change"),
        "2001:db8:fab::11": ("active", "BGP Notification received: Cease/Administrative Shutdown"),
        "2001:db8:fab::12": ("disabled", "Admin. shutdown"),
        "192.0.2.99": ("active", "Waiting for peer OPEN"),
    }
    assert parse_bfd(text("frr-10.3-failing", "bfd.json")) == [
        Bfd("192.0.2.11", "down", 300, 3, None),
        Bfd("192.0.2.12", "up", 300, 3, 900),
    ]


def test_neighbors_of_a_listen_range_and_graceful_restart() -> None:
    found = sessions("frr-10.3-dynamic")
    assert "peerSubnetRangeGroup" in text("frr-10.3-dynamic", "neighbors.json")
    assert (found["192.0.2.12"].state, found["192.0.2.12"].ttl_security) == ("established", True)
    assert found["192.0.2.11"].graceful_restart == {"local": False, "neighbor": False}
    assert found["192.0.2.12"].graceful_restart == {"local": True, "neighbor": False}
    assert found["2001:db8:fab::12"].graceful_restart == {"local": True, "neighbor": True}


def test_asymmetric_bfd() -> None:
    peer = {
        "peer": "fe80::1",
        "interface": "eth0",
        "status": "up",
        "transmit-interval": 100,
        "receive-interval": 200,
        "detect-multiplier": 5,
        "remote-transmit-interval": 400,
        "remote-receive-interval": 300,
        "remote-detect-multiplier": 4,
    }
    assert parse_bfd(json.dumps([peer])) == [Bfd("fe80::1%eth0", "up", 300, 5, 1600)]
    assert parse_bfd(json.dumps([{**peer, "status": "shutdown"}])) == [Bfd("fe80::1%eth0", "admin_down", 100, 5, None)]


def test_a_neighbor_that_is_an_interface() -> None:
    told = {"eth0": {"bgpState": "Established", "hostForeign": "fe80::1"}, "eth1": {"bgpState": "Idle"}}
    assert [(each.name, each.neighbor) for each in parse_sessions(json.dumps(told))] == [
        ("eth0", "fe80::1%eth0"),
        ("eth1", "eth1"),
    ]


def test_ttl_security_is_unknown_without_the_configuration() -> None:
    found = parse_sessions(text("frr-10.3-established", "neighbors.json"))
    assert {each.ttl_security for each in found} == {None}


def test_configuration() -> None:
    config = text("frr-10.3-established", "running-config")
    assert parse_version(config) == "10.3"
    assert parse_guarded(config) == {"n4"}
    assert parse_guarded(config.replace("router bgp 64512\n", "router bgp 64512 vrf blue\n")) == frozenset()
    assert parse_guarded("hostname vm\n!\nend\n") == frozenset()


def test_exports() -> None:
    (document,) = parse_documents(text("frr-10.3-established", "advertised-192.0.2.11.json"), "show")
    drained = ("64512:7", "65535:0")
    assert parse_exports(document) == [
        Export("198.51.100.9", drained),
        Export("203.0.113.1", drained),
        Export("203.0.113.2", (*drained, "64513:1:2")),
    ]


def test_communities_of_the_best_path() -> None:
    first = {"community": {"list": ["1:1"]}}
    best = {"community": {"list": ["noExport", "10:2", "9:3"]}, "bestpath": {"overall": True}}
    assert exports({"paths": [first, best]}) == [Export("203.0.113.1", ("9:3", "10:2", "65535:65281"))]
    assert exports({"paths": [first]}) == [Export("203.0.113.1", ("1:1",))]
    assert exports({}) == [Export("203.0.113.1")]


def test_communities_in_one_order_whatever_they_are() -> None:
    odd = ["²:1", "odd", "65535:0", "9" * 5000, "2:1", "10:1", "10:1"]
    (export,) = exports({"paths": [{"community": {"list": odd}, "largeCommunity": {"list": ["1:1:1"]}}]})
    assert export.communities == ("9" * 5000, "odd", "²:1", "2:1", "10:1", "65535:0", "1:1:1")


def test_only_host_routes_count_as_vips() -> None:
    told = {"advertisedRoutes": {"203.0.113.0/24": {}, "2001:db8::1/128": {}, "default": {}}}
    assert parse_exports(told) == [Export("2001:db8::1")]


@pytest.mark.parametrize("output", ["", "% BGP instance not found", "{", "[]", "[" * 100_000])
def test_what_is_no_json_is_an_error_with_a_cure(output: str) -> None:
    with pytest.raises(DsrError, match="printed what is no JSON that can be read"):
        parse_sessions(output)


def test_no_instance_has_no_sessions() -> None:
    assert parse_sessions("{}") == []
