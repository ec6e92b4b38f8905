# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Port, parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULERS
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import (
    Data,
    clusters,
    example,
    unhurried,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Change = Callable[[Data], None]


def web(**fields: Any) -> Change:
    """Changes fields of the service web."""

    def change(data: Data) -> None:
        data["services"][0].update(fields)

    return change


def backend(**fields: Any) -> Change:
    """Changes fields of web's first backend."""

    def change(data: Data) -> None:
        data["services"][0]["backends"][0].update(fields)

    return change


def port(value: Any) -> Change:
    """Makes value web's only port."""
    return web(ports=[value])


def node(**fields: Any) -> Change:
    """Changes fields of the node n1."""

    def change(data: Data) -> None:
        data["nodes"]["n1"].update(fields)

    return change


def given_as(**fields: Any) -> Change:
    """Replaces whole inputs."""

    def change(data: Data) -> None:
        data.update(fields)

    return change


def more(**fields: Any) -> Change:
    """Adds a service that is valid but for the fields."""

    def change(data: Data) -> None:
        data["services"].append(
            {"name": "more", "vip": "203.0.113.9", "ports": [{"port": 80}], "backends": [], **fields}
        )

    return change


def without(*path: str | int) -> Change:
    """Takes away a key."""

    def change(data: Data) -> None:
        at: Any = data
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]

    return change


def both(first: Change, second: Change) -> Change:
    def change(data: Data) -> None:
        first(data)
        second(data)

    return change


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
    "duplicate port": (
        web(ports=[{"port": 80}, {"port": "80", "protocol": "tcp"}]),
        "service web: 203.0.113.1 port 80/tcp is twice in this service",
    ),
    "duplicate name": (more(name="web"), "service web: is defined twice"),
    "name not a string": (web(name=80), "dsr_services[0]: name 80 is not a name"),
    "name of other characters": (web(name="a\nb"), "dsr_services[0]: name 'a\\nb' is not a name"),
    "name too long": (web(name="a" * 254), "at most 253"),
    "port zero": (port({"port": 0}), "service web, port: is 0, out of range. Use a whole number from 1 to 65535"),
    "port too high": (port({"port": 65536}), "service web, port: is 65536, out of range"),
    "port a word": (port({"port": "http"}), "service web, port: is 'http', not a number"),
    "port a bool": (port({"port": True}), "service web, port: is True, not a number"),
    "port a fraction": (port({"port": 80.5}), "service web, port: is 80.5, not a number"),
    "port negative text": (port({"port": "-80"}), "service web, port: is '-80', not a number"),
    "port a scalar": (port(80), "service web, ports: is 80, not a mapping"),
    "port of unknown key": (
        port({"port": 80, "proto": "tcp"}),
        "service web, ports: has unknown keys: proto. Valid keys are port, protocol, targetPort",
    ),
    "port without number": (port({"protocol": "tcp"}), "service web, ports: lacks the keys port"),
    "ports empty": (web(ports=[]), "service web: has no ports"),
    "ports not a list": (web(ports={"port": 80}), "service web, ports: is {'port': 80}, not a list"),
    "protocol unknown": (
        port({"port": 80, "protocol": "icmp"}),
        "service web, port 80: unknown protocol 'icmp'. Use one of tcp, udp",
    ),
    "protocol not a string": (port({"port": 80, "protocol": 6}), "service web, port 80: unknown protocol 6"),
    "protocol sctp": (port({"port": 80, "protocol": "SCTP"}), "service web, port 80: is SCTP, which is not supported"),
    "targetPort differs": (port({"port": 80, "targetPort": 8080}), "Direct Server Return cannot rewrite ports"),
    "targetPort named": (port({"port": 80, "targetPort": "http"}), "service web, port 80: has targetPort 'http'"),
    "scheduler unknown": (web(scheduler="maglev"), "service web: unknown scheduler 'maglev'. Use one of dh, fo,"),
    "scheduler not a string": (web(scheduler=["mh"]), "service web: unknown scheduler ['mh']"),
    "service of unknown key": (
        web(backend=[]),
        "service web: has unknown keys: backend. Valid keys are backends, name, ports, scheduler, vip",
    ),
    "service without vip": (without("services", 0, "vip"), "service web: lacks the keys vip"),
    "service without name": (without("services", 0, "name"), "dsr_services[0]: lacks the keys name"),
    "service a string": (given_as(services=["web"]), "dsr_services[0]: is 'web', not a mapping"),
    "services a mapping": (given_as(services={"web": {}}), "dsr_services: is {'web': {}}, not a list"),
    "services null": (given_as(services=None), "dsr_services: is None, not a list"),
    "backends a string": (web(backends="10.244.1.2"), "service web, backends: is '10.244.1.2', not a list"),
    "backend a string": (web(backends=["10.244.1.2"]), "service web, backends[0]: is '10.244.1.2', not a mapping"),
    "backend of unknown key": (
        backend(host="n1"),
        "service web, backend 10.244.2.2: has unknown keys: host. Valid keys are address, node, weight",
    ),
    "backend without address": (
        without("services", 0, "backends", 1, "address"),
        "service web, backends[1]: lacks the keys address",
    ),
    "backend without node": (
        without("services", 0, "backends", 0, "node"),
        "service web, backend 10.244.2.2: lacks the keys node",
    ),
    "backend not an address": (backend(address="pod-1"), "service web, backend pod-1: 'pod-1' is not an IP address"),
    "backend's address of control characters": (
        backend(address="10.244.2.2\n"),
        "service web, backends[0]: '10.244.2.2\\n' is not an IP address",
    ),
    "backend on unknown node": (
        backend(node="n9"),
        "service web, backend 10.244.2.2: is on node 'n9', which is not in the cluster",
    ),
    "backend's node a list": (backend(node=["n1"]), "is on node ['n1'], which is not in the cluster"),
    "backend of other family": (
        backend(address="2001:db8:1::7", node="n1"),
        "service web, backend 2001:db8:1::7: is IPv6, but the vip 203.0.113.1 is IPv4",
    ),
    "backend outside its node's networks": (
        backend(node="n1"),
        "service web, backend 10.244.2.2: is outside the pod networks of node n1 (10.244.1.0/24, 2001:db8:1::/64)",
    ),
    "backend with hostNetwork": (
        backend(address="192.0.2.12"),
        "service web, backend 192.0.2.12: is an address of node n2: a director delivers to a destination of its own"
        " without encapsulation, so a hostNetwork pod cannot be a backend",
    ),
    "backend listed twice": (
        backend(address="10.244.1.10", node="n1"),
        "service web, backend 10.244.1.10: is listed twice in this service",
    ),
    "backend on two nodes": (
        both(
            without("nodes", "n1", "pod_cidrs"),
            more(backends=[{"address": "10.244.2.2", "node": "n1"}]),
        ),
        "service more, backend 10.244.2.2: is on node n1 here, but on node n2 in service web",
    ),
    "weight negative": (backend(weight=-1), "service web, backend 10.244.2.2, weight: is -1, out of range"),
    "weight too high": (backend(weight=65536), "service web, backend 10.244.2.2, weight: is 65536, out of range"),
    "weight null": (backend(weight=None), "service web, backend 10.244.2.2, weight: is None, not a number"),
    "pool not a network": (given_as(vip_pools=["vips"]), "dsr_vip_pools: 'vips' is not a network"),
    "pool an address": (given_as(vip_pools=["203.0.113.1"]), "dsr_vip_pools: '203.0.113.1' is not a network"),
    "pool of bad length": (given_as(vip_pools=["203.0.113.0/33"]), "dsr_vip_pools: '203.0.113.0/33' is not a network"),
    "pool with host bits": (
        given_as(vip_pools=["203.0.113.1/24"]),
        "dsr_vip_pools: '203.0.113.1/24' has host bits set. Write '203.0.113.0/24'",
    ),
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
        given_as(mark_mask=0xFFFFFFFC),
        "dsr_mark_mask: 0xfffffffc leaves room for 1 services, there are 3",
    ),
    "mark base outside mask": (given_as(mark_base=0x00D00010), "dsr_mark_base: 0x00d00010 has bits outside"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    data = example()
    change(data)
    with pytest.raises(DsrError) as error:
        parse_cluster(**data)
    assert message in str(error.value)
    assert "\n" not in str(error.value), "one mistake is told as one problem"


def test_example_is_accepted() -> None:
    cluster = parse_cluster(**example())
    assert [service.name for service in cluster.services] == ["dns", "idle", "web"]
    dns, idle, web_ = cluster.services
    assert dns.ports == (Port(53, "tcp"), Port(53, "udp"))
    assert dns.vip.family == "ipv6"
    assert idle.backends == ()
    assert web_.scheduler == "mh"
    assert [(b.address.text, b.node, b.weight) for b in web_.backends] == [
        ("10.244.1.10", "n1", 1),
        ("10.244.2.2", "n2", 3),
    ]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_of_the_kernel_is_accepted(scheduler: str) -> None:
    data = example()
    web(scheduler=scheduler)(data)
    assert parse_cluster(**data).services[2].scheduler == scheduler


def test_numbers_may_come_as_text() -> None:
    data = example()
    port({"port": "80", "targetPort": 80})(data)
    backend(weight="3")(data)
    service = parse_cluster(**data).services[2]
    assert service.ports == (Port(80, "tcp"),)
    assert service.backends[1].weight == 3


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


def test_backends_of_a_node_that_states_no_pod_networks_are_not_checked_against_them() -> None:
    data = example()
    without("nodes", "n2", "pod_cidrs")(data)
    backend(address="198.51.100.77")(data)
    assert "198.51.100.77" in [b.address.text for b in parse_cluster(**data).services[2].backends]


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
    data = example()
    container, key = draw.draw(st.sampled_from(_places(data)))
    container[key] = value
    with suppress(DsrError):
        parse_cluster(**data)


@given(clusters())
@unhurried
def test_valid_clusters_are_accepted(data: Data) -> None:
    assert len(parse_cluster(**data).services) == len(data["services"])
