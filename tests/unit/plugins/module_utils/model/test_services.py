# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import example
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.model.changes import (
    Change,
    both,
    given_as,
    more,
    node,
    parsed_web,
    refusal,
    web,
    without,
)

REFUSED: dict[str, tuple[Change, str]] = {
    "vip not an address": (web(vip="203.0.113.256"), "service web, vip: '203.0.113.256' is not an IP address"),
    "vip not a string": (web(vip=3405803777), "service web, vip: 3405803777 is not an IP address"),
    "vip with prefix length": (web(vip="203.0.113.1/32"), "service web, vip: '203.0.113.1/32' is not an IP address"),
    "vip with scope": (web(vip="fe80::1%eth0"), "service web, vip: 'fe80::1%eth0' is not an IP address"),
    "vip outside pools": (
        web(vip="198.51.100.1"),
        "service web: vip 198.51.100.1 is outside the pools (203.0.113.0/24, 2001:db8:f::/64)",
    ),
    "no pools": (
        given_as(vip_pools=[], services=example()["services"][:1]),
        "service web: vip 203.0.113.1 is outside the pools (none)",
    ),
    "vip is a node address": (web(vip="192.0.2.12"), "service web: vip 192.0.2.12 is an address of node n2"),
    "vip is the address of an overlay device": (
        both(node(tunnel_addresses=["192.0.2.211", "172.16.0.1"]), web(vip="172.16.0.1")),
        "service web: vip 172.16.0.1 is an address of node n1",
    ),
    "vip is a pod address": (
        both(
            without("nodes", "n1", "pod_cidrs"),
            more(backends=[{"address": "203.0.113.2", "node": "n1"}]),
        ),
        "service idle: vip 203.0.113.2 is the address of a backend of service more",
    ),
    "vip in a pod network": (web(vip="10.244.2.77"), "service web: vip 10.244.2.77 lies in a pod network of node n2"),
    "duplicate vip and port": (
        more(vip="203.0.113.1"),
        "service more: 203.0.113.1 port 80/tcp is also in service web",
    ),
    "duplicate vip in another spelling": (
        more(vip="2001:0DB8:F:0::1", ports=[{"port": 53, "protocol": "UDP"}]),
        "service more: 2001:db8:f::1 port 53/udp is also in service dns",
    ),
    "duplicate name": (more(name="web"), "service web: is defined twice"),
    "name not a string": (web(name=80), "dsr_services[0]: name 80 is not a name"),
    "name of other characters": (web(name="a\nb"), "dsr_services[0]: name 'a\\nb' is not a name"),
    "name too long": (web(name="a" * 254), "at most 253"),
    "service of unknown key": (
        web(backend=[]),
        "service web: has unknown keys: backend. Valid keys are affinity, affinity_timeout, backends, name, policy,"
        " ports, scheduler, scheduler_flags, source_ranges, tunnel, vip",
    ),
    "service without vip": (without("services", 0, "vip"), "service web: lacks the keys vip"),
    "service without name": (without("services", 0, "name"), "dsr_services[0]: lacks the keys name"),
    "service a string": (given_as(services=["web"]), "dsr_services[0]: is 'web', not a mapping"),
    "tunnel unknown": (web(tunnel="vxlan"), "service web: unknown tunnel 'vxlan'. Use one of gre, gue, ipip"),
    "tunnel not a string": (web(tunnel=["gue"]), "service web: unknown tunnel ['gue']"),
    "policy unknown": (web(policy="Local"), "service web: unknown policy 'Local'. Use one of cluster, local"),
    "policy not a string": (web(policy=["local"]), "service web: unknown policy ['local']"),
    "policies of one vip differ": (
        more(vip="203.0.113.1", ports=[{"port": 81}], policy="local"),
        "service more: has policy local, but service web on the same vip 203.0.113.1 has policy cluster",
    ),
    "source_ranges a string": (
        web(source_ranges="198.51.100.0/24"),
        "service web, source_ranges: is '198.51.100.0/24', not a list",
    ),
    "source range an address": (
        web(source_ranges=["198.51.100.7"]),
        "service web, source_ranges: '198.51.100.7' is not a network. Write a network with its prefix length",
    ),
    "source range no network": (
        web(source_ranges=["198.51.100.0/24", "office"]),
        "service web, source_ranges: 'office' is not a network",
    ),
    "source range with host bits": (
        web(source_ranges=["198.51.100.7/24"]),
        "service web, source_ranges: '198.51.100.7/24' has host bits set. Write '198.51.100.0/24'",
    ),
    "source range of the other family": (
        web(source_ranges=["2001:db8::/32"]),
        "service web, source_ranges: 2001:db8::/32 is IPv6, but the vip 203.0.113.1 is IPv4",
    ),
    "everybody of the other family": (web(source_ranges=["::/0"]), "service web, source_ranges: ::/0 is IPv6"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    assert message in refusal(change)


def source_ranges(*given: str) -> list[str]:
    """Web's source ranges when these are stated."""
    return [network.text for network in parsed_web(web(source_ranges=list(given))).source_ranges]


def test_source_ranges_stand_in_numeric_order_once_each() -> None:
    given = ["198.51.100.0/24", "192.0.2.128/25", "192.0.2.0/24", "9.0.0.0/8", "198.51.100.0/24", "192.0.2.7/32"]
    wanted = ["9.0.0.0/8", "192.0.2.0/24", "192.0.2.7/32", "192.0.2.128/25", "198.51.100.0/24"]
    assert source_ranges(*given) == wanted


def test_source_ranges_that_hold_everybody_are_none() -> None:
    assert source_ranges() == []
    assert source_ranges("0.0.0.0/0", "198.51.100.0/24") == []
    assert source_ranges("0.0.0.0/1") == ["0.0.0.0/1"]


def test_tunnel_is_the_services_or_the_clusters() -> None:
    assert parsed_web().tunnel == "ipip"
    assert parsed_web(given_as(tunnel="gre")).tunnel == "gre"
    assert parsed_web(given_as(tunnel="gre"), web(tunnel="gue")).tunnel == "gue"


def test_one_vip_may_be_shared_by_services_on_other_ports_or_protocols() -> None:
    data = example()
    more(vip="203.0.113.1", ports=[{"port": 80, "protocol": "udp"}, {"port": 8080}])(data)
    assert len(parse_cluster(**data).services) == 4


def test_addresses_are_normalised() -> None:
    data = example()
    web(vip="2001:DB8:F:0:0::00AA", backends=[{"address": "2001:db8:1:0:0:0:0:7", "node": "n1"}])(data)
    service = parse_cluster(**data).services[2]
    assert service.vip.text == "2001:db8:f::aa"
    assert service.backends[0].address.text == "2001:db8:1::7"
