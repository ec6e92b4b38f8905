# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each line of the recipe, looked at on the machines themselves."""

from __future__ import annotations

import json

import pytest

NODES = ("n1", "n2", "n3")
VIPS = ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
IDLE_VIP = "203.0.113.3"
CLIENT = {4: "198.51.100.10", 6: "2001:db8:c::10"}
FABRIC = {
    4: {"192.0.2.11", "192.0.2.12", "192.0.2.13"},
    6: {"2001:db8:fab::11", "2001:db8:fab::12", "2001:db8:fab::13"},
}


def family(address: str) -> int:
    return 6 if ":" in address else 4


def url(vip: str, path: str = "/") -> str:
    return f"http://[{vip}]{path}" if family(vip) == 6 else f"http://{vip}{path}"


@pytest.mark.parametrize("version", [4, 6])
def test_router_peers_with_every_node(sessions, router: str, version: int) -> None:
    assert sessions(router, version) == dict.fromkeys(FABRIC[version], "Established")


@pytest.mark.parametrize("vip", VIPS)
def test_router_has_an_ecmp_route_in_its_kernel(machine, providers, router: str, vip: str) -> None:
    (route,) = json.loads(machine(router).check_output(f"ip -{family(vip)} -json route show {vip}"))
    assert route["protocol"] == {"frr": "bgp", "bird": "bird"}[providers[router]]
    assert {hop["gateway"] for hop in route["nexthops"]} == FABRIC[family(vip)]


def test_vip_without_backends_is_not_announced(machine, router: str) -> None:
    assert machine(router).check_output(f"ip -json route show {IDLE_VIP}") == "[]"


@pytest.mark.parametrize("version", [4, 6])
def test_router_spreads_by_ports(machine, router: str, version: int) -> None:
    assert machine(router).check_output(f"sysctl -n net.ipv{version}.fib_multipath_hash_policy") == "1"


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("version", [4, 6])
def test_speaker_announces_the_planned_vips(machine, router: str, node: str, version: int) -> None:
    bird = "birdc -s /run/baremetal-dsr/bird.ctl"
    shown = machine(node).check_output(f"{bird} show route export dsr_{router}_ipv{version}")
    prefixes = {line.split()[0] for line in shown.splitlines() if "/32" in line or "/128" in line}
    assert prefixes == {f"{vip}/{32 if version == 4 else 128}" for vip in VIPS if family(vip) == version}


@pytest.mark.parametrize("node", NODES)
def test_mangle_prerouting_marks(machine, node: str) -> None:
    for command in ("iptables-save", "ip6tables-save"):
        rules = machine(node).check_output(f"{command} -t mangle").splitlines()
        assert sum("-A PREROUTING" in rule and "-j DSR-MARK" in rule for rule in rules) == 1
        assert any("-A DSR-MARK" in rule and "--map-mark" in rule for rule in rules)


def services_of(listing: str) -> dict[str, list[tuple[str, str]]]:
    """Of `ipvsadm -Ln --nosort`: mark and family of each service -> its (destination, forwarding) as they stand."""
    services: dict[str, list[tuple[str, str]]] = {}
    for words in map(str.split, listing.splitlines()):
        if words[0] == "FWM":
            destinations = services.setdefault(f"{words[1]} {words[2] if words[2] == 'IPv6' else 'IPv4'}", [])
        elif words[0] == "->" and words[1] != "RemoteAddress:Port":
            destinations.append((words[1], words[2]))
    return services


def test_every_director_has_the_same_services_in_the_same_order(machine) -> None:
    tables = [services_of(machine(node).check_output("ipvsadm -Ln --nosort")) for node in NODES]
    assert tables[0] == tables[1] == tables[2]
    pods = [f"10.244.{number}.2:0" for number in (1, 2, 3)]
    assert [(pod, "Tunnel") for pod in pods] in tables[0].values()
    assert len(tables[0]) == 4


def test_no_director_holds_a_vip(machine) -> None:
    for node in NODES:
        addresses = machine(node).check_output("ip -json address")
        assert not [vip for vip in VIPS if f'"{vip}"' in addresses]


@pytest.mark.parametrize(
    ("pod", "vips"),
    [("n1/web-1", ("203.0.113.1", "2001:db8:f::1")), ("n3/dns-3", ("203.0.113.2", "2001:db8:f::2"))],
)
def test_pod_holds_the_vip_and_keeps_silent_in_arp(in_pod, pod: str, vips: tuple[str, str]) -> None:
    devices = {link["ifname"]: link for link in json.loads(in_pod(pod, "ip -json address"))}
    held = {
        (device, info["local"], info["prefixlen"])
        for device in ("dsr4", "dsr6")
        for info in devices[device]["addr_info"]
        if info["scope"] == "global"
    }
    assert held == {("dsr4", vips[0], 32), ("dsr6", vips[1], 128)}
    sysctls = "net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce net.ipv4.conf.dsr4.rp_filter"
    assert in_pod(pod, f"sysctl -n {sysctls}").split() == ["1", "2", "2"]


@pytest.mark.parametrize("vip", VIPS)
def test_pod_sees_the_client_over_tcp(machine, vip: str) -> None:
    answer = json.loads(machine("client").check_output(f"curl -gsS -m 10 {url(vip)}"))
    assert answer["peer"] == CLIENT[family(vip)]


@pytest.mark.parametrize("vip", ["203.0.113.2", "2001:db8:f::2"])
def test_pod_sees_the_client_over_udp(machine, vip: str) -> None:
    kind = "socket.AF_INET6" if family(vip) == 6 else "socket.AF_INET"
    script = (
        f"import socket; s = socket.socket({kind}, socket.SOCK_DGRAM); s.settimeout(10);"
        f' s.connect(("{vip}", 7007)); s.send(b"hello"); print(s.recv(4096).decode())'
    )
    answer = json.loads(machine("client").check_output(f"python3 -c '{script}'"))
    assert (answer["peer"], answer["echo"]) == (CLIENT[family(vip)], "hello")


@pytest.mark.parametrize("vip", [*VIPS, IDLE_VIP])
def test_port_that_nobody_serves_is_refused_at_once(machine, vip: str) -> None:
    """Port 22: the director's own sshd must not be what answers on a VIP."""
    refused = machine("client").run(f"curl -gsS -m 10 {url(vip).rstrip('/')}:22/")
    assert refused.rc == 7, refused.stderr
    assert "ould not connect" in refused.stderr or "Failed to connect" in refused.stderr


@pytest.mark.parametrize("vip", ["203.0.113.1", "2001:db8:f::1"])
def test_ten_megabytes_arrive(machine, vip: str) -> None:
    got = machine("client").check_output(
        f"curl -gsS -m 120 -o /dev/null -w '%{{size_download}}' {url(vip, '/bytes/10000000')}"
    )
    assert got == "10000000"
