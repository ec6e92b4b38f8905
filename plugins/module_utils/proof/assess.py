# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router does, judged from outside: from the flows a client sent and the nodes they came in at. Pure.

Nothing is asked of the router itself, so this holds for any router.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.announcing import Announcing
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import (
    Client,
    Evidence,
    Flow,
    PortKey,
    trace,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.stray import StrayRow
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.table import aligned, port_text

CHANCE: Final = 0.001
"""A node that gets no flow is held against the router only if an even spread would miss it less often than this."""

SPRAYED: Final = 0.1
"""Share of the answered flows that may change their way: a sender may ask for another one when it sends again."""

_TITLES: Final = ("VIP", "FLOWS", "REACHED A NODE", "NEXT HOPS", "FLOWS BY NODE", "PORTS IN HASH", "VERDICT")
_STRAY_TITLES: Final = ("STRAY", "ANNOUNCED BY", "TO", "CAME IN AT", "FILTERED", "VERDICT")


@dataclass(frozen=True)
class Target:
    """A probed port of a VIP, the name of its service, and who should announce the VIP."""

    service: str
    key: PortKey
    announcing: Announcing


@dataclass
class Row:
    """What was seen of the flows to one port.

    hops: {node: flows that came in there}; expected: how many nodes should get some. ports: whether flows that differ
    in nothing but the client's port went different ways; None if there is no telling.
    """

    target: Target
    expected: int
    sent: int = 0
    reached: int = 0
    hops: dict[str, int] = field(default_factory=dict)
    ports: bool | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults


def assess(targets: Sequence[Target], evidence: Evidence, drained: Iterable[str] = ()) -> list[Row]:
    """A row per target. drained: nodes that announce with the drain community, and so must get no flow."""
    resting = frozenset(drained)
    return [_Assessor(target, evidence, resting).row() for target in targets]


class _Assessor:
    def __init__(self, target: Target, evidence: Evidence, drained: frozenset[str]) -> None:
        self._evidence = evidence
        self._drained = drained
        self._announcing = target.announcing
        self._expected = [name for name in evidence.nodes if name in target.announcing.nodes - drained]
        self._row = Row(target, len(self._expected))
        self._entered = trace(evidence, target.key).entered
        self._sent = {flow.client: not flow.error for flow in self._flows()}

    def row(self) -> Row:
        row = self._row
        row.sent = len(self._sent)
        ways = self._ways()
        row.reached = len(ways)
        row.hops = {node: sum(node in nodes for nodes in ways.values()) for node in self._evidence.nodes}
        row.ports = _ports_matter(ways)
        row.faults += [*self._missing(), *self._nobody()]
        if row.sent:
            row.faults += [*self._lost(), *self._spread(ways)]
        row.notes += self._uncounted()
        return row

    def _nobody(self) -> Iterator[str]:
        reason = self._announcing.nobody()
        if reason:
            yield reason
        else:
            self._row.notes += self._announcing.notes(self._evidence.nodes)

    def _flows(self) -> Iterator[Flow]:
        for flows in self._evidence.probes.values():
            yield from (flows or {}).get(self._row.target.key, ())

    def _ways(self) -> dict[Client, frozenset[str]]:
        """{probed flow: nodes it came in at}, only of those that came in anywhere."""
        ways: dict[Client, frozenset[str]] = {}
        for node, clients in self._entered.items():
            for client in self._sent.keys() & clients.keys():
                ways[client] = ways.get(client, frozenset()) | {node}
        return ways

    def _missing(self) -> Iterator[str]:
        for name, machine in self._evidence.nodes.items():
            if machine is None:
                yield f"node {name} handed in no capture: see its errors above"
        for name, flows in self._evidence.probes.items():
            if not flows or not flows.get(self._row.target.key):
                yield f"client {name} sent nothing: see its errors above"

    def _uncounted(self) -> Iterator[str]:
        for name, machine in self._evidence.nodes.items():
            if machine is not None and machine.uncounted:
                yield f"node {name} was too busy to count {machine.uncounted} packets, so its number may be low"

    def _lost(self) -> Iterator[str]:
        lost = self._row.sent - self._row.reached
        if not lost or self._announcing.nobody():
            return
        strangers = {
            client.address for clients in self._entered.values() for client in clients.keys() - self._sent.keys()
        }
        if strangers and not self._row.reached:
            yield (
                f"the nodes see none of the client's flows, but others from {', '.join(sorted(strangers)[:3])}: either"
                " nothing arrived, or addresses are translated on the way. Probe from a client that no NAT hides"
            )
        else:
            yield (
                f"{lost} of {self._row.sent} flows came in at no node."
                " See the router's route to the VIP, and the client's to the router"
            )

    def _spread(self, ways: Mapping[Client, frozenset[str]]) -> Iterator[str]:
        hops = self._row.hops
        yield from self._sprayed(ways)
        if self._row.ports is False and self._row.expected > 1:
            yield (
                "all flows of one client take one way: ports are not in the hash. Set the hash over addresses and ports"
            )
        yield from self._unexpected()
        silent = [node for node in self._expected if not hops[node]]
        if silent and ways:
            yield from self._silent(silent, len(ways))

    def _unexpected(self) -> Iterator[str]:
        for node, count in sorted(self._row.hops.items()):
            if not count:
                continue
            if node not in self._announcing.nodes:
                yield (
                    f"node {node} {self._announcing.against(node)} and got {count} flows:"
                    " see on the router who announces the VIP"
                )
            elif node in self._drained:
                yield (
                    f"node {node} is drained and got {count} flows: the router does not honour community 65535:0."
                    " See the inbound policy in docs/routers.md"
                )

    def _sprayed(self, ways: Mapping[Client, frozenset[str]]) -> Iterator[str]:
        """Flows that were not answered do not tell: each try to connect may go another way."""
        answered = [nodes for client, nodes in ways.items() if self._sent[client]]
        sprayed = sum(len(nodes) > 1 for nodes in answered)
        if not answered:
            self._row.notes.append("no flow was answered, so there is no telling whether a flow stays on its way")
        elif sprayed > SPRAYED * len(answered):
            yield (
                f"packets of {sprayed} of {len(answered)} answered flows came in at more than one node: the router"
                " spreads packets, not flows. Turn its per-packet load balancing off"
            )
        elif sprayed:
            self._row.notes.append(f"{sprayed} answered flows changed their way, as they may after a lost packet")

    def _silent(self, silent: list[str], flows: int) -> Iterator[str]:
        """Expected nodes that got no flow, as far as chance does not explain it."""
        used = self._row.expected - len(silent)
        if (1 - 1 / self._row.expected) ** flows * self._row.expected > CHANCE:
            self._row.notes.append(
                f"{flows} flows are too few to tell {self._row.expected} next hops: raise dsr_assess_connections"
            )
        elif used <= 1:
            yield (
                f"of {self._row.expected} nodes {used} gets flows: no ECMP, or a hash without ports. Set maximum-paths"
                " and the hash over addresses and ports, and see that every node's session is up"
            )
        else:
            yield (
                f"only {used} of {self._row.expected} nodes get flows; none at {', '.join(silent)}."
                " See their sessions, and maximum-paths"
            )


def _ports_matter(ways: Mapping[Client, frozenset[str]]) -> bool | None:
    """All flows of one client to one port differ in the source port only; a handful may fall on one way by chance."""
    by_address: dict[str, list[frozenset[str]]] = {}
    for client, nodes in ways.items():
        by_address.setdefault(client.address, []).append(nodes)
    if any(len(set(found)) > 1 for found in by_address.values()):
        return True
    used = len(frozenset(ways.values()))
    most = max(map(len, by_address.values()), default=0)
    return False if used > 1 and used ** (1 - most) <= CHANCE else None


def lines(rows: Sequence[Row], strays: Sequence[StrayRow] = ()) -> list[str]:
    """The tables, one line per row; below them the faults, the notes and a summary."""
    if not rows:
        return ["There is no announced VIP to assess the router with."]
    verdicts = [row.ok for row in rows] + [row.ok for row in strays]
    failed = verdicts.count(False)
    return [
        *aligned([_TITLES, *(_cells(row) for row in rows)]),
        *(["", *aligned([_STRAY_TITLES, *(_stray_cells(row) for row in strays)])] if strays else []),
        *(line for row in rows for line in _told(row)),
        *(line for row in strays for line in _faults(f"stray {row.key.vip}", row.faults)),
        "",
        f"{failed} of {len(verdicts)} FAILED" if failed else f"All {len(verdicts)} OK",
    ]


def _cells(row: Row) -> tuple[str, ...]:
    used = sum(count > 0 for count in row.hops.values())
    return (
        port_text(row.target.key),
        str(row.sent),
        str(row.reached),
        f"{used} of {row.expected}",
        " ".join(f"{node}:{count}" for node, count in row.hops.items()) or "-",
        {True: "yes", False: "no", None: "unknown"}[row.ports],
        "OK" if row.ok else "FAIL",
    )


def _stray_cells(row: StrayRow) -> tuple[str, ...]:
    return (
        row.key.vip,
        row.announcer or "-",
        " ".join(row.told) or "-",
        " ".join(row.hops) or "-",
        {True: "yes", False: "NO", None: "unknown"}[row.filtered],
        "OK" if row.ok else "FAIL",
    )


def _told(row: Row) -> Iterator[str]:
    yield from _faults(f"{row.target.service} {port_text(row.target.key)}", row.faults)
    for note in row.notes:
        yield f"Note: {note} ({port_text(row.target.key)})"


def _faults(item: str, faults: Sequence[str]) -> Iterator[str]:
    if faults:
        yield from ("", f"FAIL {item}")
    for fault in faults:
        yield f"  - {fault}"
