# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the speaker of a node says of itself, from plain inventory data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import Problems, integer, sequence, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import parse_session

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
