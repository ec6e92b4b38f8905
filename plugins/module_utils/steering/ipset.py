# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our ipsets: `ipset save` text to IpSet, and two states to batches for `ipset restore`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family

MAX_ENTRIES: Final = 1 << 20
NEW: Final = "-new"
"""Suffix of a set that is built only to be swapped with the one of the name before it."""

OWNED: Final = frozenset(name + suffix for family in FAMILIES for name in family.set_names for suffix in ("", NEW))

_SIZED_BY_KERNEL: Final = frozenset({"hashsize", "bucketsize", "initval"})


@dataclass(frozen=True)
class IpSet:
    """header: what follows the name in "create", without what the kernel chooses. entries: extensions by element, as
    {"203.0.113.1,tcp:80": "skbmark 0xd00002"}."""

    name: str
    header: str
    entries: Mapping[str, str]


Sets = Mapping[str, IpSet]


def marked(name: str, kind: str, family: Family, marks: Mapping[str, int]) -> IpSet:
    """A set that gives each element its mark, all 32 bits of it."""
    header = f"{kind} family {family.inet} maxelem {MAX_ENTRIES} skbinfo"
    return IpSet(name, header, {element: f"skbmark {mark:#x}" for element, mark in marks.items()})


def parse(text: str) -> dict[str, IpSet]:
    """Our sets by name from `ipset save` output, all other lines skipped."""
    headers: dict[str, str] = {}
    entries: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[1] not in OWNED:
            continue
        if words[0] == "create":
            headers[words[1]] = _header(words[2:])
            entries[words[1]] = {}
        elif words[0] == "add" and words[1] in entries:
            entries[words[1]][_element(words[2])] = " ".join(words[3:])
    return {name: IpSet(name, header, entries[name]) for name, header in headers.items()}


def lines(wanted: IpSet) -> list[str]:
    """The set as `ipset save` would print it, sorted."""
    return [
        f"create {wanted.name} {wanted.header}",
        *(_add(wanted.name, *entry) for entry in sorted(wanted.entries.items())),
    ]


def growth(current: Sets, wanted: Sets) -> list[str]:
    """Lines for `ipset restore -exist` that bring every wanted element, and take none that is wanted.

    An element's new mark replaces the old one in place. A set with another header is rebuilt beside the old one and
    swapped. DsrError if the kernel could not swap the two.
    """
    changed = [f"destroy {name}" for name in sorted(current) if name.endswith(NEW)]
    for name, one in wanted.items():
        held = current.get(name)
        if held is None:
            changed += lines(one)
        elif held.header != one.header:
            changed += _rebuilt(held, one)
        else:
            missing = one.entries.items() - held.entries.items()
            changed += [_add(name, *entry) for entry in sorted(missing)]
    return changed


def shrinkage(current: Sets, wanted: Sets) -> list[str]:
    """Lines for `ipset restore -exist`, to follow growth's, that take away what is not wanted."""
    changed = []
    for name, held in current.items():
        if name in wanted and held.header == wanted[name].header:
            changed += [
                f"del {name} {element}" for element in sorted(held.entries.keys() - wanted[name].entries.keys())
            ]
        elif name not in wanted and not name.endswith(NEW):
            changed.append(f"destroy {name}")
    return changed


def _rebuilt(held: IpSet, wanted: IpSet) -> list[str]:
    # The kernel swaps only sets of one type and family.
    if held.header.split()[:3] != wanted.header.split()[:3]:
        raise DsrError(
            f"ipset {held.name}",
            f"is a set of another kind ({held.header})",
            f"Remove whatever made it, or run 'ipset destroy {held.name}'",
        )
    beside = IpSet(held.name + NEW, wanted.header, wanted.entries)
    return [*lines(beside), f"swap {held.name} {beside.name}", f"destroy {beside.name}"]


def _add(name: str, element: str, extensions: str) -> str:
    return f"add {name} {element} {extensions}".rstrip()


def _header(words: list[str]) -> str:
    # The options in question are pairs of a name and its value.
    kept = [word for at, word in enumerate(words) if not _SIZED_BY_KERNEL & {word, words[at - 1] if at else ""}]
    return " ".join(kept)


def _element(text: str) -> str:
    address, comma, port = text.partition(",")
    try:
        return parse_address("element", address).text + comma + port
    except DsrError:
        return text
