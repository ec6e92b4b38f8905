# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port of a service."""

from __future__ import annotations

from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import check_keys, integer, listing, mapping, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model.cluster import PROTOCOLS, Port

_KEYS: Final = frozenset({"port"})
_OPTIONS: Final = frozenset({"protocol", "targetPort"})


def parse_port(service_item: str, value: Any) -> Port:
    """Port from its mapping; DsrError also for what Direct Server Return cannot do."""
    item = f"{service_item}, ports"
    value = mapping(item, value, ["port", "protocol"])
    check_keys(item, value, _KEYS, _OPTIONS)
    port = integer(f"{service_item}, port", value["port"], 1, 65535)
    item = f"{service_item}, port {port}"
    target = value.get("targetPort", port)
    if isinstance(target, bool) or target not in (port, str(port)):
        raise DsrError(
            item,
            f"has targetPort {shown(target)}, but a packet to the vip reaches the pod as the client sent it:"
            " Direct Server Return cannot rewrite ports",
            f"Let the pod listen on port {port}, or make the pod's port the service's port",
        )
    protocol = value.get("protocol", "tcp")
    lowered = protocol.lower() if isinstance(protocol, str) else None
    if lowered == "sctp":
        raise DsrError(
            item,
            "is SCTP, which is not supported: its endpoints tell each other their own addresses, and those of the pod"
            " would lead the client past the vip",
            "Serve TCP or UDP here, and give SCTP clients the pod's own address",
        )
    if lowered not in PROTOCOLS:
        raise DsrError(item, f"unknown protocol {shown(protocol)}", f"Use one of {listing(PROTOCOLS)}")
    return Port(port, str(lowered))
