# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of packets, byte for byte, on a director that steering has set up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.apply import reconcile
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering import packets
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import (
    FakeDirector,
    recorded,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import entry, options

V4, OTHER, IDLE, V6 = "203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:f::1"
FORMS = pytest.mark.parametrize("form", ["ipset", "iptables"])
TUNNELS = pytest.mark.parametrize("tunnel", ["ipip", "gre", "gue"])


def director_with(*entries: dict[str, Any], **others: Any) -> FakeDirector:
    director = FakeDirector()
    reconcile(director, options([V4, OTHER, IDLE, V6], *entries, **others), check_mode=False)
    return director


@FORMS
def test_source_ranges(form: str) -> None:
    director = director_with(
        entry(V4, 80, source_ranges=["192.0.2.0/24", "198.51.100.7/32"]),
        entry(V4, 443, source_ranges=["192.0.2.0/24", "0.0.0.0/0"]),
        entry(V4, 53, protocol="udp", source_ranges=[]),
        entry(V6, 80, 0xD00008, source_ranges=["2001:db8:1::/48"]),
        form=form,
    )
    fates = {
        (vip, what, source): director.fate(vip, what, source)
        for vip, what, source in [
            (V4, "tcp:80", "192.0.2.9"), (V4, "tcp:80", "198.51.100.7"), (V4, "tcp:80", "198.51.100.8"),
            (V4, "tcp:443", "198.51.100.8"), (V4, "udp:53", "198.51.100.8"), (V4, "icmp:3", "198.51.100.8"),
            (V4, "fragment", "198.51.100.8"),
            (V6, "tcp:80", "2001:db8:1:2::3"), (V6, "tcp:80", "2001:db8:2::3"), (V6, "icmp:2", "2001:db8:2::3"),
        ]
    }  # fmt: skip
    assert {packet for packet, fate in fates.items() if fate == "refused"} == {
        (V4, "tcp:80", "198.51.100.8"),
        (V6, "tcp:80", "2001:db8:2::3"),
    }
    assert {fate for fate in fates.values() if fate != "refused"} == {"local 0xd00002", "local 0xd00008"}


def test_only_the_refused_are_counted() -> None:
    wish = options([V4], entry(V4, 80, source_ranges=["192.0.2.0/24"]), entry(V4, 443))
    director = FakeDirector()
    reconcile(director, wish, check_mode=False)
    for source in ("192.0.2.1", "198.51.100.8", "198.51.100.9"):
        director.fate(V4, "tcp:80", source)
        director.fate(V4, "tcp:443", source)
    assert director.sets["dsr-limit4"].counts == {f"{V4},tcp:80": 2}
    director.read_only = True
    assert not reconcile(director, wish, check_mode=False)["changed"]


@FORMS
@pytest.mark.parametrize(("sent", "seen"), [(1460, 1380), (1380, 1380), (1200, 1200)])
def test_mss_of_replies(form: str, sent: int, seen: int) -> None:
    director = director_with(entry(V4, 80), form=form, mss={"ipv4": 1380, "ipv6": None})
    answer = packets.tcp(V4, "192.0.2.1", (80, 1000), packets.SYN_ACK, sent)
    assert director.route(answer) == f"forwarded mss {seen}"
    assert director.route(packets.tcp(V4, "192.0.2.1", (80, 1000), 0x10, sent)) == "forwarded"
    assert director.route(packets.tcp("192.0.2.7", "192.0.2.1", (80, 1000), mss=sent)) == "forwarded tracked"
    assert director.route(packets.tcp(V6, "2001:db8:1::1", (80, 1000), packets.SYN_ACK, sent)) == "forwarded"


@FORMS
def test_datagram_that_fits_into_no_tunnel(form: str) -> None:
    """Only where its sender forbids to fragment it, only UDP, and only at a port that is served."""
    entries = (entry(V4, 53, protocol="udp"), entry(V6, 53, protocol="udp"))
    director = director_with(*entries, form=form, mss={"ipv4": 1440, "ipv6": 1400}, mtu_table=80)

    def fate(size: int, flags: int = 0x40, port: int = 53) -> str:
        data = packets.udp("192.0.2.1", V4, (1000, port), bytes(size - 28))
        return director.route(data[:6] + bytes([flags]) + data[7:])

    assert fate(1480) == "local 0xd00002"
    assert fate(1481) == "too big for 1480"
    assert fate(1481, flags=0) == "local 0xd00002"
    assert fate(1481, port=54) == "refused"
    assert director.route(packets.udp("2001:db8:1::1", V6, (1000, 53), bytes(1440))) == "local 0xd00002"
    director.read_only = True
    again = options([V4, OTHER, IDLE, V6], *entries, form=form, mss={"ipv4": 1440, "ipv6": 1400}, mtu_table=80)
    assert not reconcile(director, again, check_mode=False)["changed"]


def test_another_size_of_datagrams_replaces_the_route() -> None:
    served = entry(V4, 53, protocol="udp")
    director = director_with(served, mss={"ipv4": 1440, "ipv6": None}, mtu_table=80)
    for mss in (1390, 1440):
        reconcile(director, options([V4, V6], served, mss={"ipv4": mss, "ipv6": None}, mtu_table=80), check_mode=False)
        assert [route["metric"] for route in director.routes[4][80]] == [mss + 40]
    reconcile(director, options([V4, V6], served), check_mode=False)
    assert not director.routes[4][80]


@FORMS
def test_errors_find_the_service_they_are_about(form: str) -> None:
    entries = [
        entry(OTHER, 80, 0xD00004), entry(OTHER, 443, 0xD00006), entry(OTHER, 443, 0xD0000C, "udp"),
        entry(V6, 80, 0xD00008), entry(V6, 53, 0xD0000A, "udp"), entry(V4, 80), entry(V4, 443),
    ]  # fmt: skip
    director = director_with(*entries, form=form)
    for one in entries:
        number = 2 if ":" in one["vip"] else 3
        error = f"icmp:{number} {one['protocol']}:{one['port']}"
        assert director.fate(one["vip"], error) == f"local {one['mark']:#x}"
    assert director.fate(OTHER, "icmp:3 tcp:53") == "local 0xd00001"
    assert director.fate(OTHER, "icmp:11") == "local 0xd00001"
    assert director.fate(V6, "icmp:1 tcp:443") == "local 0xd00001"


@FORMS
def test_ip_options_do_not_hide_the_port(form: str) -> None:
    director = director_with(entry(OTHER, 80, 0xD00004), entry(OTHER, 443, 0xD00006), form=form)
    reply = packets.tcp(OTHER, "192.0.2.1", (443, 1000))
    quoted = packets.ip(OTHER, "192.0.2.1", 6, reply[20:28], options=b"\1\1\1\1\1\1\1\0")
    error = packets.icmp("192.0.2.77", OTHER, 3, quoted, options=b"\1\1\1\0")
    assert director.route(error) == "local 0xd00006"
    later = packets.ip(OTHER, "192.0.2.1", 6, reply[20:28], offset=100)
    assert director.route(packets.icmp("192.0.2.77", OTHER, 3, later)) == "local 0xd00001"


def test_one_rule_for_a_port_of_many_vips() -> None:
    vips = [f"203.0.113.{number}" for number in range(1, 50)]
    entries = [
        entry(vip, port, 0xD00002 + 100 * at + port % 7 * 2) for at, vip in enumerate(vips) for port in (80, 443)
    ]
    director = FakeDirector()
    reconcile(director, options(vips, *entries), check_mode=False)
    assert len(director.tables[4]["mangle"]["DSR-ERROR"]) == 4
    for one in entries:
        assert director.fate(one["vip"], f"icmp:3 tcp:{one['port']}") == f"local {one['mark']:#x}"


def test_no_error_chain_where_no_vip_is_shared() -> None:
    director = director_with(entry(V4, 80), entry(V4, 443))
    assert "DSR-ERROR" not in director.tables[4]["mangle"]
    assert "dsr-error4" not in director.sets


@FORMS
def test_ping(form: str) -> None:
    entries = [entry(V4, 80), entry(OTHER, 80, 0xD00004), entry(OTHER, 443, 0xD00006), entry(V6, 80, 0xD00008)]
    director = director_with(*entries, form=form, ping=True)
    assert [director.fate(vip, "icmp:8") for vip in (V4, OTHER)] == ["answered", "answered"]
    assert director.fate(IDLE, "icmp:8") == "refused tracked"
    assert director.fate(V6, "icmp:128") == "local 0xd00008"
    assert director.fate(V4, "tcp:80") == "local 0xd00002"
    silent = director_with(*entries, form=form)
    assert {silent.fate(vip, "icmp:8") for vip in (V4, OTHER, IDLE)} == {"refused"}
    assert silent.fate(V6, "icmp:128") == "refused"
    assert not any("nat" in " ".join(words) for words in silent.writes)


GUARD = {
    "sources": ["198.51.100.11", "2001:db8:1::11"],
    "pods": ["10.244.1.2", "2001:db8:244:1::2"],
    "pools": ["198.18.0.0/16", "203.0.113.0/24", "2001:db8:f::/64", "2001:db8:8::/45"],
    "tunnels": ["gre", "gue", "ipip"],
}
CLIENT = {4: "192.0.2.1", 6: "2001:db8:1::1"}
POD = {4: "10.244.1.2", 6: "2001:db8:244:1::2"}
NODE = {4: "198.51.100.11", 6: "2001:db8:1::11"}
STRANGER = {4: "198.51.100.66", 6: "2001:db8:1::66"}
VERSIONS = pytest.mark.parametrize("version", [4, 6])


def inner(version: int, destination: str | None = None) -> bytes:
    vip = destination or {4: V4, 6: V6}[version]
    return packets.tcp(CLIENT[version], vip, (1000, 80))


@TUNNELS
@VERSIONS
def test_guard(tunnel: str, version: int) -> None:
    director = director_with(guard=GUARD)
    elsewhere = inner(version, {4: "203.0.114.1", 6: "2001:db8:10::1"}[version])

    def fate(source: str, payload: bytes, **others: Any) -> str:
        return director.route(packets.tunnelled(tunnel, source, POD[version], payload, **others))

    assert fate(NODE[version], inner(version)) == "forwarded tracked"
    assert fate(NODE[version], inner(version, {4: "198.18.255.255", 6: "2001:db8:f::"}[version])) == "forwarded tracked"
    assert fate(STRANGER[version], inner(version)) == "dropped"
    assert fate(NODE[version], elsewhere) == "dropped"
    assert fate(NODE[version], inner(version)[: 12 if version == 4 else 20]) == "dropped"
    other_pod = packets.tunnelled(tunnel, STRANGER[version], {4: "10.244.9.9", 6: "2001:db8:9::9"}[version], elsewhere)
    assert director.route(other_pod) == "forwarded tracked"


@TUNNELS
def test_guard_and_ip_options(tunnel: str) -> None:
    director = director_with(guard=GUARD)
    option = b"\1\1\1\1\1\1\1\0"
    good = packets.tunnelled(tunnel, NODE[4], POD[4], inner(4), option)
    assert director.route(good) == "forwarded tracked"
    bad = packets.tunnelled(tunnel, NODE[4], POD[4], inner(4, "203.0.114.1"), option)
    assert director.route(bad) == "dropped"
    for source in (NODE[6], STRANGER[6]):
        limited = packets.tunnelled(tunnel, source, POD[6], inner(6), packets.ENCAPSULATION_LIMIT)
        assert director.route(limited) == "dropped"


def test_guard_knows_what_ipvs_sends() -> None:
    """Recorded packets of every tunnel, from 10.244.1.1 and 2001:db8:244:1::1 to the pods, for the VIPs."""
    sources = ["10.244.1.1", "2001:db8:244:1::1"]
    director = director_with(guard={**GUARD, "sources": sources})
    fates = {
        name: director.route(bytes.fromhex(data))
        for name, data in (line.split() for line in recorded("ipvs-linux-6.12.hex").splitlines())
    }
    plain = {f"{tunnel}-{version}" for tunnel in ("ipip", "gre", "gue") for version in (4, 6)}
    assert {name for name, fate in fates.items() if fate == "forwarded tracked"} == {
        *plain, "gue-csum-4", "gue-csum-6",
    }  # fmt: skip
    assert {name for name, fate in fates.items() if fate == "dropped"} == {"gre-csum-4", "gre-csum-6"}


def test_guard_lets_only_the_headers_of_ipvs_through() -> None:
    director = director_with(guard=GUARD)
    keyed_gre = packets.ip(NODE[4], POD[4], 47, bytes.fromhex("2000080000000001") + inner(4))
    raw_gue = packets.udp(NODE[4], POD[4], (40000, 6080), inner(4))
    assert director.route(keyed_gre) == "dropped"
    assert director.route(raw_gue) == "dropped"


def test_guard_and_fragments() -> None:
    director = director_with(guard=GUARD)
    assert director.route(packets.ip(NODE[4], POD[4], 4, bytes(64), offset=100)) == "forwarded tracked"
    assert director.route(packets.ip(STRANGER[4], POD[4], 4, bytes(64), offset=100)) == "dropped"


def test_guard_looks_only_at_its_tunnels() -> None:
    director = director_with(guard={**GUARD, "tunnels": ["gre"]})
    assert director.route(packets.tunnelled("ipip", STRANGER[4], POD[4], inner(4))) == "forwarded tracked"
    assert director.route(packets.tunnelled("gre", STRANGER[4], POD[4], inner(4))) == "dropped"
    assert director.route(packets.udp(STRANGER[4], POD[4], (1, 53))) == "forwarded tracked"


@VERSIONS
def test_guard_without_vips(version: int) -> None:
    director = FakeDirector()
    reconcile(director, options([], guard=GUARD), check_mode=False)
    assert director.route(packets.tunnelled("ipip", STRANGER[version], POD[version], inner(version))) == "dropped"
    assert "DSR-MARK" not in director.tables[version]["mangle"]


def test_guard_of_a_pool_of_everything() -> None:
    director = director_with(guard={**GUARD, "pools": ["0.0.0.0/0", "::/0"]})
    for version in (4, 6):
        assert director.route(packets.tunnelled("ipip", NODE[version], POD[version], inner(version))) != "dropped"


def test_guard_without_pools_or_sources() -> None:
    for lacking in ("pools", "sources"):
        director = director_with(guard={**GUARD, lacking: []})
        assert director.route(packets.tunnelled("ipip", NODE[4], POD[4], inner(4))) == "dropped"
