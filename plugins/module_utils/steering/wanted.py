# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the caller asks of steering, checked once: VIPs, who gets which mark, MSS, ping, and the guard of the pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import check_keys, integer, mapping, sequence
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import Settings

PROTOCOLS: Final = ("tcp", "udp")
TUNNELS: Final = ("gre", "gue", "ipip")

_ENTRY_KEYS: Final = frozenset({"vip", "protocol", "port", "mark"})
_GUARD_KEYS: Final = frozenset({"sources", "pods", "pools", "tunnels"})
_SMALLEST_MSS: Final = 256
_LARGEST_MSS: Final = 65495


@dataclass(frozen=True)
class Entry:
    """Packets to vip:port get mark, whole. sources: the networks they must come from, in order; none means anywhere."""

    vip: Address
    protocol: str
    port: int
    mark: int
    sources: tuple[Prefix, ...] = ()


@dataclass(frozen=True)
class Guard:
    """Tunnel packets for pods come from sources and are for addresses in pools. All in order, without doubles."""

    sources: tuple[Address, ...]
    pods: tuple[Address, ...]
    pools: tuple[Prefix, ...]
    tunnels: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """VIPs, in address order, and what is served on them; a VIP without an entry is refused on every port.

    mss: largest MSS by IP version, none for a version that is not to be clamped. ping: whether VIPs with an entry
    answer echo requests.
    """

    vips: tuple[Address, ...] = ()
    entries: tuple[Entry, ...] = ()
    mss: Mapping[int, int] = field(default_factory=dict)
    ping: bool = False
    guard: Guard | None = None


def parse_wanted(params: Mapping[str, Any], settings: Settings) -> Wanted:
    """Wanted from the module's options; DsrError on the first thing that cannot be."""
    addresses = {parse_address("vips", vip) for vip in params["vips"]}
    return Wanted(
        tuple(sorted(addresses)),
        _entries(params["entries"], addresses, settings.marks),
        _mss(params.get("mss")),
        bool(params.get("ping")),
        _guard(params.get("guard")),
    )


def _entries(raw_entries: Any, vips: set[Address], marks: MarkRange) -> tuple[Entry, ...]:
    seen: dict[tuple[Address, str, int], Entry] = {}
    for raw in raw_entries:
        entry = _entry(raw, marks)
        if entry.vip not in vips:
            raise DsrError(
                f"entry {_name(entry)}", f"VIP {entry.vip.text} is not in vips", "Add it to vips or drop the entry"
            )
        other = seen.setdefault((entry.vip, entry.protocol, entry.port), entry)
        if other != entry:
            differing = (
                f"two marks, {other.mark:#x} and {entry.mark:#x}"
                if other.mark != entry.mark
                else "two different source_ranges"
            )
            raise DsrError(
                f"entry {_name(entry)}", f"is wanted with {differing}", "Give each VIP and port to one service"
            )
    return tuple(entry for _key, entry in sorted(seen.items()))


def _entry(raw: Any, marks: MarkRange) -> Entry:
    check_keys("entry", mapping("entry", raw, _ENTRY_KEYS), _ENTRY_KEYS, frozenset({"source_ranges"}))
    vip = parse_address("entry", raw["vip"])
    item = f"entry for VIP {vip.text}"
    entry = Entry(
        vip,
        str(raw["protocol"]),
        integer(f"{item}: port", raw["port"], 1, 65535),
        integer(f"{item}: mark", raw["mark"], 0, 2**32 - 1),
        _sources(f"{item}: source_ranges", raw.get("source_ranges"), vip),
    )
    if entry.protocol not in PROTOCOLS:
        raise DsrError(
            f"entry {_name(entry)}", f"protocol {entry.protocol} cannot be steered", f"Use {' or '.join(PROTOCOLS)}"
        )
    if not marks.owns(entry.mark) or entry.mark < marks.mark(1):
        last = marks.base | (marks.mask ^ 0xFFFFFFFF)
        raise DsrError(
            f"entry {_name(entry)}",
            f"mark {entry.mark:#x} is none a service can have",
            f"Use marks from {marks.mark(1):#x} to {last:#x}, or another mark_base and mark_mask",
        )
    return entry


def _sources(item: str, raw: Any, vip: Address) -> tuple[Prefix, ...]:
    """Networks that may reach the VIP; none if one of them is everybody."""
    ranges = {parse_prefix(item, text) for text in sequence(item, raw, "networks")} if raw else set()
    for one in ranges:
        if one.version != vip.version:
            raise DsrError(item, f"{one.text} is not of the VIP's family", f"Use IPv{vip.version} networks")
    everybody = any(one.text.endswith("/0") for one in ranges)
    return () if everybody else tuple(sorted(ranges, key=_place))


def _mss(raw: Any) -> dict[int, int]:
    if raw is None:
        return {}
    given = mapping("mss", raw, ("ipv4", "ipv6"))
    check_keys("mss", given, frozenset(), frozenset({"ipv4", "ipv6"}))
    return {
        version: integer(f"mss: ipv{version}", given[f"ipv{version}"], _SMALLEST_MSS, _LARGEST_MSS)
        for version in (4, 6)
        if given.get(f"ipv{version}") is not None
    }


def _guard(raw: Any) -> Guard | None:
    if raw is None:
        return None
    given = mapping("guard", raw, _GUARD_KEYS)
    check_keys("guard", given, _GUARD_KEYS, frozenset())
    sources, pods, pools, tunnels = (
        sequence(f"guard: {key}", given[key], key) for key in ("sources", "pods", "pools", "tunnels")
    )
    unknown = [tunnel for tunnel in tunnels if tunnel not in TUNNELS]
    if unknown:
        raise DsrError("guard: tunnels", f"there is no tunnel {unknown[0]}", f"Use some of {', '.join(TUNNELS)}")
    return Guard(
        tuple(sorted({parse_address("guard: sources", one) for one in sources})),
        tuple(sorted({parse_address("guard: pods", one) for one in pods})),
        tuple(sorted({parse_prefix("guard: pools", one) for one in pools}, key=_place)),
        tuple(sorted(set(tunnels))),
    )


def _place(prefix: Prefix) -> tuple[int, int, int]:
    """Sorts by address, the larger network first."""
    return prefix.version, prefix.bits << prefix.shift, -prefix.shift


def _name(entry: Entry) -> str:
    return f"{entry.vip.text} {entry.protocol}/{entry.port}"
