# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: machines of the inventory as the BGP roles name their peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def peers(machines: Mapping[str, Mapping[str, Any]], asn: int | None = None) -> list[dict[str, Any]]:
    """[{"name", "addresses"}] in the order of machines, with "asn" if one is given; a machine's own asn comes first."""
    return [_peer(str(name), machine, asn) for name, machine in machines.items()]


def _peer(name: str, machine: Mapping[str, Any], asn: int | None) -> dict[str, Any]:
    if not isinstance(machine, Mapping) or not machine.get("addresses"):
        raise AnsibleFilterError(
            f"machine {name}: has no addresses. Give it dsr_node (a node) or dsr_router (a router) with addresses"
        )
    peer: dict[str, Any] = {"name": name, "addresses": list(machine["addresses"])}
    return peer if asn is None else {**peer, "asn": int(machine.get("asn", asn))}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"peers": peers}
