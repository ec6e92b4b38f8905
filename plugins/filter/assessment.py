# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the assess playbook as filters; see assessment.yml and assess_targets.yml for their documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.assess import Row, Target, assess, lines
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import (
    Evidence,
    PortKey,
    parse_machine,
    parse_probe,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.table import port_text

CAPTURE = "dsr_assess_capture"
PROBE = "dsr_assess_probe"


def assessment(
    services: Sequence[Mapping[str, Any]],
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Sequence[str],
    clients: Sequence[str],
    drained: Sequence[str] = (),
    limit: int = 2,
) -> dict[str, Any]:
    """{"ok", "rows", "lines"}; AnsibleFilterError if the evidence cannot be read or a drained node is unknown."""
    for name in drained:
        if name not in nodes:
            raise AnsibleFilterError(f"dsr_assess_drained: {name} is not a node. Use names of the inventory's nodes")
    try:
        evidence = Evidence(
            nodes={str(name): parse_machine(name, hostvars[name].get(CAPTURE)) for name in nodes},
            routers={},
            addresses={},
            probes={str(name): parse_probe(name, hostvars[name].get(PROBE)) for name in clients},
        )
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    rows = assess(_targets(services, limit), evidence, [str(name) for name in drained])
    return {
        "ok": bool(rows) and all(row.ok for row in rows),
        "rows": [_plain(row) for row in rows],
        "lines": lines(rows),
    }


def assess_targets(services: Sequence[Mapping[str, Any]], limit: int = 2) -> list[dict[str, Any]]:
    """[{"vip", "protocol", "port"}]: one port of each of the first VIPs of each family that are announced."""
    return [
        {"vip": target.key.vip, "protocol": target.key.protocol, "port": target.key.port}
        for target in _targets(services, limit)
    ]


def _targets(services: Sequence[Mapping[str, Any]], limit: int) -> list[Target]:
    """From the services of a plan; TCP before UDP, as a lost TCP packet is sent again."""
    chosen: dict[str, dict[str, Target]] = {}
    for service in services:
        vips = chosen.setdefault("ipv6" if ":" in str(service["vip"]) else "ipv4", {})
        if not service["backends"] or str(service["vip"]) in vips or len(vips) >= int(limit):
            continue
        port = min(service["ports"], key=lambda port: (str(port["protocol"]), int(port["port"])))
        key = PortKey(str(service["vip"]), str(port["protocol"]), int(port["port"]))
        vips[key.vip] = Target(str(service["name"]), key)
    return [target for family in sorted(chosen) for target in chosen[family].values()]


def _plain(row: Row) -> dict[str, Any]:
    return {
        "service": row.target.service,
        "target": port_text(row.target.key),
        "ok": row.ok,
        "sent": row.sent,
        "reached": row.reached,
        "next_hops": sum(count > 0 for count in row.hops.values()),
        "expected": row.expected,
        "flows": row.hops,
        "ports_in_hash": row.ports,
        "faults": row.faults,
        "notes": row.notes,
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"assessment": assessment, "assess_targets": assess_targets}
