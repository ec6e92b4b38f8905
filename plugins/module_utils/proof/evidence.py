# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the captures and probes of a whole cluster say about one port of one VIP. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST


class Client(NamedTuple):
    """A client's end of a connection to the port in question."""

    address: str
    port: int


class Pod(NamedTuple):
    """A place of a capture that is a pod."""

    node: str
    place: str


class Sighting(NamedTuple):
    """Packets of one connection, counted at one interface.

    outer_dst: where the tunnel leads that they travelled in; empty if they travelled plain.
    """

    machine: str
    place: str
    direction: str
    outer_dst: str
    client: Client
    packets: int
    resets: int


class PortKey(NamedTuple):
    vip: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Flow:
    """A probed connection, as the client tells. error: empty if it was answered; the rest as the application says."""

    client: Client
    error: str = ""
    peer: str = ""
    pod: str = ""


@dataclass(frozen=True)
class Route:
    """A router's own route to a VIP."""

    kind: str
    hops: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """What one machine handed in.

    pods: place of each of the given addresses that was found. drained: whether it is a node that drain took out.
    """

    requests: Mapping[PortKey, Sequence[Sighting]]
    replies: Mapping[PortKey, Sequence[Sighting]]
    pods: Mapping[str, str]
    uncounted: int
    drained: bool
    routes: Mapping[str, Route] | None


@dataclass(frozen=True)
class Evidence:
    """All of it. A machine or client that handed in nothing stands there with None.

    addresses: {node: its addresses}.
    """

    nodes: Mapping[str, Machine | None]
    routers: Mapping[str, Machine | None]
    addresses: Mapping[str, frozenset[str]]
    probes: Mapping[str, Mapping[PortKey, Sequence[Flow]] | None] = field(default_factory=dict)

    @property
    def drained(self) -> list[str]:
        """Names of the nodes that say they are drained."""
        return [name for name, machine in self.nodes.items() if machine is not None and machine.drained]


def parse_machine(name: str, found: Mapping[str, Any] | None) -> Machine | None:
    """A machine from what the capture module returned there; None if it returned nothing of the kind."""
    if not found or "packets" not in found:
        return None
    try:
        return _machine(name, found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DsrError(
            f"capture of {name}", f"cannot be read: {error!r}", "Run the capture module of this version"
        ) from None


def parse_probe(name: str, found: Mapping[str, Any] | None) -> dict[PortKey, list[Flow]] | None:
    """{port of a VIP: its connections} from what the probe module returned; None if it returned nothing of the kind."""
    if not found or "targets" not in found:
        return None
    try:
        return {
            PortKey(target["vip"], target["protocol"], int(target["port"])): [_flow(flow) for flow in target["flows"]]
            for target in found["targets"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DsrError(
            f"probe of {name}", f"cannot be read: {error!r}", "Run the probe module of this version"
        ) from None


def _machine(name: str, found: Mapping[str, Any]) -> Machine:
    requests: dict[PortKey, list[Sighting]] = {}
    replies: dict[PortKey, list[Sighting]] = {}
    for entry in found["packets"]:
        if entry["direction"] == "other":
            continue
        asked = PortKey(entry["dst"], entry["protocol"], int(entry["dport"]))
        told = PortKey(entry["src"], entry["protocol"], int(entry["sport"]))
        requests.setdefault(asked, []).append(_sighting(name, entry, Client(entry["src"], told.port)))
        replies.setdefault(told, []).append(_sighting(name, entry, Client(entry["dst"], asked.port)))
    pods = {address: place for place, addresses in found["places"].items() if place != HOST for address in addresses}
    routes = found.get("routes")
    return Machine(
        requests=requests,
        replies=replies,
        pods=pods,
        uncounted=int(found["dropped"]) + int(found["left_out"]),
        drained=bool(found["drained"]),
        routes=None if routes is None else {one["vip"]: Route(one["type"], tuple(one["hops"])) for one in routes},
    )


def _sighting(machine: str, entry: Mapping[str, Any], client: Client) -> Sighting:
    return Sighting(
        machine=machine,
        place=entry["place"],
        direction=entry["direction"],
        outer_dst=entry["outer_dst"],
        client=client,
        packets=int(entry["packets"]),
        resets=int(entry["resets"]),
    )


def _flow(flow: Mapping[str, Any]) -> Flow:
    error = "" if flow["answered"] else str(flow["error"] or "no answer")
    return Flow(Client(flow["address"], int(flow["port"])), error, str(flow["peer"]), str(flow["pod"]))


Counts = dict[str, dict[Client, int]]
"""Packets by machine and connection. A packet passes several interfaces of a machine: the busiest one counts."""


@dataclass(frozen=True)
class Trace:
    """The connections to one port, link by link.

    at_router: seen coming in at any router.
    entered: came in at a node, in no tunnel, with packet counts.
    tunnelled: left a node in a tunnel, and where the tunnel leads.
    reached: came out of a tunnel or to the door of a pod, still in it.
    delivered: came in at a pod, in no tunnel any more.
    replied: left a pod with the VIP as source; refused: all of them TCP resets.
    replies: packets with the VIP as source at a node, in and out.
    """

    at_router: frozenset[Client]
    entered: Counts
    tunnelled: Mapping[str, Mapping[Client, frozenset[str]]]
    reached: Mapping[Pod, frozenset[Client]]
    delivered: Mapping[Pod, frozenset[Client]]
    replied: Mapping[Pod, frozenset[Client]]
    refused: frozenset[Client]
    replies: Counts


def trace(evidence: Evidence, key: PortKey) -> Trace:
    """Everything seen of the connections to that port."""
    nodes = [machine for machine in evidence.nodes.values() if machine is not None]
    routers = [machine for machine in evidence.routers.values() if machine is not None]
    asked = [seen for machine in nodes for seen in machine.requests.get(key, ())]
    told = [seen for machine in nodes for seen in machine.replies.get(key, ())]
    in_pods = [seen for seen in asked if seen.place != HOST and seen.direction == "in"]
    from_pods = [seen for seen in told if seen.place != HOST and seen.direction == "out" and not seen.outer_dst]
    spoken = {seen.client for seen in from_pods if seen.packets > seen.resets}
    return Trace(
        at_router=frozenset(
            seen.client for machine in routers for seen in machine.requests.get(key, ()) if seen.direction == "in"
        ),
        entered=_counts(seen for seen in asked if seen.place == HOST and seen.direction == "in" and not seen.outer_dst),
        tunnelled=_tunnels(seen for seen in asked if seen.place == HOST and seen.direction == "out" and seen.outer_dst),
        reached=_by_pod(in_pods),
        delivered=_by_pod(seen for seen in in_pods if not seen.outer_dst),
        replied=_by_pod(from_pods),
        refused=frozenset(seen.client for seen in from_pods) - spoken,
        replies=_counts(seen for seen in told if seen.place == HOST),
    )


def _counts(sightings: Iterable[Sighting]) -> Counts:
    counts: Counts = {}
    for seen in sightings:
        at = counts.setdefault(seen.machine, {})
        at[seen.client] = max(at.get(seen.client, 0), seen.packets)
    return counts


def _tunnels(sightings: Iterable[Sighting]) -> dict[str, dict[Client, frozenset[str]]]:
    tunnels: dict[str, dict[Client, frozenset[str]]] = {}
    for seen in sightings:
        at = tunnels.setdefault(seen.machine, {})
        at[seen.client] = at.get(seen.client, frozenset()) | {seen.outer_dst}
    return tunnels


def _by_pod(sightings: Iterable[Sighting]) -> dict[Pod, frozenset[Client]]:
    pods: dict[Pod, set[Client]] = {}
    for seen in sightings:
        pods.setdefault(Pod(seen.machine, seen.place), set()).add(seen.client)
    return {pod: frozenset(clients) for pod, clients in pods.items()}
