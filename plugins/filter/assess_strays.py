# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the playbook assess tries a router's filter; see assess_strays.yml and assess_announcer.yml for documentation."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter.teardown import names
from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import Flow, PortKey, parse_probe
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.stray import Trial, Way

DRAIN_COMMUNITY = "65535:0"
WAYS = "dsr_assess_ways"
SPEAKER = "dsr_assess_bgp"
TOLD = "dsr_assess_stray_bgp"
PROBE = "dsr_assess_stray_probe"
WITHDRAWN = "dsr_assess_stray_withdrawn"
_ITEM = "dsr_assess_stray"


def assess_strays(
    strays: Any, targets: Sequence[Mapping[str, Any]], vip_pools: Sequence[str], hostvars: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """[{"vip", "protocol", "port"}]: a port of each address to announce; AnsibleFilterError for a wrong one."""
    try:
        found = [parse_address(_ITEM, word) for word in names(strays)]
        pools = [(parse_prefix("dsr_vip_pools", pool), f"pool {pool}") for pool in vip_pools]
        networks = [*pools, *_pod_networks(hostvars)] if found else []
        machines = dict(_machines(hostvars)) if found else {}
        return [_target(stray, targets, networks, machines) for stray in dict.fromkeys(found)]
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error


def assess_announcer(
    strays: Sequence[str], hostvars: Mapping[str, Any], nodes: Sequence[str], drained: Sequence[str] = ()
) -> str:
    """The first node that announces VIPs of every family of the strays, and is not drained; "" if there is none."""
    wanted = set(map(_version, strays))
    for name in nodes if wanted else ():
        known = hostvars[name] if name in hostvars else {}
        said = (known.get(SPEAKER) or {}).get("announced") or []
        usual = [each["vip"] for each in said if DRAIN_COMMUNITY not in each["communities"]]
        if name not in drained and len(usual) == len(said) and wanted <= set(map(_version, usual)):
            return str(name)
    return ""


def trial(
    strays: Sequence[Mapping[str, Any]], announcer: str, hostvars: Mapping[str, Any], clients: Sequence[str]
) -> tuple[Trial, dict[str, Mapping[PortKey, Sequence[Flow]] | None]]:
    """What was done, as registered on the announcer and the clients, and the flows to the strays by client."""
    known = hostvars[announcer] if announcer else {}
    spoken, probed = known.get(TOLD) or {}, known.get(PROBE) or {}
    by_client = {str(result.get("item")): result for result in probed.get("results") or []}
    told: dict[str, frozenset[str]] = {}
    for each in spoken.get("announced") or []:
        told[each["vip"]] = told.get(each["vip"], frozenset()).union(each["neighbors"])
    sessions = spoken.get("sessions") or []
    tried = Trial(
        targets=[PortKey(str(stray["vip"]), str(stray["protocol"]), int(stray["port"])) for stray in strays],
        announcer=announcer,
        routers={each["neighbor"]: each["description"] or each["neighbor"] for each in sessions},
        carriers={
            version: frozenset(each["neighbor"] for each in sessions if f"ipv{version}" in each["families"])
            for version in (4, 6)
        },
        told=told,
        lasted=frozenset((known.get(WITHDRAWN) or {}).get("removed") or []),
        ways={name: _ways(hostvars[name].get(WAYS) or {}) for name in clients} if strays else {},
    )
    return tried, {name: parse_probe(name, by_client.get(name)) for name in map(str, clients)} if strays else {}


def _pod_networks(hostvars: Mapping[str, Any]) -> Iterator[tuple[Prefix, str]]:
    for name in hostvars:
        for value in (hostvars[name].get("dsr_node") or {}).get("pod_cidrs", ()):
            yield parse_prefix(f"pod_cidrs of {name}", str(value)), f"the pods of {name}"


def _machines(hostvars: Mapping[str, Any]) -> Iterator[tuple[Address, str]]:
    """(address, machine that has it) for all that the inventory knows."""
    for name in hostvars:
        known = hostvars[name]
        node, router = known.get("dsr_node") or {}, known.get("dsr_router") or {}
        for value in (*node.get("addresses", ()), *node.get("tunnel_addresses", ()), *router.get("addresses", ())):
            yield parse_address(f"addresses of {name}", str(value)), str(name)
        with suppress(DsrError):  # it may be a name
            yield parse_address("ansible_host", str(known.get("ansible_host", ""))), str(name)


def _target(
    stray: Address,
    targets: Sequence[Mapping[str, Any]],
    networks: Sequence[tuple[Prefix, str]],
    machines: Mapping[Address, str],
) -> dict[str, Any]:
    item = f"{_ITEM}: {stray.text}"
    plain = ipaddress.ip_address(stray.text)
    if plain.is_multicast or plain.is_loopback or plain.is_link_local or plain.is_unspecified:
        raise DsrError(item, "is no address that a router has a host route for", "Use a unicast address")
    owner = machines.get(stray) or next((owner for network, owner in networks if network.holds(stray)), "")
    if owner:
        raise DsrError(
            item,
            f"belongs to {owner}",
            "Use an address that nobody uses, outside of dsr_vip_pools, that the client reaches through the router",
        )
    for target in targets:
        if _version(target["vip"]) == stray.version:
            return {"vip": stray.text, "protocol": target["protocol"], "port": target["port"]}
    raise DsrError(
        item,
        f"no IPv{stray.version} VIP is announced, so there is nothing to compare with",
        "Use an address of the other family, or give a service backends",
    )


def _ways(asked: Mapping[str, Any]) -> dict[str, Way]:
    """Next hops from the registered `ip -json route get`, of those addresses that it told them for."""
    found: dict[str, Way] = {}
    for result in asked.get("results") or []:
        try:
            route = json.loads(result.get("stdout") or "")[0]
            found[str(result["item"])] = str(route.get("gateway", "")), str(route.get("dev", ""))
        except (ValueError, LookupError, AttributeError):
            continue
    return found


def _version(address: object) -> int:
    return 6 if ":" in str(address) else 4


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"assess_strays": assess_strays, "assess_announcer": assess_announcer}
