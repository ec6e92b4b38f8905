# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the playbook teardown; see names.yml, remaining.yml and routed.yml for their documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import PrefixTable, parse_address, parse_prefix
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import sequence, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.routes import parse_routes


def names(value: Any) -> list[str]:
    """Names from a list or from text with commas, in their order, each once; AnsibleFilterError if it is neither."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
        raise AnsibleFilterError(f"{shown(value)} is no list of names. Write it as n1,n2 or as a list")
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))


def remaining(services: Any, nodes: Sequence[str] = (), without: Sequence[str] = ()) -> Any:
    """The services but those in `without`, and of each the backends but those on `nodes`.

    What is no service or no backend stays as it is, for the planner to tell what is wrong with it.
    """
    if not isinstance(services, Sequence) or isinstance(services, str):
        return services
    return [_on_others(one, nodes) for one in services if not (isinstance(one, Mapping) and one.get("name") in without)]


def _on_others(service: Any, nodes: Sequence[str]) -> Any:
    backends = service.get("backends") if isinstance(service, Mapping) else None
    if not isinstance(backends, Sequence) or isinstance(backends, str):
        return service
    kept = [one for one in backends if not (isinstance(one, Mapping) and one.get("node") in nodes)]
    return {**service, "backends": kept}


def routed(text: str, pools: Sequence[str], gateways: Sequence[str]) -> list[str]:
    """Addresses in the pools whose host routes, as `ip -json route show` prints them, lead over one of the gateways."""
    try:
        table = PrefixTable((parse_prefix("dsr_vip_pools", pool), str(pool)) for pool in pools)
        known = {parse_address("addresses", gateway).text for gateway in gateways}
        routes = parse_routes(_host_routes(text))
        return [
            route["vip"]
            for route in routes
            if known.intersection(route["hops"]) and table.owner(parse_address("routes", route["vip"]))
        ]
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error


def _host_routes(text: str) -> str:
    try:
        routes = sequence("ip -json route show", json.loads(text or "[]"), "routes")
    except (ValueError, RecursionError) as error:
        raise DsrError("ip -json route show", f"printed {shown(text)}", "Install iproute2 4.17 or later") from error
    return json.dumps([route for route in routes if isinstance(route, dict) and _is_host(str(route.get("dst")))])


def _is_host(destination: str) -> bool:
    return "/" not in destination and destination != "default"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"names": names, "remaining": remaining, "routed": routed}
