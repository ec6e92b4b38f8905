# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows probed connections link by link: each is missed at the first link that does not pass it on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import Client, Evidence, Flow, Pod, Trace
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.links import Broken, Link


def all_clients(groups: Iterable[Iterable[Client]]) -> set[Client]:
    """Every client in any of the groups."""
    return set[Client]().union(*groups)


def foreign_replies(
    evidence: Evidence, backends: Mapping[str, str], seen: Trace, flows: Iterable[Client]
) -> Counter[str]:
    """Reply packets of these connections by node, where the node is not that of the pod that answered.

    backends: {address: node}. A pod that no capture looked into may have answered whatever was tunnelled to it.
    """
    homes: dict[Client, set[str]] = {}
    for pod, clients in seen.replied.items():
        for client in clients:
            homes.setdefault(client, set()).add(pod.node)
    for tunnels in seen.tunnelled.values():
        for client, ends in tunnels.items():
            unwatched = {backends[end] for end in ends if end in backends and pod_at(evidence, backends, end) is None}
            homes.setdefault(client, set()).update(unwatched)
    wanted = set(flows)
    counts: Counter[str] = Counter()
    for node, packets in seen.replies.items():
        for client, count in packets.items():
            if client in wanted and node not in homes.get(client, ()):
                counts[node] += count
    return counts


def pod_at(evidence: Evidence, backends: Mapping[str, str], address: str) -> Pod | None:
    """The pod with that address, if the capture on its node looked into it."""
    node = backends.get(address, "")
    machine = evidence.nodes.get(node)
    return Pod(node, machine.pods[address]) if machine is not None and address in machine.pods else None


def pod_names(evidence: Evidence, backends: Mapping[str, str]) -> dict[Pod, str]:
    """The backends' own addresses by pod: a capture may have named a pod by an address of the other family."""
    found = ((pod_at(evidence, backends, address), address) for address in backends)
    return {pod: address for pod, address in found if pod is not None}


class Chain:
    """One port's connections on their way; `broken` grows with each link that loses some."""

    def __init__(
        self, evidence: Evidence, backends: Mapping[str, str], seen: Trace, flows: Mapping[Client, Flow]
    ) -> None:
        self._evidence = evidence
        self._backends = backends
        self._seen = seen
        self._flows = flows
        self._left = set(flows)
        self.broken: list[Broken] = []

    def follow(self, routed: bool, local: bool = False) -> list[Broken]:
        """The broken links in order. routed: whether a router has a route to the VIP, and so may be blamed.

        local: whether a director may tunnel to pods of its own node only.
        """
        self._to_router()
        self._to_director(routed)
        self._into_tunnel()
        if local:
            self._to_own_pods()
        self._to_pods()
        self._out_of_pods()
        self._past_others()
        self._to_client()
        return self.broken

    def _break(self, link: Link, reason: str) -> None:
        self.broken.append(Broken(link, reason))

    def _share(self, lost: Iterable[Client]) -> str:
        return f"{len(set(lost))} of {len(self._flows)} connections"

    def _to_router(self) -> None:
        if any(router is not None for router in self._evidence.routers.values()):
            lost = self._left - self._seen.at_router
            if lost:
                self._break(Link.CLIENT, f"{self._share(lost)} never came to a router")
            self._left -= lost

    def _to_director(self, routed: bool) -> None:
        entered = all_clients(self._seen.entered.values())
        lost = self._left - entered
        self._left -= lost
        lost = self._rewritten(lost, entered - self._flows.keys() - self._seen.at_router, "the directors")
        if lost and routed:
            self._break(Link.ROUTER, f"{self._share(lost)} came to no director")

    def _rewritten(self, lost: set[Client], strange: Iterable[Client], where: str) -> set[Client]:
        """Those of the lost that do not turn up, with their port but another address, among the strange."""
        by_port = {client.port: client.address for client in strange}
        found = {(client.address, by_port[client.port]) for client in lost if client.port in by_port}
        for own, other in sorted(found):
            self._break(Link.ADDRESS, f"client address rewritten: {where} saw {other} instead of {own}")
        return {client for client in lost if client.port not in by_port}

    def _into_tunnel(self) -> None:
        tunnelled = all_clients(self._seen.tunnelled.values())
        for node, packets in sorted(self._seen.entered.items()):
            entered = self._left.intersection(packets)
            lost = entered - tunnelled
            if lost:
                self._break(
                    Link.DIRECTOR, f"{node} did not tunnel {len(lost)} of {len(entered)} connections (mark or IPVS)"
                )
        self._left &= tunnelled

    def _to_own_pods(self) -> None:
        """A connection that took a second hop is not lost by that."""
        for node, tunnels in sorted(self._seen.tunnelled.items()):
            strays = Counter(end for client in self._left.intersection(tunnels) for end in tunnels[client])
            for end, count in sorted(strays.items()):
                home = self._backends.get(end, node)
                if home != node:
                    self._break(
                        Link.STALE,
                        f"{node} tunnels {count} of {len(self._flows)} connections to pod {end} on {home}, but policy"
                        " local wants its own pods",
                    )

    def _to_pods(self) -> None:
        """A connection passes if one of the pods it was tunnelled to got it."""
        for address, node in sorted(self._backends.items()):
            machine = self._evidence.nodes.get(node)
            if machine is not None and address not in machine.pods:
                self._break(Link.MISSING, f"pod {address} is in no network namespace of {node}")
        ends: dict[str, set[Client]] = {}
        directors: dict[str, set[str]] = {}
        for node, tunnels in self._seen.tunnelled.items():
            for client in self._left.intersection(tunnels):
                for end in tunnels[client]:
                    ends.setdefault(end, set()).add(client)
                    directors.setdefault(end, set()).add(node)
        delivered = all_clients(self._seen.delivered.values())
        for end, clients in sorted(ends.items()):
            self._to_pod(end, directors[end], clients - delivered)
        self._left &= delivered

    def _to_pod(self, address: str, directors: Iterable[str], lost: set[Client]) -> None:
        if address not in self._backends:
            if lost:
                self._break(Link.STALE, f"{', '.join(sorted(directors))} tunnels to {address}, which is no backend")
            return
        node = self._backends[address]
        pod = pod_at(self._evidence, self._backends, address)
        if pod is None:
            return
        in_pod = self._seen.delivered.get(pod, frozenset()) - self._flows.keys()
        lost = self._rewritten(lost, in_pod.difference(*self._seen.entered.values()), f"pod {address} on {node}")
        astray = lost - self._seen.reached.get(pod, frozenset())
        if astray:
            self._break(
                Link.NETWORK, f"{self._share(astray)} were tunnelled to pod {address} on {node} and lost on the way"
            )
        if lost - astray:
            self._break(Link.TUNNEL, f"pod {address} on {node} did not decapsulate {self._share(lost - astray)}")

    def _out_of_pods(self) -> None:
        replied = all_clients(self._seen.replied.values())
        names = pod_names(self._evidence, self._backends)
        for pod, clients in sorted(self._seen.delivered.items()):
            got = self._left & clients
            name = f"pod {names.get(pod, pod.place)} on {pod.node}"
            silent = got - replied
            if silent:
                self._break(Link.POD, f"{name} got {self._share(silent)} and did not answer from the VIP")
            refused = got & self._seen.refused
            if refused:
                self._break(Link.POD, f"{name} refused {self._share(refused)}: nothing listens")
        self._left = (self._left & replied) - self._seen.refused

    def _past_others(self) -> None:
        for node, count in sorted(foreign_replies(self._evidence, self._backends, self._seen, self._flows).items()):
            self._break(Link.FOREIGN, f"{count} reply packets passed {node}, whose pods did not send them")

    def _to_client(self) -> None:
        errors = Counter(self._flows[client].error for client in self._left if self._flows[client].error)
        for error, count in sorted(errors.items()):
            self._break(
                Link.RETURN,
                f"{count} of {len(self._flows)} connections were answered by a pod but not for the client: {error}",
            )
