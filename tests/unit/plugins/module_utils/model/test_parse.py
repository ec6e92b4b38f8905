# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Port, parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import (
    Data,
    clusters,
    example,
    full,
    unhurried,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.model.changes import (
    Change,
    backend,
    both,
    given_as,
    more,
    node,
    refusal,
    web,
    without,
)
from hypothesis import given, settings
from hypothesis import strategies as st

POOLS = ["203.0.113.0/24", "2001:db8:f::/64"]
REFUSED: dict[str, tuple[Change, str]] = {
    "services a mapping": (given_as(services={"web": {}}), "dsr_services: is {'web': {}}, not a list"),
    "services null": (given_as(services=None), "dsr_services: is None, not a list"),
    "pool not a network": (given_as(vip_pools=["vips"]), "dsr_vip_pools: 'vips' is not a network"),
    "pool an address": (given_as(vip_pools=["203.0.113.1"]), "dsr_vip_pools: '203.0.113.1' is not a network"),
    "pool of bad length": (given_as(vip_pools=["203.0.113.0/33"]), "dsr_vip_pools: '203.0.113.0/33' is not a network"),
    "pool with host bits": (
        given_as(vip_pools=["203.0.113.1/24"]),
        "dsr_vip_pools: '203.0.113.1/24' has host bits set. Write '203.0.113.0/24'",
    ),
    "pool over pods": (
        given_as(vip_pools=["10.0.0.0/8", "2001:db8:f::/64"]),
        "dsr_vip_pools: 10.0.0.0/8 overlaps 10.244.1.0/24, pods of node",
    ),
    "pool over nodes": (
        given_as(vip_pools=["192.0.2.0/24", "203.0.113.0/24", "2001:db8:f::/64"]),
        "dsr_vip_pools: 192.0.2.0/24 holds 192.0.2.11 of node",
    ),
    "pool over tunnel addresses": (
        both(node(tunnel_addresses=["172.16.0.1"]), given_as(vip_pools=["172.16.0.0/30", *POOLS])),
        "dsr_vip_pools: 172.16.0.0/30 holds 172.16.0.1 of node n1. Take the VIPs from a network of their own",
    ),
    "pool over backends of a node without pod_cidrs": (
        both(without("nodes", "n2", "pod_cidrs"), given_as(vip_pools=["10.244.2.0/24", *POOLS])),
        "dsr_vip_pools: 10.244.2.0/24 holds 10.244.2.2, a backend of service web",
    ),
    "pool over routers": (
        given_as(routers=[{"name": "r1", "addresses": ["198.51.100.1", "203.0.113.254"]}]),
        "dsr_vip_pools: 203.0.113.0/24 holds 203.0.113.254 of router r1",
    ),
    "router's address bad": (
        given_as(routers=[{"name": "r1", "addresses": ["r1.example"]}]),
        "router r1, addresses: 'r1.example' is not an IP address",
    ),
    "routers a mapping": (given_as(routers={"r1": {}}), "routers: is {'r1': {}}, not a list"),
    "pools a string": (given_as(vip_pools="203.0.113.0/24"), "dsr_vip_pools: is '203.0.113.0/24', not a list"),
    "node without address": (node(addresses=[]), "node n1: has no address"),
    "node without addresses": (without("nodes", "n1", "addresses"), "node n1: lacks the keys addresses"),
    "node's address bad": (node(addresses=["n1.example"]), "node n1, addresses: 'n1.example' is not an IP address"),
    "node's addresses a string": (node(addresses="192.0.2.11"), "node n1, addresses: is '192.0.2.11', not a list"),
    "node's pod network bad": (node(pod_cidrs=["10.244.1.2/24"]), "node n1, pod_cidrs: '10.244.1.2/24' has host bits"),
    "node of unknown key": (node(asn=64513), "node n1: has unknown keys: asn. Valid keys are addresses, pod_cidrs"),
    "nodes share an address": (node(addresses=["192.0.2.12"]), "node n2: address 192.0.2.12 is also that of node n1"),
    "nodes a list": (given_as(nodes=["n1"]), "nodes: is ['n1'], not a mapping"),
    "mark range too small": (
        both(given_as(mark_mask=0xFFFFFFF8), more()),
        "dsr_mark_mask: 0xfffffff8 leaves room for 3 services, there are 4",
    ),
    "mark range without room for what is reserved": (
        given_as(mark_mask=0xFFFFFFFC, services=[]),
        "dsr_mark_mask: 0xfffffffc makes a range of 4, but 8 marks are the least",
    ),
    "mark base outside mask": (given_as(mark_base=0x00D00010), "dsr_mark_base: 0x00d00010 has bits outside"),
    "default tunnel unknown": (given_as(tunnel="vxlan"), "dsr_tunnel: unknown tunnel 'vxlan'. Use one of gre, gue,"),
    "default tunnel null": (given_as(tunnel=None), "dsr_tunnel: unknown tunnel None"),
    "mtu too small": (given_as(mtu=575), "dsr_mtu: is 575, out of range. Use a whole number from 576 to 65535"),
    "mtu too big": (given_as(mtu=65536), "dsr_mtu: is 65536, out of range"),
    "mtu a word": (given_as(mtu="jumbo"), "dsr_mtu: is 'jumbo', not a number"),
    "mtu too small for IPv6": (
        given_as(mtu=1279),
        "dsr_mtu: is 1279, but there are IPv6 vips, and every network that carries IPv6 has 1280 at least",
    ),
    "overlay_overhead negative": (given_as(overlay_overhead=-1), "dsr_overlay_overhead: is -1, out of range"),
    "overlay_overhead too big": (
        given_as(overlay_overhead=201),
        "dsr_overlay_overhead: is 201, out of range. Use a whole number from 0 to 200",
    ),
    "overlay_overhead null": (given_as(overlay_overhead=None), "dsr_overlay_overhead: is None, not a number"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    assert message in refusal(change)


def test_example_is_accepted() -> None:
    cluster = parse_cluster(**example())
    assert [service.name for service in cluster.services] == ["dns", "idle", "web"]
    dns, idle, web_ = cluster.services
    assert dns.ports == (Port(53, "tcp"), Port(53, "udp"))
    assert dns.vip.family == "ipv6"
    assert idle.backends == ()
    assert web_.scheduler == "mh"


def test_full_example_is_accepted() -> None:
    cluster = parse_cluster(**full())
    assert (cluster.tunnel, cluster.mtu, cluster.overlay_overhead) == ("gre", 9000, 50)


def test_defaults_of_the_cluster() -> None:
    cluster = parse_cluster(**example())
    assert (cluster.tunnel, cluster.mtu, cluster.overlay_overhead) == ("ipip", 1500, 0)


@pytest.mark.parametrize(("mtu", "services"), [("1280", slice(None)), (576, slice(1)), (65535, slice(None))])
def test_least_and_biggest_mtu(mtu: Any, services: slice) -> None:
    data = example()
    data["services"] = data["services"][services]
    assert parse_cluster(**data, mtu=mtu).mtu == int(mtu)


def test_pools_stand_in_numeric_order_once_each() -> None:
    pools = ["2001:db8:f::/64", "203.0.113.0/24", "9.0.0.0/8", "203.0.113.0/24", "203.0.0.0/16"]
    cluster = parse_cluster(**{**example(), "vip_pools": pools})
    assert [pool.text for pool in cluster.pools] == ["9.0.0.0/8", "203.0.0.0/16", "203.0.113.0/24", "2001:db8:f::/64"]


def test_all_problems_are_told_a_line_each() -> None:
    data = example()
    web(ports=[{"port": 0}, {"port": 1, "protocol": "gre"}])(data)
    backend(weight=-1)(data)
    more(vip="here")(data)
    with pytest.raises(DsrError) as error:
        parse_cluster(**data)
    assert [line.split(":")[0] for line in str(error.value).split("\n")] == [
        "service web, port",
        "service web, port 1",
        "service web, backend 10.244.2.2, weight",
        "service more, vip",
    ]


def test_more_problems_than_fit_are_counted() -> None:
    data = example()
    web(backends=[{"address": f"10.244.3.{pod}", "node": "n3"} for pod in range(30)])(data)
    with pytest.raises(DsrError) as error:
        parse_cluster(**data)
    lines = str(error.value).split("\n")
    assert len(lines) == 21
    assert lines[-1] == "... and 10 more problems"


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside the value."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, key) for key, _inner in inner] + [place for _key, child in inner for place in _places(child)]


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.ip_addresses().map(str)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@given(st.data(), _JSON)
@settings(unhurried, max_examples=300)
def test_any_value_anywhere_is_accepted_or_refused_but_never_a_traceback(draw: st.DataObject, value: Any) -> None:
    data = full()
    container, key = draw.draw(st.sampled_from(_places(data)))
    container[key] = value
    with suppress(DsrError):
        parse_cluster(**data)


@given(clusters())
@unhurried
def test_valid_clusters_are_accepted(data: Data) -> None:
    assert len(parse_cluster(**data).services) == len(data["services"])
