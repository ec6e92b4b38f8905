# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the speaker of a node says of itself, from plain inventory data. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import (
    Problems,
    integer,
    listing,
    sequence,
    shown,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import ONE, SESSIONS
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import (
    parse_session,
    without_transport,
)

_LARGEST = 4294967295
_SESSION = ("asn", "keepalive", "hold", "password", "bfd_interval", "bfd_multiplier")


def parse_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with numbers as numbers and each community as its two or three; DsrError, a line per problem."""
    problems = Problems()
    found: dict[str, Any] = {"password": str(settings["password"] or "")}
    with problems:
        parse_session(**{key: settings[key] for key in _SESSION})
        found.update({key: int(settings[key]) for key in _SESSION if key != "password"})
    with problems:
        found["communities"] = [_community(each) for each in _communities(settings["communities"])]
    with problems:
        found["med"] = integer("speaker_med", settings["med"], 0, _LARGEST)
    with problems:
        found["local_pref"] = integer("speaker_local_pref", settings["local_pref"], 0, _LARGEST)
    with problems:
        found["listen_port"] = integer("speaker_listen_port", settings["listen_port"], 1, 65535)
    problems.raise_any()
    return found


def parse_sessions(routers: Sequence[Mapping[str, Any]], addresses: Any, form: Any, node: str) -> list[dict[str, Any]]:
    """The sessions of the node with the routers; DsrError, a line per problem.

    routers: {name, addresses, asn}; of these and of the node's own addresses the first of each family counts.
    form: "per_family", or "one", with which a session between IPv4 addresses carries both families.
    A session: {name, router, local, neighbor, asn, channels: [{family, next_hop}]}; next_hop: empty where it is local.
    """
    if form not in SESSIONS:
        raise DsrError("dsr_bgp_sessions", f"{shown(form)} is not known", f"Use {listing(SESSIONS)}")
    problems = Problems()
    found: list[dict[str, Any]] = []
    with problems:
        own = _by_version(f"node {node}", addresses)
        for router in routers:
            with problems:
                found += _sessions(router, own, form, node)
    problems.raise_any()
    return found


def _sessions(router: Mapping[str, Any], own: dict[int, Address], form: str, node: str) -> list[dict[str, Any]]:
    item = f"router {router['name']}"
    theirs = _by_version(item, router["addresses"])
    common = sorted(own.keys() & theirs.keys())
    if form != ONE:
        return [_session(router, theirs[version], own, [version]) for version in theirs if version in own]
    transport = min(theirs, default=None)
    if transport not in own:
        raise without_transport(node, item, transport)
    return [_session(router, theirs[transport], own, common)]


def _session(
    router: Mapping[str, Any], neighbor: Address, own: dict[int, Address], versions: list[int]
) -> dict[str, Any]:
    channels = [
        {"family": f"ipv{version}", "next_hop": "" if version == neighbor.version else own[version].text}
        for version in versions
    ]
    return {
        "name": f"dsr_{re.sub('[^A-Za-z0-9_]', '_', router['name'])}_ipv{neighbor.version}",
        "router": router["name"],
        "local": own[neighbor.version].text,
        "neighbor": neighbor.text,
        "asn": int(router["asn"]),
        "channels": channels,
    }


def _by_version(item: str, addresses: Any) -> dict[int, Address]:
    """The first address of each family, in their order."""
    first: dict[int, Address] = {}
    for value in sequence(f"{item}, addresses", addresses, "addresses"):
        address = parse_address(f"{item}, addresses", value)
        first.setdefault(address.version, address)
    return first


def _communities(value: Any) -> list[str]:
    return [str(each) for each in sequence("speaker_communities", value, "communities such as '64513:100'")]


def _community(text: str) -> list[int]:
    parts = text.split(":")
    largest = {2: 65535, 3: _LARGEST}.get(len(parts), -1)
    numbers = [int(part) if part.isascii() and part.isdecimal() and len(part) <= 10 else _LARGEST + 1 for part in parts]
    if any(number > largest for number in numbers):
        raise DsrError(
            "speaker_communities",
            f"{shown(text)} is no community",
            "Write it in quotes as '64513:100', each number at most 65535, or as a large one, '64513:1:2'",
        )
    return numbers
