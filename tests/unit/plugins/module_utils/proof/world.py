# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster on paper that really sends packets, through the real parser and counter, and that can be broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import address_bytes
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.packets import (
    ACK,
    RST,
    TCP,
    UDP,
    ip,
    tcp,
    tunnelled,
    udp,
)

IN, OTHERHOST, OUT = 0, 3, 4
NODES = ("n1", "n2", "n3")
ROUTER = "r1"


@dataclass(frozen=True)
class Family:
    client: str
    vip: str
    fabric: str
    pod: str

    def node(self, name: str) -> str:
        return self.fabric + name[1:]

    def pod_of(self, node: str) -> str:
        return self.pod.format(node[1:])


FAMILIES = {
    4: Family("198.51.100.10", "203.0.113.1", "192.0.2.1", "10.244.{}.2"),
    6: Family("2001:db8:c::10", "2001:db8:f::1", "2001:db8:fab::1", "2001:db8:244:{}::2"),
}


@dataclass
class World:
    """Three nodes with a pod each, a router, a client; every fault is a set of node names or a switch.

    next_hops: what the router's FIB holds. unmarked: directors that do not tunnel. cut: no tunnel packet reaches their
    pod. deaf: their pod does not decapsulate. mute: their pod does not answer. closed: nothing listens in their pod.
    absent: their pod is nowhere. stale: directors that tunnel to a pod that is no more. detour: {node: by which node
    its replies leave}. masquerading: nodes whose tunnelled packets lose the client's address.
    The router: same_hash (sends all to one next hop), nat (rewrites the client's address), deaf_router (gets nothing),
    drops (passes nothing on), no_return (passes no reply).
    The client: client_nat (a NAT hides its own address). The application: proxy (the peer it tells instead).
    No fault: policy (of the service), holders (nodes with a pod), drained (nodes that are). But with policy local:
    strays (directors that tunnel to the pods of other nodes too).
    """

    version: int = 4
    protocol: str = "tcp"
    connections: int = 18
    next_hops: tuple[str, ...] = NODES
    unmarked: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    detour: Mapping[str, str] = field(default_factory=dict)
    masquerading: frozenset[str] = frozenset()
    same_hash: bool = False
    nat: bool = False
    client_nat: bool = False
    deaf_router: bool = False
    drops: bool = False
    no_return: bool = False
    proxy: str = ""
    port: int = 80
    policy: str = "cluster"
    holders: tuple[str, ...] = NODES
    drained: frozenset[str] = frozenset()
    strays: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.family = FAMILIES[self.version]
        vips = frozenset((address_bytes(self.family.vip),))
        self._tallies = {name: Tally(vips) for name in (*NODES, ROUTER)}
        self.flows = [self._connect(number) for number in range(self.connections)]

    def captures(self) -> dict[str, dict[str, Any]]:
        """What the capture module returns on every node and on the router."""
        routes = [{"vip": self.family.vip, "type": "unicast", "protocol": "bgp", "hops": self._gateways()}]
        found = {
            name: {
                "packets": tally.entries(),
                "places": {HOST: []},
                "missing": [],
                "dropped": 0,
                "left_out": 0,
                "drained": name in self.drained,
            }
            for name, tally in self._tallies.items()
        }
        for node in self.holders:
            pod = self.family.pod_of(node)
            if node in self.absent:
                found[node]["missing"] = [pod]
            else:
                found[node]["places"] = {HOST: [], pod: [pod]}
        found[ROUTER]["routes"] = routes if self.next_hops else []
        return found

    def probe(self) -> dict[str, Any]:
        """What the probe module returns on the client."""
        target = {"vip": self.family.vip, "protocol": self.protocol, "port": self.port}
        return {"targets": [{**target, "sent": len(self.flows), "flows": self.flows}]}

    def services(self) -> list[dict[str, Any]]:
        """The services of the plan."""
        return [
            {
                "name": "web",
                "vip": self.family.vip,
                "policy": self.policy,
                "ports": [{"port": self.port, "protocol": self.protocol}],
                "backends": [{"address": self.family.pod_of(node), "node": node, "weight": 1} for node in self.holders],
            }
        ]

    def announcers(self) -> dict[str, list[str]]:
        """Those of the plan."""
        return {self.family.vip: list(self.holders)} if self.policy == "local" else {}

    def hostvars(self) -> dict[str, dict[str, Any]]:
        """Variables of the hosts, as the playbook leaves them."""
        hosts: dict[str, dict[str, Any]] = {name: {"dsr_verify_capture": got} for name, got in self.captures().items()}
        for node in NODES:
            hosts[node]["dsr_node"] = {"addresses": [self.family.node(node)]}
        return {**hosts, "client": {"dsr_verify_probe": self.probe()}}

    def _gateways(self) -> list[str]:
        return [self.family.node(node) for node in self.next_hops]

    def _see(self, machine: str, place: str, interface: str, packet_type: int, data: bytes) -> None:
        if not (machine in self.absent and place != HOST):
            self._tallies[machine].add(place, interface, packet_type, data)

    def _request(self, client: str, port: int) -> bytes:
        if self.protocol == "tcp":
            return ip(client, self.family.vip, TCP, tcp(port, self.port))
        return ip(client, self.family.vip, UDP, udp(port, self.port, b"?"))

    def _reply(self, client: str, port: int, refused: bool) -> bytes:
        if self.protocol == "tcp":
            return ip(self.family.vip, client, TCP, tcp(self.port, port, RST if refused else ACK))
        return ip(self.family.vip, client, UDP, udp(self.port, port, b"!"))

    def _connect(self, number: int) -> dict[str, Any]:
        port = 40000 + number
        error = self._travel(number, port)
        return {
            "address": "192.168.1.5" if self.client_nat else self.family.client,
            "port": port,
            "answered": not error,
            "error": error,
            "peer": "" if error else self.proxy or self.family.client,
            "pod": "",
            "node": "",
        }

    def _travel(self, number: int, port: int) -> str:
        """A connection's way; returns why the client got no answer."""
        timeout = "no answer within 5 s"
        client = self.family.client
        if self.deaf_router:
            return timeout
        self._see(ROUTER, HOST, "outside", IN, self._request(client, port))
        if not self.next_hops or self.drops:
            return timeout
        if self.nat:
            client = self.family.node("n9")
        director = self.next_hops[0 if self.same_hash else number % len(self.next_hops)]
        pod = self.holders[number // 3 % len(self.holders)]
        if self.policy == "local" and director not in self.strays:
            pod = director
        request = self._request(client, port)
        self._see(ROUTER, HOST, "fabric", OUT, request)
        for node in NODES:
            self._see(node, HOST, "fabric0", IN if node == director else OTHERHOST, request)
        if director in self.unmarked:
            return "no route to host"
        if not self._tunnel(director, pod, request, port):
            return timeout
        if pod in self.mute:
            return timeout
        self._answer(pod, self._reply(client, port, pod in self.closed))
        if self.no_return:
            return timeout
        return "connection refused" if pod in self.closed else ""

    def _tunnel(self, director: str, pod: str, request: bytes, port: int) -> bool:
        """Whether the pod got the request out of the tunnel."""
        address = self.family.pod_of("n9" if director in self.stale else pod)
        frame = tunnelled(self.family.node(director), address, request)
        if director != pod:
            self._see(director, HOST, "fabric0", OUT, frame)
            if director in self.stale:
                return False
            self._see(pod, HOST, "fabric0", IN, frame)
        for interface in ("cni0", "veth1"):
            self._see(pod, HOST, interface, OUT, frame)
        if director in self.stale or pod in self.cut:
            return False
        place = self.family.pod_of(pod)
        self._see(pod, place, "eth0", IN, frame)
        if pod in self.deaf:
            return False
        if director in self.masquerading:
            self._see(pod, place, "dsr", IN, self._request(self.family.node(director), port))
            return False
        self._see(pod, place, "dsr", IN, request)
        return True

    def _answer(self, pod: str, reply: bytes) -> None:
        self._see(pod, self.family.pod_of(pod), "eth0", OUT, reply)
        self._see(pod, HOST, "veth1", OTHERHOST, reply)
        self._see(pod, HOST, "cni0", IN, reply)
        self._see(pod, HOST, "fabric0", OUT, reply)
        by = self.detour.get(pod)
        if by:
            self._see(by, HOST, "fabric0", IN, reply)
            self._see(by, HOST, "fabric0", OUT, reply)
        self._see(ROUTER, HOST, "fabric", IN, reply)
        self._see(ROUTER, HOST, "outside", OUT, reply)
