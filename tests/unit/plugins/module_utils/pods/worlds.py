# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes for the pods of a machine, runs that see them done, and a watch over packets meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import Outcome, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.wishes import pods_from, sources_from
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine, Netns

A, A6, B = "10.244.1.2", "2001:db8:244:1::2", "10.244.1.3"
VIP, OTHER, VIP6 = "203.0.113.1", "203.0.113.9", "2001:db8:f::1"
NODES = ["192.0.2.11", "192.0.2.12", "2001:db8:2::11", "2001:db8:2::12"]
STRANGERS = ["198.51.100.66", "2001:db8:66::66"]
TUNNELS = ["ipip", "gue", "gre"]


@dataclass(frozen=True)
class Ask:
    """Options of one run."""

    pods: tuple[dict[str, Any], ...] = ()
    place: str = "tunnel"
    sources: tuple[str, ...] | None = None
    purge: bool = True

    def run(self, machine: FakeMachine, check: bool = False) -> Outcome:
        pods = pods_from(self.pods)
        sources = sources_from(self.sources, pods)
        return reconcile(machine, machine.paths, pods, purge=self.purge, check=check, place=self.place, sources=sources)

    def done(self, machine: FakeMachine) -> Outcome:
        """A run, after a check run that must have foretold it."""
        machine.read_only = True
        foretold = self.run(machine, check=True)
        machine.read_only = False
        machine.writes.clear()
        outcome = self.run(machine)
        if not outcome.problems:
            assert outcome == foretold
            assert outcome.changed == bool(machine.writes) == (outcome.before != outcome.after)
        return outcome


def pod(address: str, *vips: str, tunnels: Sequence[str] = ("ipip",)) -> dict[str, Any]:
    return {"address": address, "vips": list(vips), "tunnels": list(tunnels)}


def with_pods(root: Path) -> FakeMachine:
    """Pod A of both families found by process, pod B by handle only, and a bystander."""
    machine = FakeMachine(root)
    machine.add(f"{A}/24", f"{A6}/64", pid=100)
    machine.add(f"{B}/24", handle="cni-b")
    machine.add("10.244.1.4/24", pid=102, handle="cni-c")
    return machine


def packets(machine: FakeMachine) -> Iterator[tuple[Netns, str, str, str]]:
    """Every packet of interest: pod, source, tunnel, destination."""
    for namespace in machine.namespaces[:2]:
        for version in (4, 6):
            vips = [VIP, OTHER, A] if version == 4 else [VIP6, A6]
            senders = [*NODES, *STRANGERS, machine.sends_from[version]]
            for source in senders:
                for tunnel in TUNNELS:
                    for vip in vips:
                        if (":" in source) == (version == 6):
                            yield namespace, source, tunnel, vip


def taken(machine: FakeMachine) -> set[tuple[int, str, str, str]]:
    """The packets that reach an application now."""
    return {(id(where), *packet) for where, *packet in packets(machine) if where.takes(*packet)}
