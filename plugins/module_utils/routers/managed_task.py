# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module bgp_router: from its parameters to one of its states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import bird_file
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.install import apply, confirm, plan
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed import Bird, Frr, Router
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import CLUSTER, parse_peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.take_back import TakeBack
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_ANY: Final = ("0.0.0.0", "::")
_SHARED_NAMES: Final = (
    "node_asn vip_pools cluster keepalive hold password ttl_security bfd bfd_interval bfd_multiplier max_prefixes"
    " max_paths listen_ranges passive connect router_id graceful_restart sessions"
).split()


def run(runner: Runner, params: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """The result of the module."""
    cluster = params["cluster"]
    if not re.fullmatch(CLUSTER, cluster) or cluster == bird_file.SHARED:
        raise DsrError("dsr_cluster", f"{shown(cluster)} is no name", "Use letters, digits and '-', at most 20")
    seconds = integer("router_take_back", params["take_back"], 0, 3600)
    router: Router = Bird(runner) if params["provider"] == "bird" else Frr(runner)
    take_back = TakeBack(runner, cluster, router.path, router.load)
    if params["state"] == "confirmed":
        return {"changed": False if check_mode else confirm(router, take_back)}
    present = params["state"] == "present"
    change = plan(router, cluster, peering(params) if present else None, unconfirmed=take_back.pending)
    if change.changed:
        take_back.check_alone()
    if change.changed and not check_mode:
        if not present and take_back.pending:
            take_back.disarm()
        apply(runner, change, take_back, seconds=seconds if present else 0)
    return change.result()


def peering(params: Mapping[str, Any]) -> Peering:
    """The peering with the nodes over every family that the pools have, and the router, as far as it is told."""
    return parse_peering(
        params["name"],
        {"addresses": params["addresses"] or _ANY, "asn": params["asn"]},
        nodes={node["name"]: {"addresses": node["addresses"]} for node in params["nodes"]},
        show_password=True,
        **{name: params[name] for name in _SHARED_NAMES},
    )
