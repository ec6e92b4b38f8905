# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict for people to read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.proof.evidence import PortKey
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.verdict import Row

_TITLES = (
    "VIP",
    "CLIENT SEEN BY POD",
    "NEXT HOPS IN FIB",
    "PACKETS INTO DIRECTORS",
    "FOREIGN REPLIES",
    "ANSWERED BY",
    "ANSWERED",
    "VERDICT",
)
_NOTHING = "-"


def lines(rows: Sequence[Row]) -> list[str]:
    """The table, one line per row, and below it what is broken, with its cure, and what is worth knowing."""
    failed = sum(not row.ok for row in rows)
    if not rows:
        return ["There is no service to verify."]
    summary = f"{failed} of {len(rows)} FAILED" if failed else f"All {len(rows)} OK"
    return [*aligned([_TITLES, *(_cells(row) for row in rows)]), *_broken(rows), *_notes(rows), "", summary]


def port_text(key: PortKey) -> str:
    """Such as 203.0.113.1:80/tcp or [2001:db8:f::1]:53/udp."""
    vip = f"[{key.vip}]" if ":" in key.vip else key.vip
    return f"{vip}:{key.port}/{key.protocol}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        port_text(row.service.key),
        _words(row.clients),
        _words(f"{router}: {' '.join(hops) or 'none'}" for router, hops in row.next_hops.items()),
        _counted(row.director_packets),
        str(row.foreign_replies) if row.sent else _NOTHING,
        _words(row.pods),
        f"{row.answered}/{row.sent}" if row.sent else _NOTHING,
        "OK" if row.ok else "FAIL",
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(values) or _NOTHING


def _counted(counts: Mapping[str, int]) -> str:
    return _words(f"{name}:{count}" for name, count in counts.items())


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the cells in columns, the first line underlined."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [padded[0], "  ".join("-" * width for width in widths), *padded[1:]]


def _broken(rows: Iterable[Row]) -> list[str]:
    """Each reason once per row, each cure once."""
    told: list[str] = []
    cured = set()
    for row in rows:
        if not row.ok:
            told += ["", f"FAIL {row.service.name} {port_text(row.service.key)}"]
        for broken in row.broken:
            told.append(f"  - {broken.reason}")
            if broken.link not in cured:
                told.append(f"    {broken.link.value}")
                cured.add(broken.link)
    return told


def _notes(rows: Iterable[Row]) -> list[str]:
    notes: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            notes.setdefault(note, []).append(port_text(row.service.key))
    return ["", *(f"Note: {note} ({', '.join(ports)})" for note, ports in notes.items())] if notes else []
