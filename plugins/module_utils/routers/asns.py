# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AS numbers of routers and nodes, and what they are where nobody tells them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

ROUTER_ASN: Final = 64512
NODE_ASN: Final = 64513
_RESERVED: Final = {0: "is reserved", 23456: "is AS_TRANS, which stands for another number"}


def parse_asn(item: str, value: Any) -> int:
    """The AS number; DsrError if it is none."""
    number = integer(item, value, 0, 4294967295)
    if number in _RESERVED:
        raise DsrError(
            item,
            f"{number} {_RESERVED[number]}",
            "Use the AS number from 1 to 4294967295; for private use 64512-65534 or 4200000000-4294967294",
        )
    return number


def parse_node_asn(value: Any) -> int:
    """value: dsr_node_asn."""
    return parse_asn("dsr_node_asn", value if is_set(value) else NODE_ASN)


def parse_router_asn(item: str, router: Mapping[str, Any], router_asn: Any, node_asn: int, *, node_set: bool) -> int:
    """The AS number of one router. item: the router as messages name it. router: it may have an asn of its own.

    router_asn: dsr_router_asn. node_asn: that of the nodes; node_set: it is no default. Equal numbers make the sessions
    iBGP; DsrError where they are equal because one of them was not set.
    """
    variable, value = (f"{item}, asn", router["asn"]) if "asn" in router else ("dsr_router_asn", router_asn)
    router_set = "asn" in router or is_set(router_asn)
    number = parse_asn(variable, value if router_set else ROUTER_ASN)
    if number == node_asn and not (router_set and node_set):
        raise (
            _by_default(variable, "dsr_node_asn", number)
            if router_set
            else _by_default("dsr_node_asn", "dsr_router_asn", number)
        )
    return number


def is_set(value: Any) -> bool:
    """Whether somebody has set the variable. None and empty text stand for one that nobody has."""
    return value is not None and value != ""


def _by_default(item: str, other: str, number: int) -> DsrError:
    return DsrError(
        item,
        f"is {number}, and so is {other} by default: the sessions would be iBGP, which nobody asked for",
        f"Set {other} too: to another number for eBGP, to {number} if iBGP is meant",
    )
