# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: machines of the inventory as the BGP roles name their peers; see peers.yml and router_peers.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import Problems
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.asns import (
    is_set,
    parse_node_asn,
    parse_router_asn,
)


def peers(machines: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """[{"name", "addresses"}] in the order of machines."""
    return [_peer(str(name), machine) for name, machine in machines.items()]


def router_peers(
    routers: Mapping[str, Mapping[str, Any]], router_asn: Any = None, node_asn: Any = None
) -> list[dict[str, Any]]:
    """[{"name", "addresses", "asn"}]; AnsibleFilterError, a line per problem, if an AS number is wrong."""
    named = peers(routers)
    problems = Problems()
    node = 0
    with problems:
        node = parse_node_asn(node_asn)
    for peer in named:
        with problems:
            own = routers[peer["name"]]
            item = f"router {peer['name']}"
            peer["asn"] = parse_router_asn(item, own, router_asn, node, node_set=is_set(node_asn))
    try:
        problems.raise_any()
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    return named


def _peer(name: str, machine: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(machine, Mapping) or not machine.get("addresses"):
        raise AnsibleFilterError(
            f"machine {name}: has no addresses. Give it dsr_node (a node) or dsr_router (a router) with addresses"
        )
    return {"name": name, "addresses": list(machine["addresses"])}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"peers": peers, "router_peers": router_peers}
