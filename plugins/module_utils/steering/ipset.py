# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our ipsets: `ipset save` text to IpSet, and the lines for `ipset restore -exist` that change one. In which order the
sets change is another matter: set_order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address, parse_prefix
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import FAMILIES, Family

MAX_ENTRIES: Final = 1 << 20
NEW: Final = "-new"
"""Suffix of a set that is built only to be swapped with the one of the name before it."""

OWNED: Final = frozenset(name + suffix for family in FAMILIES for name in family.set_names for suffix in ("", NEW))

BY_MARK: Final = "hash:ip,mark"

_SIZED_BY_KERNEL: Final = frozenset({"hashsize", "bucketsize", "initval"})
_COUNTED_BY_KERNEL: Final = frozenset({"packets", "bytes"})


@dataclass(frozen=True)
class IpSet:
    """header: what follows the name in "create", without what the kernel chooses. entries: extensions by element, as
    {"203.0.113.1,tcp:80": "skbmark 0xd00002"}, without what the kernel counts."""

    name: str
    header: str
    entries: Mapping[str, str]


Sets = Mapping[str, IpSet]


def marked(name: str, kind: str, family: Family, marks: Mapping[str, int]) -> IpSet:
    """A set that gives each element its mark, all 32 bits of it."""
    header = _new_header(kind, family) + " skbinfo"
    return IpSet(name, header, {element: f"skbmark {mark:#x}" for element, mark in marks.items()})


def plain(name: str, kind: str, family: Family, elements: Iterable[str]) -> IpSet:
    return IpSet(name, _new_header(kind, family), dict.fromkeys(elements, ""))


def counted(name: str, kind: str, family: Family, elements: Iterable[str]) -> IpSet:
    """A set that counts the packets matched, by element."""
    return IpSet(name, _new_header(kind, family) + " counters", dict.fromkeys(elements, ""))


def parse(text: str) -> dict[str, IpSet]:
    """Our sets by name from `ipset save` output, all other lines skipped."""
    headers: dict[str, str] = {}
    entries: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[1] not in OWNED:
            continue
        if words[0] == "create":
            headers[words[1]] = _without(_SIZED_BY_KERNEL, words[2:])
            entries[words[1]] = {}
        elif words[0] == "add" and words[1] in entries:
            entries[words[1]][_element(words[2])] = _without(_COUNTED_BY_KERNEL, words[3:])
    return {name: IpSet(name, header, entries[name]) for name, header in headers.items()}


def lines(wanted: IpSet) -> list[str]:
    """The set as `ipset save` would print it, sorted."""
    return [f"create {wanted.name} {wanted.header}", *additions(wanted.name, wanted.entries.items())]


def additions(name: str, entries: Iterable[tuple[str, str]]) -> list[str]:
    """Lines that bring these (element, extensions); the extensions replace those of an element that is there."""
    return [f"add {name} {element} {extensions}".rstrip() for element, extensions in sorted(entries)]


def removals(name: str, elements: Iterable[str]) -> list[str]:
    return [f"del {name} {element}" for element in sorted(elements)]


def growth(held: IpSet | None, wanted: IpSet) -> list[str]:
    """Lines that bring every wanted element, and take none that is wanted. A set with another header is rebuilt beside
    the old one and swapped. DsrError if the kernel could not swap the two."""
    if held is None:
        return lines(wanted)
    if held.header != wanted.header:
        return _rebuilt(held, wanted)
    return additions(wanted.name, wanted.entries.items() - held.entries.items())


def shrinkage(held: IpSet, wanted: IpSet | None) -> list[str]:
    """Lines, to follow growth's, that take away what is not wanted."""
    if wanted is None:
        return [f"destroy {held.name}"]
    if held.header != wanted.header:
        return []
    return removals(held.name, held.entries.keys() - wanted.entries.keys())


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


def _new_header(kind: str, family: Family) -> str:
    of_marks = " markmask 0xffffffff" if kind == BY_MARK else ""
    return f"{kind} family {family.inet}{of_marks} maxelem {MAX_ENTRIES}"


def _without(names: frozenset[str], words: list[str]) -> str:
    # The options in question are pairs of a name and its value.
    return " ".join(word for at, word in enumerate(words) if not names & {word, words[at - 1] if at else ""})


def _element(text: str) -> str:
    """The element in one spelling: "address", "address,protocol:port", "address,protocol:port,network" or
    "address,mark". A network of one address is written without its length, as ipset does."""
    address, *rest = text.split(",")
    try:
        if len(rest) == 1 and rest[0].startswith("0x"):
            rest = [mark_element(int(rest[0], 16))]
        elif len(rest) == 2:
            rest[1] = network_element(rest[1])
        return ",".join([parse_address("element", address).text, *rest])
    except (DsrError, ValueError):
        return text


def mark_element(mark: int) -> str:
    return f"{mark:#010x}"


def network_element(text: str) -> str:
    """A network as ipset writes it. text: "network/length" or an address; DsrError if it is neither."""
    if "/" not in text:
        return parse_address("network", text).text
    prefix = parse_prefix("network", text)
    return prefix.text if prefix.shift else prefix.text.split("/", 1)[0]
