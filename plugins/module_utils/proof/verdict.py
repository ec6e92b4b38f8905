# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Direct Server Return works, per port of each VIP, and which link is broken where it does not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.announcing import Announcing
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.chain import (
    Chain,
    all_clients,
    foreign_replies,
    pod_names,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import (
    Client,
    Evidence,
    Flow,
    Machine,
    Pod,
    PortKey,
    Trace,
    trace,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.links import Broken, Link


@dataclass(frozen=True)
class Service:
    """A port of a VIP and its backends ({address: node}); announcing: which nodes should announce the VIP."""

    name: str
    key: PortKey
    backends: Mapping[str, str]
    announcing: Announcing


@dataclass
class Row:
    """The proof for one port of a VIP.

    clients: addresses of clients as the pods saw them.
    next_hops: {router: node names, or gateways that are no node's address}.
    director_packets: {node: packets of the probes that came in there}.
    foreign_replies: reply packets that passed a machine other than the answering pod's node and the router.
    pods: {pod: connections it answered}; by the application's own name for it where it tells one.
    broken: in the order of the packets' way; empty if all is well.
    """

    service: Service
    clients: list[str] = field(default_factory=list)
    next_hops: dict[str, list[str]] = field(default_factory=dict)
    director_packets: dict[str, int] = field(default_factory=dict)
    foreign_replies: int = 0
    pods: dict[str, int] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    sent: int = 0
    answered: int = 0
    broken: list[Broken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.broken


def judge(services: Sequence[Service], evidence: Evidence) -> list[Row]:
    """A row per port of each VIP, in the given order."""
    return [_Judge(service, evidence).row() for service in services]


def _link_local(address: str) -> bool:
    return address.lower().startswith("fe80:")


class _Judge:
    def __init__(self, service: Service, evidence: Evidence) -> None:
        self._service = service
        self._evidence = evidence
        self._row = Row(service)
        self._trace: Trace = trace(evidence, service.key)
        self._flows = self._probed()

    def row(self) -> Row:
        self._hand_ins()
        self._announcers()
        self._routes()
        if self._service.backends:
            self._report()
        if self._service.backends and self._service.announcing.nodes:
            self._row.broken += self._chain()
        return self._row

    def _chain(self) -> list[Broken]:
        routed = not self._row.next_hops or any(self._row.next_hops.values())
        chain = Chain(self._evidence, self._service.backends, self._trace, self._flows)
        return chain.follow(routed, self._service.announcing.local)

    def _break(self, link: Link, reason: str) -> None:
        self._row.broken.append(Broken(link, reason))

    def _probed(self) -> dict[Client, Flow]:
        """The probed connections, by the client's end as it is on the wire before the router."""
        seen = set(self._trace.at_router).union(*self._trace.entered.values())
        flows: dict[Client, Flow] = {}
        for probe in self._evidence.probes.values():
            for flow in (probe or {}).get(self._service.key, ()):
                flows[self._on_the_wire(flow.client, seen)] = flow
        return flows

    def _on_the_wire(self, client: Client, seen: set[Client]) -> Client:
        """The client's end after a NAT of the client's own, if its port makes it the only one that can be meant."""
        if client in seen:
            return client
        same_port = [other for other in seen if other.port == client.port]
        if len(same_port) != 1:
            return client
        self._note(f"a NAT on the client's side turns {client.address} into {same_port[0].address}")
        return same_port[0]

    def _note(self, text: str) -> None:
        if text not in self._row.notes:
            self._row.notes.append(text)

    # What there is to judge by

    def _hand_ins(self) -> None:
        machines = {**self._evidence.nodes, **self._evidence.routers}
        for name, machine in machines.items():
            if machine is None:
                self._break(Link.EVIDENCE, f"no capture from {name}")
            elif machine.uncounted:
                self._note(f"the capture on {name} missed {machine.uncounted} packets")
        for name, probe in self._evidence.probes.items():
            if probe is None:
                self._break(Link.EVIDENCE, f"no probe from {name}")
        if self._service.backends and not self._flows and None not in self._evidence.probes.values():
            self._break(Link.EVIDENCE, "no client probed it")

    def _announcers(self) -> None:
        reason = self._service.announcing.nobody()
        if self._service.backends and reason:
            self._break(Link.ANNOUNCERS, reason)
        elif self._service.backends:
            for note in self._service.announcing.notes(self._evidence.nodes):
                self._note(note)

    def _routes(self) -> None:
        for name, router in self._evidence.routers.items():
            if router is not None and router.routes is not None:
                self._route(name, router)

    def _route(self, name: str, router: Machine) -> None:
        route = (router.routes or {}).get(self._service.key.vip)
        hops = list(route.hops) if route and route.kind == "unicast" else []
        self._row.next_hops[name] = sorted(self._node_with(hop) or hop for hop in hops)
        wanted = self._service.announcing.nodes
        if wanted and not hops:
            self._break(Link.ROUTE, f"no route in the FIB of {name}")
        elif hops and not self._service.announcing.planned:
            self._break(Link.WITHDRAWAL, f"{name} has a route to it although {self._why_none()}")
        elif hops:
            self._hops(name, hops, wanted)

    def _why_none(self) -> str:
        return "no node may announce it" if self._service.backends else "it has no backends"

    def _hops(self, name: str, hops: Sequence[str], wanted: frozenset[str]) -> None:
        """Next hops against those wanted. A link-local one may be any node, so these are only counted."""
        nodes = {self._node_with(hop) for hop in hops} - {""}
        unnamed = [hop for hop in hops if not self._node_with(hop)]
        anyones = [hop for hop in unnamed if _link_local(hop)]
        absent = sorted(wanted - nodes)
        if len(anyones) < len(absent):
            found = len(wanted) - len(absent) + len(anyones)
            which = "" if anyones else f": {', '.join(absent)} missing"
            self._break(Link.ROUTE, f"{found} of {len(wanted)} next hops in the FIB of {name}{which}")
        elif len(anyones) > len(absent):
            self._break(Link.WITHDRAWAL, f"{name} has {len(hops)} next hops instead of {len(wanted)}")
        for node in sorted(nodes - wanted):
            self._break(Link.WITHDRAWAL, f"{name} sends to {node}, which {self._service.announcing.against(node)}")
        for hop in sorted(set(unnamed).difference(anyones)):
            self._break(Link.WITHDRAWAL, f"{name} sends to {hop}, which is no node's address")

    def _node_with(self, address: str) -> str:
        return next((node for node, own in self._evidence.addresses.items() if address in own), "")

    # What is told in the table

    def _report(self) -> None:
        row, flows = self._row, self._flows
        row.sent = len(flows)
        row.answered = sum(not flow.error for flow in flows.values())
        foreign = foreign_replies(self._evidence, self._service.backends, self._trace, flows)
        row.foreign_replies = sum(foreign.values())
        row.clients = sorted({client.address for client in self._delivered()})
        row.director_packets = {
            node: sum(count for client, count in self._trace.entered.get(node, {}).items() if client in flows)
            for node in self._evidence.nodes
        }
        answering = {pod: clients & flows.keys() for pod, clients in self._trace.replied.items()}
        for pod, clients in sorted(answering.items()):
            if clients:
                row.pods[self._pod_name(pod, clients)] = len(clients)
        row.nodes = sorted({pod.node for pod, clients in answering.items() if clients})
        told = {flow.peer for client, flow in flows.items() if flow.peer and flow.peer != client.address}
        if told:
            self._note(f"the application says it saw {', '.join(sorted(told))} as client")
        used = [node for node, count in row.director_packets.items() if count]
        choice = max(map(len, row.next_hops.values()), default=0)
        if len(used) == 1 < choice and row.sent >= 10:
            self._note(f"all connections came in at {used[0]}: does the router hash by port (L4)?")

    def _pod_name(self, pod: Pod, clients: Iterable[Client]) -> str:
        names = {self._flows[client].pod for client in clients} - {""}
        address = pod_names(self._evidence, self._service.backends).get(pod, pod.place)
        return f"{names.pop() if len(names) == 1 else address}@{pod.node}"

    def _delivered(self) -> set[Client]:
        """Clients of our probes as the pods saw them: their own addresses, or what these were rewritten to."""
        delivered = all_clients(self._trace.delivered.values())
        return (delivered & self._flows.keys()) | self._rewritten()

    def _rewritten(self) -> set[Client]:
        """What came to pods without having come to a router, with a port of ours or from the cluster itself."""
        came = self._trace.at_router or all_clients(self._trace.entered.values())
        strange = all_clients(self._trace.delivered.values()) - came
        ports = {client.port for client in self._flows}
        return {client for client in strange if client.port in ports or self._node_with(client.address)}
