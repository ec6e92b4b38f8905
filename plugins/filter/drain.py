# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the playbooks drain, undrain and teardown; see drain_refusals.yml, undrain_refusals.yml,
teardown_refusals.yml, unrouted.yml and tunnel_targets.yml for their documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter.teardown import routed
from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

DRAINED = "dsr_drain_file"
"""Registered result of stat of the file that says a node is drained."""
SPOKEN = "dsr_drain_bgp"
"""That of bgp_info."""
SERVED = "dsr_drain_ipvs"
"""That of ipvs_info."""
DRAIN_COMMUNITY = "65535:0"
_NAMED = 5


@dataclass(frozen=True)
class Director:
    """A node as it is now. announced: VIPs that any router gets from it; preferred: those that it gets without the
    community that asks to send elsewhere. closing: (mark, pod) with the connections of pods of weight 0 in its IPVS
    table; unseen: why these are not known, "" if they are."""

    name: str
    reachable: bool
    drained: bool
    announced: frozenset[str]
    preferred: frozenset[str]
    closing: Mapping[tuple[int, str], int]
    unseen: str


def drain_refusals(
    plan: Mapping[str, Any], hostvars: Mapping[str, Any], nodes: Sequence[str], asked: Sequence[str], most: Any = 1
) -> list[str]:
    """Why these nodes must not be drained now, a sentence or two each; none if they may."""
    directors = _directors(hostvars, nodes)
    return [
        *_names(nodes, asked),
        *_unreachable(directors, asked),
        *_too_many(directors, asked, int(most)),
        *_last(plan, directors, asked),
        *_closing(plan, directors, any(directors[name].announced for name in asked if name in directors)),
    ]


def undrain_refusals(
    plan: Mapping[str, Any], hostvars: Mapping[str, Any], nodes: Sequence[str], asked: Sequence[str]
) -> list[str]:
    """Why these nodes must not be undrained now, a sentence or two each; none if they may."""
    directors = _directors(hostvars, nodes)
    silent = any(not directors[name].preferred for name in asked if name in directors)
    return [*_names(nodes, asked), *_unreachable(directors, asked), *_closing(plan, directors, silent)]


def teardown_refusals(
    plan: Mapping[str, Any], hostvars: Mapping[str, Any], nodes: Sequence[str], asked: Sequence[str]
) -> list[str]:
    """Why these nodes must not leave the cluster now, a sentence or two each; none if they may."""
    directors = _directors(hostvars, nodes)
    return _closing(plan, directors, any(directors[name].announced for name in asked if name in directors))


def unrouted(text: str, vips: Sequence[str], gateways: Sequence[str], version: int) -> list[str]:
    """Those of the VIPs of this IP version that no host route, as `ip -json -4 route show` (-6) prints them, leads over
    one of the gateways for. None if no gateway is of this IP version."""
    try:
        parsed = {parse_address("vips", vip) for vip in vips}
        known = any(parse_address("addresses", gateway).version == version for gateway in gateways)
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    found = set(routed(text, ["0.0.0.0/0", "::/0"], gateways))
    return [vip.text for vip in sorted(parsed) if known and vip.version == version and vip.text not in found]


def tunnel_targets(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A TCP port of each service with a pod that takes new connections through this host."""
    serving = {
        service["mark"]
        for service in plan["ipvs"]
        if any(each["weight"] and not each["draining"] for each in service["destinations"])
    }
    chosen: dict[int, dict[str, Any]] = {}
    for entry in plan["steering"]["entries"]:
        if entry["protocol"] == "tcp" and entry["mark"] in serving:
            target = {"vip": entry["vip"], "port": entry["port"], "mark": entry["mark"]}
            chosen.setdefault(entry["mark"], target)
    return list(chosen.values())


def _directors(hostvars: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Director]:
    return {name: _director(name, hostvars[name] if name in hostvars else {}) for name in nodes}


def _director(name: str, known: Mapping[str, Any]) -> Director:
    file, spoken, served = (known.get(key) or {} for key in (DRAINED, SPOKEN, SERVED))
    said = spoken.get("announced") or []
    return Director(
        name=name,
        reachable="stat" in file and not any(each.get("unreachable") for each in (spoken, served)),
        drained=bool((file.get("stat") or {}).get("exists", False)),
        announced=frozenset(each["vip"] for each in said),
        preferred=frozenset(each["vip"] for each in said if DRAIN_COMMUNITY not in each["communities"]),
        closing=_closing_pods(served),
        unseen="" if "services" in served else " ".join(str(served.get("msg") or "nobody asked it").split()),
    )


def _closing_pods(served: Mapping[str, Any]) -> dict[tuple[int, str], int]:
    """Connections by (mark, pod) of the pods that take no new ones."""
    closing = {
        (service["mark"], each["address"])
        for service in served.get("services") or []
        for each in service["destinations"]
        if each["weight"] == 0
    }
    counts = {
        (each["mark"], each["address"]): int(each["active"]) + int(each["inactive"])
        for each in served.get("connections") or []
    }
    return {key: counts[key] for key in closing if counts.get(key, 0) > 0}


def _names(nodes: Sequence[str], asked: Sequence[str]) -> list[str]:
    if not asked:
        return ["No node is named. Name one with -e dsr_drain_nodes=n2 (n2,n3 or a list)."]
    return [
        f"Node {name} is not in the inventory's group of nodes. Name one of {', '.join(nodes)}."
        for name in asked
        if name not in nodes
    ]


def _unreachable(directors: Mapping[str, Director], asked: Sequence[str]) -> list[str]:
    return [
        f"Node {name} cannot be reached, so nothing can be asked of it. If it is gone, its routes are gone too."
        for name in asked
        if name in directors and not directors[name].reachable
    ]


def _too_many(directors: Mapping[str, Director], asked: Sequence[str], most: int) -> list[str]:
    out = [name for name, each in directors.items() if name not in asked and (each.drained or not each.reachable)]
    wanted = [name for name in asked if name in directors]
    if not wanted or len(out) + len(wanted) <= most:
        return []
    others = f" beside {', '.join(out)}, drained or unreachable," if out else ""
    return [
        f"Draining {', '.join(wanted)}{others} would take {len(out) + len(wanted)} nodes out, and dsr_drain_max allows"
        f" {most}. Undrain others first, or allow more if those that are left can carry the traffic."
    ]


def _last(plan: Mapping[str, Any], directors: Mapping[str, Director], asked: Sequence[str]) -> list[str]:
    """VIPs that nobody else announces. Who may announce them the plan says, and who does BGP."""
    refused = []
    lost = frozenset[str]().union(*(directors[name].announced for name in asked if name in directors))
    planned = {vip: nodes for vip, nodes in plan["announcers"].items() if vip in lost}
    left = [each for name, each in directors.items() if name not in asked and each.reachable and not each.drained]
    alone = [
        vip
        for vip in sorted(lost, key=lambda vip: parse_address("announced", vip))
        if not any(vip in each.preferred and each.name in planned.get(vip, [each.name]) for each in left)
    ]
    if alone:
        refused.append(
            f"No other node announces {_few(_with_services(plan, vip) for vip in alone)} to a router. Bring another"
            " node up for it first (site.yml, undrain), or for a service of policy local a backend on another node."
        )
    return refused


def _closing(plan: Mapping[str, Any], directors: Mapping[str, Director], changes: bool) -> list[str]:
    """changes: whether the run would change which directors the routers use."""
    if not changes:
        return []
    blind = [
        f"Cannot see whether a backend drains on node {each.name}: {each.unseen.rstrip('.')}. Mend it and run again."
        for each in directors.values()
        if each.reachable and each.unseen
    ]
    names = {service["mark"]: service["name"] for service in plan["services"]}
    pods = [
        f"{pod} of service {names.get(mark, names.get(mark - 1, hex(mark)))} ({count} connections on {each.name})"
        for each in directors.values()
        for (mark, pod), count in sorted(each.closing.items())
    ]
    if not pods:
        return blind
    return [
        *blind,
        f"A backend still drains: {_few(pods)}. Connections that move to another director now would lose it. Wait until"
        " they have ended, give the backend a drain_until, or run site.yml if that has passed.",
    ]


def _with_services(plan: Mapping[str, Any], vip: str) -> str:
    names = [service["name"] for service in plan["services"] if service["vip"] == vip]
    return f"VIP {vip} of service {', '.join(names)}" if names else f"VIP {vip}"


def _few(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "drain_refusals": drain_refusals,
            "undrain_refusals": undrain_refusals,
            "teardown_refusals": teardown_refusals,
            "unrouted": unrouted,
            "tunnel_targets": tunnel_targets,
        }
