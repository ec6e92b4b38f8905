# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the configuration of a router that is not managed here; see router_config.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.render import render


def router_config(
    router: Mapping[str, Any],
    name: str,
    nodes: Mapping[str, Any],
    vip_pools: Sequence[str],
    cluster: str = "dsr",
    router_asn: int | None = None,
    node_asn: int | None = None,
    keepalive: int = 3,
    hold: int = 9,
    password: str = "",
    show_password: bool = False,
    ttl_security: bool = True,
    bfd: bool = True,
    bfd_interval: int = 300,
    bfd_multiplier: int = 3,
    max_prefixes: int = 10000,
    max_paths: int = 64,
    listen_ranges: Sequence[str] = (),
    sessions: str = "per_family",
) -> dict[str, str]:
    """{"file", "text"}; AnsibleFilterError, a line per problem, if the inventory cannot be rendered."""
    try:
        rendered = render(
            name,
            router,
            nodes=nodes,
            vip_pools=vip_pools,
            cluster=cluster,
            router_asn=router_asn,
            node_asn=node_asn,
            keepalive=keepalive,
            hold=hold,
            password=password,
            show_password=bool(show_password),
            ttl_security=bool(ttl_security),
            bfd=bool(bfd),
            bfd_interval=bfd_interval,
            bfd_multiplier=bfd_multiplier,
            max_prefixes=max_prefixes,
            max_paths=max_paths,
            listen_ranges=listen_ranges,
            sessions=sessions,
        )
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error
    return {"file": rendered.file, "text": rendered.text}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"router_config": router_config}
