# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes should be next hops of a VIP: by its policy, and by which nodes are drained. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.model import LOCAL


@dataclass(frozen=True)
class Announcing:
    """nodes: who should announce a VIP now. drained: who should but for being drained."""

    nodes: frozenset[str] = frozenset()
    drained: frozenset[str] = frozenset()
    local: bool = False

    @property
    def planned(self) -> frozenset[str]:
        return self.nodes | self.drained

    def nobody(self) -> str:
        """Why no node should announce a VIP with backends that take connections; "" if some should."""
        if self.nodes:
            return ""
        if self.drained:
            return f"all nodes that should announce it are drained: {', '.join(sorted(self.drained))}"
        return "no node may announce it: policy local, and none has a backend of every service on the VIP"

    def notes(self, nodes: Collection[str]) -> Iterator[str]:
        """Why there are fewer next hops than these nodes, as far as that is right."""
        if self.local and len(self.planned) < len(nodes):
            yield f"policy local: only {', '.join(sorted(self.planned))} may announce it"
        if self.drained:
            yield f"drained, so no next hop: {', '.join(sorted(self.drained))}"

    def against(self, node: str) -> str:
        """What that node is, one of the cluster but none of `nodes`, so that it must not announce it."""
        return "is drained" if node in self.drained else "must not announce it (policy local)"


def serving(service: Mapping[str, Any]) -> bool:
    """Whether a service of a plan has a backend that takes new connections."""
    return any(not backend.get("draining", False) for backend in service["backends"])


def announcing(
    services: Sequence[Mapping[str, Any]],
    announcers: Mapping[str, Sequence[str]],
    nodes: Collection[str],
    drained: Collection[str],
) -> dict[str, Announcing]:
    """Who should announce each VIP of a plan's services. announcers: the plan's, for VIPs of policy local."""
    everyone = _but(nodes, drained, local=False)
    found: dict[str, Announcing] = {}
    for service in services:
        vip, local = str(service["vip"]), service["policy"] == LOCAL
        if serving(service):
            found[vip] = _but(announcers.get(vip, ()), drained, local=True) if local else everyone
        else:
            found.setdefault(vip, Announcing(local=local))
    return found


def _but(able: Iterable[str], drained: Collection[str], *, local: bool) -> Announcing:
    names = frozenset(map(str, able))
    return Announcing(names.difference(drained), names.intersection(drained), local)
