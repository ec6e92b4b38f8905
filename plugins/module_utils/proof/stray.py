# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a router filters: judged from what comes of addresses announced to it on purpose that it must refuse. Pure.

That nothing came in proves something only if it would have come in without a filter. So what speaks against that makes
the answer "unknown", and unknown is not OK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import Evidence, PortKey, trace

Way = tuple[str, str]
"""A client's next hop, by gateway and device."""


@dataclass(frozen=True)
class Trial:
    """What was done to try the filter.

    targets: the ports of strays that were probed. announcer: the node that announced them, "" if none could.
    routers: {neighbor of the announcer: name of that router, or the neighbor again}. carriers: {IP version: neighbors
    whose session is to carry it}. told: {stray: neighbors that it was announced to}. lasted: strays that were announced
    until after the last probe. ways: {client: {address: way}} of strays and probed VIPs, as far as known.
    arrived: probed VIPs whose flows came in.
    """

    targets: Sequence[PortKey] = ()
    announcer: str = ""
    routers: Mapping[str, str] = field(default_factory=dict)
    carriers: Mapping[int, frozenset[str]] = field(default_factory=dict)
    told: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lasted: frozenset[str] = frozenset()
    ways: Mapping[str, Mapping[str, Way]] = field(default_factory=dict)
    arrived: frozenset[str] = frozenset()


@dataclass
class StrayRow:
    """filtered: None if there is no telling. hops: {node: flows that came in there}. told: names of routers."""

    key: PortKey
    announcer: str
    told: list[str] = field(default_factory=list)
    hops: dict[str, int] = field(default_factory=dict)
    filtered: bool | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.filtered is True


def judge_strays(trial: Trial, evidence: Evidence) -> list[StrayRow]:
    """A row per stray. evidence.probes: the flows that the clients sent to them."""
    return [_row(trial, evidence, key) for key in trial.targets]


def _row(trial: Trial, evidence: Evidence, key: PortKey) -> StrayRow:
    row = StrayRow(key, trial.announcer)
    row.told = sorted(trial.routers.get(neighbor, neighbor) for neighbor in trial.told.get(key.vip, ()))
    entered = trace(evidence, key).entered
    # Nobody else sends to an address that nobody uses, and if somebody does it tells the same.
    row.hops = {node: len(entered[node]) for node in evidence.nodes if entered.get(node)}
    if row.hops:
        row.filtered = False
        row.faults.append(_taken(row))
        return row
    row.faults += _doubts(trial, evidence, key)
    row.filtered = None if row.faults else True
    return row


def _taken(row: StrayRow) -> str:
    nodes = ", ".join(row.hops)
    if row.announcer in row.hops:
        return (
            f"the router sends packets for {row.key.vip} to {nodes}: it took a route that it must refuse. Let it accept"
            " host routes inside dsr_vip_pools only; render.yml writes the configuration for that"
        )
    return (
        f"packets for {row.key.vip} came in at {nodes}, and it was {row.announcer or 'no node'} that announced it. The"
        " router has another route to it: take an address that no route leads to the nodes for"
    )


def _doubts(trial: Trial, evidence: Evidence, key: PortKey) -> Iterator[str]:
    if not trial.announcer:
        yield (
            "no node could announce it: none that is not drained announces a VIP of each family tried."
            " Run site.yml, and see the nodes' sessions"
        )
        return
    yield from _not_told(trial, key)
    yield from _not_seen(evidence, key)
    yield from _other_ways(trial, evidence, key)
    if not any(_version(vip) == _version(key.vip) for vip in trial.arrived):
        yield "no flow to a VIP of its family came in at a node, so neither would one to it. See the rows above"


def _not_told(trial: Trial, key: PortKey) -> Iterator[str]:
    told = trial.told.get(key.vip, frozenset())
    untold = sorted(trial.routers[neighbor] for neighbor in trial.carriers.get(_version(key.vip), frozenset()) - told)
    if untold or not told:
        yield f"{trial.announcer} did not announce it to {', '.join(untold) or 'any router'}. See its sessions"
    elif key.vip not in trial.lasted:
        yield "its announcement ended before the last probe. Run again, while nothing else changes the node"


def _not_seen(evidence: Evidence, key: PortKey) -> Iterator[str]:
    for name, machine in evidence.nodes.items():
        if machine is None:
            yield f"node {name} handed in no capture: see its errors above"
    for name, flows in evidence.probes.items():
        if not (flows or {}).get(key):
            yield f"client {name} sent nothing to it: see its errors above"


def _other_ways(trial: Trial, evidence: Evidence, key: PortKey) -> Iterator[str]:
    for client in evidence.probes:
        ways = trial.ways.get(client, {})
        usual = {way for vip, way in ways.items() if vip in trial.arrived and _version(vip) == _version(key.vip)}
        if key.vip not in ways:
            yield f"client {client} does not tell its way to it: 'ip -json route get {key.vip}' failed there"
        elif usual and ways[key.vip] not in usual:
            yield (
                f"client {client} has another next hop to it than to the VIPs, so the router may never have seen a"
                " packet. Take an address that the client reaches through the router"
            )


def _version(address: str) -> int:
    return 6 if ":" in address else 4
