# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clusters and operator claim on one router, and where two claims cannot both be met. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Union

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import Problems
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_VARIABLES: Final = {"maximum-paths": "dsr_max_paths", "router-id": "router_id", "id": "router_id"}
"""What gives these settings, by a word of theirs."""


@dataclass(frozen=True)
class Claims:
    """What a piece of configuration holds. neighbors: addresses. settings: of the whole router, with their values."""

    asn: int | None = None
    pools: tuple[str, ...] = ()
    neighbors: frozenset[str] = frozenset()
    ranges: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def check_other_cluster(cluster: str, ours: Claims, other: str, theirs: Claims, *, one_asn: bool) -> None:
    """DsrError, a line per conflict between two clusters of one router. one_asn: the daemon has one AS number."""
    problems = Problems()
    item = f"cluster {cluster}"
    for mine, foreign in _overlaps(ours.pools, theirs.pools):
        with problems:
            raise DsrError(
                item,
                f"its VIP pool {mine} overlaps {foreign} of cluster {other} on this router",
                "Give each cluster pools of its own; was the cluster renamed, remove it by its old dsr_cluster first",
            )
    for mine, foreign in _overlaps(ours.ranges, theirs.ranges):
        with problems:
            raise DsrError(
                item,
                f"its listen range {mine} overlaps {foreign} of cluster {other} on this router",
                "Use ranges of its own, or name the nodes",
            )
    for address in sorted(ours.neighbors & theirs.neighbors):
        with problems:
            raise DsrError(item, f"its node {address} is a node of cluster {other} too", "Leave it in one of the two")
    if one_asn:
        with problems:
            _one_asn(item, ours, f"cluster {other}", theirs)
    with problems:
        _one_setting(item, ours, f"cluster {other}", theirs)
    problems.raise_any()


def check_operator(cluster: str, ours: Claims, theirs: Claims) -> None:
    """DsrError if the operator's own part of the configuration has what ours would change."""
    item = f"cluster {cluster}"
    _one_asn(item, ours, "the rest of its configuration", theirs)
    _one_setting(item, ours, "the rest of its configuration", theirs)
    for address in sorted(ours.neighbors & theirs.neighbors):
        raise DsrError(
            item,
            f"this router has a neighbor {address} already, in the part that is not ours",
            "Delete it there: this role peers with the node",
        )


def _one_asn(item: str, ours: Claims, whose: str, theirs: Claims) -> None:
    if ours.asn and theirs.asn and ours.asn != theirs.asn:
        raise DsrError(
            item,
            f"wants this router in AS {ours.asn}, but {whose} has AS {theirs.asn}, and a router has one",
            "Set dsr_router_asn, or asn in the router's dsr_router, to the number it has",
        )


def _one_setting(item: str, ours: Claims, whose: str, theirs: Claims) -> None:
    for name in sorted(ours.settings.keys() & theirs.settings.keys()):
        mine, foreign = ours.settings[name], theirs.settings[name]
        if mine != foreign:
            variable = next((_VARIABLES[word] for word in name.split() if word in _VARIABLES), "")
            raise DsrError(
                item,
                f"{variable or 'the role'} gives '{f'{name} {mine}'.strip()}', but {whose} has"
                f" '{f'{name} {foreign}'.strip()}', and this is for the whole router",
                f"Set {variable} to that, or change the other" if variable else "Delete it there",
            )


def _overlaps(ours: Iterable[str], theirs: Iterable[str]) -> list[tuple[str, str]]:
    others = [_network(text) for text in theirs]
    return [(mine, str(other)) for mine in ours for other in others if _version_and_overlap(_network(mine), other)]


def _version_and_overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)
