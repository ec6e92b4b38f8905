# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VIPs that a node may announce now, as a filter; see announceable.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible.utils.display import Display
from ansible_collections.baremetal.dsr.plugins.filter.undrained import undrained
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import canonical_address

KEPT = "speaker_kept"
"""Registered result of announcement with state withdraw_only: what a node announces before anything new."""
BUILT = "director_built"
"""That of the first call of ipvs."""


def announceable(plan: Mapping[str, Any], hostvars: Mapping[str, Any], nodes: Sequence[str]) -> list[str]:
    """The VIPs of the plan's list `announce`, but those that the plan's host has to wait for; a warning tells of each.

    What the host announces already is never left out.
    """
    wanted = list(plan["announce"])
    host = str(plan["host"])
    kept = _result(hostvars, host, KEPT)
    if "vips" not in kept or kept.get("drained"):
        return wanted
    new = set(wanted).difference(kept["vips"])
    quiet = [service for service in plan["services"] if service["vip"] in new and _may_be_closing(service)]
    if not quiet:
        return wanted
    found = {name: (_result(hostvars, name, KEPT), _result(hostvars, name, BUILT)) for name in nodes}
    marks = {service["mark"]: service for service in quiet}
    built = {name: result for name, (_kept, result) in found.items()}
    left = undrained([service for service in plan["ipvs"] if service["mark"] in marks], built)
    held: set[str] = set()
    for ipvs in left:
        service = marks[ipvs["mark"]]
        pods = list(_closing(ipvs, service["vip"], {name: each for name, each in found.items() if name != host}))
        if pods:
            held.add(service["vip"])
            more = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
            Display().warning(
                f"Node {host} does not announce VIP {service['vip']} yet: a backend of service {service['name']} still"
                f" drains, {pods[0]}{more}, and connections that move to another director now would lose it. Run again"
                " when they have ended. To announce at once, take the backend out of dsr_services, which ends them."
            )
    return [vip for vip in wanted if vip not in held]


def _may_be_closing(service: Mapping[str, Any]) -> bool:
    """Whether any backend has weight 0 in IPVS. With policy local what moves to another node is lost in any case."""
    return service["policy"] != "local" and any(each["draining"] or not each["weight"] for each in service["backends"])


def _closing(
    service: Mapping[str, Any], vip: str, others: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> Iterator[str]:
    """Its backends of weight 0 and their connections on others that announce the VIP."""
    family = service["family"]
    quiet = {
        (service["mark"], family, canonical_address(each["address"], family))
        for each in service["destinations"]
        if each["draining"] or not each["weight"]
    }
    for name, (kept, built) in others.items():
        if vip in kept.get("vips", ()):
            for each in built.get("closing", ()):
                if (each["mark"], each["family"], each["address"]) in quiet:
                    yield f"{each['address']} ({each['connections']} connections on {name})"


def _result(hostvars: Mapping[str, Any], name: str, key: str) -> Mapping[str, Any]:
    """A registered result; an empty one if the node has none."""
    return (hostvars[name].get(key) if name in hostvars else None) or {}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"announceable": announceable}
