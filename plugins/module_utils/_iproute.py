# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ip -json` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError


def parse_objects(command: str, text: str) -> list[Mapping[str, Any]]:
    """The objects of a list, all else in it skipped; no output is an empty list. DsrError if it is no list."""
    if not text.strip():
        return []
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise DsrError(f"output of '{command}'", "is something other than a JSON list", "Install iproute2 5.0 or later")
    return [item for item in items if isinstance(item, dict) and item]
