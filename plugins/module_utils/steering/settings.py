# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers that are ours on a machine: marks, routing tables, priorities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange, parse_mark_range

FORM_IPSET: Final = "ipset"
FORM_IPTABLES: Final = "iptables"

_KERNEL_TABLES: Final = (253, 254, 255)
_MAIN_RULE_PRIORITY: Final = 32766


@dataclass(frozen=True)
class Settings:
    """Numbers that are ours on this machine.

    table: its only route delivers locally, to IPVS. refuse_table: its only route answers "unreachable".
    mtu_table: its only route is too narrow for what is sent there, which is told "fragmentation needed"; 0 for none.
    rule_priority: of the rules to refuse_table and mtu_table; the one to table stands right after them.
    """

    marks: MarkRange
    table: int
    refuse_table: int
    mtu_table: int
    rule_priority: int
    form: str

    @property
    def tables(self) -> tuple[int, ...]:
        """All routing tables in use."""
        return tuple(table for table in (self.table, self.refuse_table, self.mtu_table) if table)

    @property
    def refuse_mark(self) -> int:
        """The mark of a packet to a VIP that no service takes."""
        return self.marks.base

    @property
    def shared_mark(self) -> int:
        """For packets without a port (ICMP errors, fragments) to a VIP of several services: IPVS sees them, and finds
        the connection they belong to if it has one, but schedules none. The odd mark of slot 0: no service's."""
        return self.marks.base + 1

    @property
    def too_big_mark(self) -> int:
        """For a datagram that its sender forbids to fragment and that does not fit into a tunnel."""
        return self.marks.base + 3

    def error_code(self, protocol_number: int, port: int) -> int:
        """A mark that an ICMP error carries between two of our rules, naming the port it is about. Its top bit keeps it
        apart from all marks of the range."""
        top = self.marks.base & 1 << 31 ^ 1 << 31
        return top | protocol_number << 16 | port


def parse_settings(params: Mapping[str, Any]) -> Settings:
    """Settings from the module's options; DsrError if a number cannot be what it should be."""
    marks = parse_mark_range(params["mark_base"], params["mark_mask"])
    table = _table("table", params["table"])
    refuse_table = _table("refuse_table", params["refuse_table"])
    mtu_table = _table("mtu_table", params["mtu_table"]) if params["mtu_table"] else 0
    if table == refuse_table:
        raise DsrError("refuse_table", f"is {table}, as table is", "Use three different tables")
    if mtu_table in (table, refuse_table):
        raise DsrError("mtu_table", f"is {mtu_table}, as another one is", "Use three different tables")
    priority = integer("rule_priority", params["rule_priority"], 1, _MAIN_RULE_PRIORITY - 2)
    return Settings(marks, table, refuse_table, mtu_table, priority, params["form"])


def _table(option: str, value: object) -> int:
    table = integer(option, value, 1, 2**32 - 1)
    if table in _KERNEL_TABLES:
        raise DsrError(option, f"{table} is a table of the kernel's own", "Use a number nobody uses, such as 78")
    return table
