# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What steering owns on a machine, per address family, and its text for diffs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables, route
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family


@dataclass(frozen=True)
class FamilyState:
    """Everything of ours in one family, or everything that should be. tables: all of iptables.CHAINS' keys."""

    routes: frozenset[route.Route] = frozenset()
    rules: frozenset[route.Rule] = frozenset()
    sets: Mapping[str, ipset.IpSet] = field(default_factory=dict)
    tables: Mapping[str, iptables.Table] = field(default_factory=lambda: dict(iptables.NO_TABLES))


State = Mapping[Family, FamilyState]


def render(state: State) -> str:
    """The state as input for ip, ipset and iptables, each block headed by the command that would take it."""
    return "".join(line + "\n" for family in FAMILIES if family in state for line in _lines(family, state[family]))


def _lines(family: Family, state: FamilyState) -> Iterable[str]:
    yield from _block(f"ip {family.flag} -batch -", route.additions(state.routes, state.rules))
    yield from _block("ipset restore", [line for name in sorted(state.sets) for line in ipset.lines(state.sets[name])])
    yield from _block(f"{family.restore} --noflush", iptables.changes(iptables.NO_TABLES, state.tables))


def _block(command: str, lines: list[str]) -> list[str]:
    return [f"# {command}", *lines] if lines else []
