# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a router that is not managed here, in its own dialect. Pure: same input, same text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import listing, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import bird, cumulus, eos, frr, junos, nxos
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import PASSWORD_PLACEHOLDER, Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import parse_peering


@dataclass(frozen=True)
class Dialect:
    """comment: what a comment starts with. notes: what to know before use. lines: the configuration."""

    comment: str
    notes: Callable[[Peering], Iterator[str]]
    lines: Callable[[Peering], Iterator[str]]


DIALECTS: Final[Mapping[str, Dialect]] = {
    "frr": Dialect("!", frr.kernel_notes, frr.lines),
    "bird": Dialect("#", bird.notes, bird.lines),
    "eos": Dialect("!", eos.notes, eos.lines),
    "nxos": Dialect("!", nxos.notes, nxos.lines),
    "junos": Dialect("#", junos.notes, junos.lines),
    "sonic": Dialect("!", frr.sonic_notes, frr.lines),
    "cumulus": Dialect("#", cumulus.notes, cumulus.lines),
}


@dataclass(frozen=True)
class Rendered:
    """file: name to keep it by, "<router>.<dialect>.conf"."""

    file: str
    text: str


def render(name: Any, router: Any, **options: Any) -> Rendered:
    """The file of one router. router and options as parse_peering takes them, and in router also the dialect."""
    chosen = router.get("dialect") if isinstance(router, Mapping) else None
    if not isinstance(chosen, str) or chosen not in DIALECTS:
        raise DsrError(
            f"router {name}",
            "has no dialect" if chosen is None else f"dialect {shown(chosen)} is not known",
            f"Set dsr_router.dialect to one of {listing(DIALECTS)}",
        )
    peering = parse_peering(name, router, **options)
    dialect = DIALECTS[chosen]
    top = [f"{dialect.comment} {line}".rstrip() for line in _header(peering, chosen, dialect)]
    return Rendered(f"{peering.router}.{chosen}.conf", "\n".join([*top, dialect.comment, *dialect.lines(peering), ""]))


def _header(peering: Peering, dialect: str, how: Dialect) -> Iterator[str]:
    kind = "iBGP" if peering.internal else "eBGP"
    yield f"Rendered by baremetal.dsr for router {peering.router} ({dialect}), and NOT RUN: it was sent nowhere."
    yield "Read it, compare it with what the router has, and put it there yourself. docs/routers.md explains it."
    yield f"Cluster {peering.cluster}: {kind}, router in AS {peering.asn}, nodes in AS {peering.node_asn}."
    if peering.password == PASSWORD_PLACEHOLDER:
        yield f"The password is not in here: put it where {PASSWORD_PLACEHOLDER} stands."
    yield ""
    yield from how.notes(peering)
