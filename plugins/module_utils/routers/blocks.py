# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marked blocks in the configuration file of a routing daemon, one for each cluster. Pure.

The rest of the file is the operator's and is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError


@dataclass(frozen=True)
class Blocks:
    """A file taken apart. foreign: its text without our blocks. blocks: by cluster, without their markers."""

    foreign: str
    blocks: Mapping[str, str]


def parse(path: str, text: str, comment: str) -> Blocks:
    """The parts of a file; DsrError if a block has no end."""
    foreign: list[str] = []
    blocks: dict[str, list[str]] = {}
    owner = ""
    for line in text.splitlines(keepends=True):
        marker = _marker(comment).fullmatch(line.rstrip())
        if marker and marker["kind"] == "BEGIN" and not owner:
            owner = marker["cluster"]
            blocks.setdefault(owner, [])
        elif marker and marker["kind"] == "END" and marker["cluster"] == owner:
            owner = ""
        elif marker:
            raise _broken(path, line.rstrip())
        else:
            (blocks[owner] if owner else foreign).append(line)
    if owner:
        raise _broken(path, f"{comment} BEGIN baremetal.dsr {owner}")
    return Blocks("".join(foreign), {name: "".join(lines) for name, lines in blocks.items()})


def with_block(text: str, comment: str, cluster: str, block: str) -> str:
    """The file with this block of the cluster, in the place of the one that is there; an empty one: without it."""
    name = re.escape(cluster)
    found = re.compile(
        rf"^{comment} BEGIN baremetal\.dsr {name}[ \t]*\n.*?^{comment} END baremetal\.dsr {name}[ \t]*(?:\n|\Z)",
        re.MULTILINE | re.DOTALL,
    )
    fresh = f"{comment} BEGIN baremetal.dsr {cluster}\n{block}{comment} END baremetal.dsr {cluster}\n" if block else ""
    at = found.search(text)
    if at:
        return text[: at.start()] + fresh + found.sub("", text[at.end() :])
    return text + ("\n" if fresh and text and not text.endswith("\n") else "") + fresh


def _marker(comment: str) -> re.Pattern[str]:
    return re.compile(rf"{comment} (?P<kind>BEGIN|END) baremetal\.dsr (?P<cluster>[A-Za-z0-9-]+|\*)")


def _broken(path: str, marker: str) -> DsrError:
    return DsrError(
        f"file {path}",
        f"the line '{marker}' has no counterpart, so it cannot be told what belongs to the cluster",
        "Delete the lines of the cluster together with this one, and run again",
    )
