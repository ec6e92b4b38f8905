# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the verify playbook as filters; see verdict.yml and probe_targets.yml for their documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.announcing import announcing, serving
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import (
    Evidence,
    PortKey,
    parse_machine,
    parse_probe,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.table import lines, port_text
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.verdict import Row, Service, judge

CAPTURE = "dsr_verify_capture"
PROBE = "dsr_verify_probe"


def verdict(
    services: Sequence[Mapping[str, Any]],
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Sequence[str],
    routers: Sequence[str],
    clients: Sequence[str],
    announcers: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """{"ok", "rows", "lines"}; AnsibleFilterError if the evidence cannot be read."""
    try:
        evidence = Evidence(
            nodes={str(name): parse_machine(name, hostvars[name].get(CAPTURE)) for name in nodes},
            routers={str(name): parse_machine(name, hostvars[name].get(CAPTURE)) for name in routers},
            addresses={
                str(name): frozenset(
                    str(address) for address in hostvars[name].get("dsr_node", {}).get("addresses", ())
                )
                for name in nodes
            },
            probes={str(name): parse_probe(name, hostvars[name].get(PROBE)) for name in clients},
        )
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    who = announcing(services, announcers or {}, list(evidence.nodes), evidence.drained)
    ports = [
        Service(str(service["name"]), key, _backends(service), who[key.vip])
        for service in services
        for key in _keys(service)
    ]
    rows = judge(ports, evidence)
    return {"ok": all(row.ok for row in rows), "rows": [_plain(row) for row in rows], "lines": lines(rows)}


def probe_targets(services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """[{"vip", "protocol", "port"}] of the services with a backend that takes new connections, as probe takes them."""
    return [
        {"vip": key.vip, "protocol": key.protocol, "port": key.port}
        for service in services
        if serving(service)
        for key in _keys(service)
    ]


def _keys(service: Mapping[str, Any]) -> list[PortKey]:
    return [PortKey(str(service["vip"]), str(port["protocol"]), int(port["port"])) for port in service["ports"]]


def _backends(service: Mapping[str, Any]) -> dict[str, str]:
    """{address: node}; none if they all drain, as then none takes new connections."""
    if not serving(service):
        return {}
    return {str(backend["address"]): str(backend["node"]) for backend in service["backends"]}


def _plain(row: Row) -> dict[str, Any]:
    return {
        "service": row.service.name,
        "target": port_text(row.service.key),
        "ok": row.ok,
        "clients": row.clients,
        "next_hops": row.next_hops,
        "director_packets": row.director_packets,
        "foreign_replies": row.foreign_replies,
        "pods": row.pods,
        "nodes": row.nodes,
        "sent": row.sent,
        "answered": row.answered,
        "broken": [
            {"link": broken.link.name.lower(), "reason": broken.reason, "cure": broken.link.value}
            for broken in row.broken
        ],
        "notes": row.notes,
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verdict": verdict, "probe_targets": probe_targets}
