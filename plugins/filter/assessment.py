# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the assess playbook as filters; see assessment.yml and assess_targets.yml for their documentation.

What is done to see whether the router filters is in assess_strays.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter.assess_strays import trial
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import LOCAL
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.announcing import announcing, serving
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.assess import Row, Target, assess, lines
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import (
    Evidence,
    PortKey,
    parse_machine,
    parse_probe,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.stray import StrayRow, judge_strays
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
    announcers: Mapping[str, Sequence[str]] | None = None,
    strays: Sequence[Mapping[str, Any]] = (),
    announcer: str = "",
) -> dict[str, Any]:
    """{"ok", "rows", "strays", "lines"}; AnsibleFilterError for unreadable evidence or an unknown drained node."""
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
        tried, sent = trial(strays, announcer, hostvars, clients)
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    who = announcing(services, announcers or {}, list(evidence.nodes), evidence.drained)
    targets = [Target(name, key, who[key.vip]) for name, key in _chosen(services, announcers or {}, limit)]
    rows = assess(targets, evidence, [str(name) for name in drained])
    tried = replace(tried, arrived=frozenset(row.target.key.vip for row in rows if row.reached))
    judged = judge_strays(tried, replace(evidence, probes=sent))
    return {
        "ok": bool(rows) and all(row.ok for row in rows) and all(row.ok for row in judged),
        "rows": [_plain(row) for row in rows],
        "strays": [_plain_stray(row) for row in judged],
        "lines": lines(rows, judged),
    }


def assess_targets(
    services: Sequence[Mapping[str, Any]], limit: int = 2, announcers: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, Any]]:
    """[{"vip", "protocol", "port"}]: one port of each of a few VIPs of each family that are announced."""
    return [
        {"vip": key.vip, "protocol": key.protocol, "port": key.port}
        for _name, key in _chosen(services, announcers or {}, limit)
    ]


def _chosen(
    services: Sequence[Mapping[str, Any]], announcers: Mapping[str, Sequence[str]], limit: int
) -> list[tuple[str, PortKey]]:
    """Names and ports of services of a plan, first of those whose VIP most nodes should announce; who is drained now
    makes no difference. TCP before UDP, as a lost TCP packet is sent again."""
    chosen: dict[str, dict[str, tuple[str, PortKey]]] = {}
    for service in sorted(services, key=lambda service: -_announced_by(service, announcers)):
        vip = str(service["vip"])
        vips = chosen.setdefault("ipv6" if ":" in vip else "ipv4", {})
        if not _announced_by(service, announcers) or vip in vips or len(vips) >= int(limit):
            continue
        port = min(service["ports"], key=lambda port: (str(port["protocol"]), int(port["port"])))
        vips[vip] = str(service["name"]), PortKey(vip, str(port["protocol"]), int(port["port"]))
    return [target for family in sorted(chosen) for target in chosen[family].values()]


def _announced_by(service: Mapping[str, Any], announcers: Mapping[str, Sequence[str]]) -> float:
    """How many nodes should announce the VIP of a service that has backends, infinite if all should."""
    if not serving(service):
        return 0
    return len(announcers.get(str(service["vip"]), ())) if service["policy"] == LOCAL else math.inf


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


def _plain_stray(row: StrayRow) -> dict[str, Any]:
    return {
        "address": row.key.vip,
        "ok": row.ok,
        "filtered": row.filtered,
        "announced_by": row.announcer,
        "routers": row.told,
        "flows": row.hops,
        "faults": row.faults,
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"assessment": assessment, "assess_targets": assess_targets}
