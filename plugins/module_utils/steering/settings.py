# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the caller asks of steering, checked once: marks, tables, VIPs and which VIP:port gets which mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import check_keys, integer, mapping
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange, parse_mark_range

FORM_IPSET: Final = "ipset"
FORM_IPTABLES: Final = "iptables"
PROTOCOLS: Final = ("tcp", "udp")

_KERNEL_TABLES: Final = (253, 254, 255)
_MAIN_RULE_PRIORITY: Final = 32766
_ENTRY_KEYS: Final = frozenset({"vip", "protocol", "port", "mark"})


@dataclass(frozen=True)
class Settings:
    """Numbers that are ours on this machine.

    table: its only route delivers locally, to IPVS. refuse_table: its only route answers "unreachable".
    rule_priority: of the rule to refuse_table; the one to table stands right after it.
    """

    marks: MarkRange
    table: int
    refuse_table: int
    rule_priority: int
    form: str

    @property
    def refuse_mark(self) -> int:
        """The mark of a packet to a VIP that no service takes."""
        return self.marks.base

    @property
    def shared_mark(self) -> int:
        """For packets without a port (ICMP errors, fragments) to a VIP of several services: IPVS sees them, and finds
        the connection they belong to if it has one, but schedules none. The odd mark of slot 0: no service's."""
        return self.marks.base + 1


@dataclass(frozen=True)
class Entry:
    """Packets to vip:port get mark, whole."""

    vip: Address
    protocol: str
    port: int
    mark: int


@dataclass(frozen=True)
class Wanted:
    """VIPs, in address order, and what is served on them; a VIP without an entry is refused on every port."""

    vips: tuple[Address, ...] = ()
    entries: tuple[Entry, ...] = ()


def parse_settings(params: Mapping[str, Any]) -> Settings:
    """Settings from the module's options; DsrError if a number cannot be what it should be."""
    marks = parse_mark_range(params["mark_base"], params["mark_mask"])
    if marks.capacity < 1:
        raise DsrError(
            "mark_mask", f"{marks.mask:#010x} leaves no mark for a service", "Use a mask with fewer ones, as 0xfff00000"
        )
    table = _table("table", params["table"])
    refuse_table = _table("refuse_table", params["refuse_table"])
    if table == refuse_table:
        raise DsrError("refuse_table", f"is {table}, as table is", "Use two different tables")
    priority = integer("rule_priority", params["rule_priority"], 1, _MAIN_RULE_PRIORITY - 2)
    return Settings(marks, table, refuse_table, priority, params["form"])


def parse_wanted(vips: Sequence[str], entries: Sequence[Mapping[str, Any]], settings: Settings) -> Wanted:
    """Wanted from plain lists; DsrError on the first VIP or entry that cannot be."""
    addresses = {parse_address("vips", vip) for vip in vips}
    seen: dict[tuple[Address, str, int], int] = {}
    for raw in entries:
        entry = _entry(raw, settings.marks)
        if entry.vip not in addresses:
            raise DsrError(
                f"entry {_name(entry)}", f"VIP {entry.vip.text} is not in vips", "Add it to vips or drop the entry"
            )
        key = (entry.vip, entry.protocol, entry.port)
        if seen.setdefault(key, entry.mark) != entry.mark:
            raise DsrError(
                f"entry {_name(entry)}",
                f"is wanted with two marks, {seen[key]:#x} and {entry.mark:#x}",
                "Give each VIP and port to one service",
            )
    return Wanted(tuple(sorted(addresses)), tuple(Entry(*key, mark) for key, mark in sorted(seen.items())))


def _entry(raw: Mapping[str, Any], marks: MarkRange) -> Entry:
    check_keys("entry", mapping("entry", raw, _ENTRY_KEYS), _ENTRY_KEYS, frozenset())
    vip = parse_address("entry", raw["vip"])
    port = integer(f"entry for VIP {vip.text}: port", raw["port"], 1, 65535)
    entry = Entry(
        vip, str(raw["protocol"]), port, integer(f"entry for VIP {vip.text}: mark", raw["mark"], 0, 2**32 - 1)
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


def _name(entry: Entry) -> str:
    return f"{entry.vip.text} {entry.protocol}/{entry.port}"


def _table(option: str, value: object) -> int:
    table = integer(option, value, 1, 2**32 - 1)
    if table in _KERNEL_TABLES:
        raise DsrError(option, f"{table} is a table of the kernel's own", "Use a number nobody uses, such as 78")
    return table
