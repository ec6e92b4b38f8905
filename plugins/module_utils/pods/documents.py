# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ip -json` prints: one JSON document for each command of a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError


def parse_documents(command: str, text: str) -> list[list[Mapping[str, Any]]]:
    """The objects of each list, all else in them skipped. DsrError if it is anything but JSON lists."""
    decoder, at = json.JSONDecoder(), 0
    documents: list[list[Mapping[str, Any]]] = []
    text = text.strip()
    while at < len(text):
        try:
            items, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            items = None
        if not isinstance(items, list):
            raise DsrError(
                f"output of '{command}'", "is something other than a JSON list", "Install iproute2 5.0 or later"
            )
        documents.append([item for item in items if isinstance(item, dict) and item])
        at += len(text[at:]) - len(text[at:].lstrip())
    return documents
