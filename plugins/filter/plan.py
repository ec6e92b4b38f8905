# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner as a filter; see plan.yml for its documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.baremetal.dsr.plugins.module_utils.collector import collector_paused
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import DEFAULT_MARK_BASE, DEFAULT_MARK_MASK
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import ClusterPlan, HostPlan, plan_cluster


def plan(
    services: Any,
    host: Any,
    nodes: Any,
    vip_pools: Any,
    mark_base: Any = DEFAULT_MARK_BASE,
    mark_mask: Any = DEFAULT_MARK_MASK,
    tunnel: Any = "ipip",
    mtu: Any = 1500,
    overlay_overhead: Any = 0,
    routers: Any = (),
) -> HostPlan:
    """Plan of one host as plain, JSON-ready data, its warnings shown too; AnsibleFilterError on bad input."""
    try:
        given = {
            "services": _plain("dsr_services", services),
            "nodes": _plain("nodes", nodes),
            "vip_pools": _plain("dsr_vip_pools", vip_pools),
            "mark_base": _plain("dsr_mark_base", mark_base),
            "mark_mask": _plain("dsr_mark_mask", mark_mask),
            "tunnel": _plain("dsr_tunnel", tunnel),
            "mtu": _plain("dsr_mtu", mtu),
            "overlay_overhead": _plain("dsr_overlay_overhead", overlay_overhead),
            "routers": _plain("routers", routers),
        }
        made = plan_all(json.dumps(given)).for_host(str(host))
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    for warning in made["warnings"]:
        Display().warning(warning)  # Ansible shows each text once in a run
    return made


@lru_cache(maxsize=1)
def plan_all(given: str) -> ClusterPlan:
    """Plan of the input given as JSON. Cached: Ansible templates lazily, and asks anew at every mention of the plan."""
    with collector_paused():
        return plan_cluster(parse_cluster(**json.loads(given)))


def _plain(item: str, value: Any) -> Any:
    """The value without what Ansible wraps around it (lazy containers, tagged strings and numbers).

    A time becomes its ISO 8601 text: YAML makes times of such text where it is not quoted.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, inner) for inner in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise DsrError(item, f"holds a {type(value).__name__}", "Use only mappings, lists, strings, numbers and times")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan": plan}
