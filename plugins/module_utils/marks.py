# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall marks: which part of the 32 bits is ours, and which mark a service has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

DEFAULT_MARK_BASE: Final = 0x00D00000
DEFAULT_MARK_MASK: Final = 0xFFF00000

_ALL_BITS: Final = 0xFFFFFFFF
_LEAST: Final = 8
"""Marks of the smallest range: reserved are `base` and the odd ones up to `note`."""


@dataclass(frozen=True)
class MarkRange:
    """All marks with `mark & mask == base`. Those of services are even. `base` itself means refuse."""

    base: int = DEFAULT_MARK_BASE
    mask: int = DEFAULT_MARK_MASK

    def owns(self, mark: int) -> bool:
        """Whether the mark is one of these."""
        return 0 <= mark <= _ALL_BITS and mark & self.mask == self.base

    @property
    def note(self) -> int:
        """No packet ever gets it: an IPVS service on it notes that destinations of others have thresholds."""
        return self.base + 5

    @property
    def capacity(self) -> int:
        """How many services the range can hold."""
        return (self.mask ^ _ALL_BITS) // 2

    def mark(self, slot: int) -> int:
        return self.base + 2 * slot


def parse_mark_range(base: Any, mask: Any) -> MarkRange:
    """MarkRange from numbers or their text ("0x00d00000"); DsrError unless it is one gapless range without mark 0, with
    room for the reserved marks."""
    base = integer("dsr_mark_base", base, 1, _ALL_BITS)
    mask = integer("dsr_mark_mask", mask, 1, _ALL_BITS)
    inverse = mask ^ _ALL_BITS
    if inverse & (inverse + 1):
        raise DsrError(
            "dsr_mark_mask",
            f"{mask:#010x} is not contiguous from the top bit",
            f"Use a mask of ones followed by zeros, such as {DEFAULT_MARK_MASK:#010x}",
        )
    if inverse < _LEAST - 1:
        raise DsrError(
            "dsr_mark_mask",
            f"{mask:#010x} makes a range of {inverse + 1}, but {_LEAST} marks are the least, as some are reserved",
            f"Use a mask with fewer ones, such as {DEFAULT_MARK_MASK:#010x} (and a base inside it)",
        )
    if base & inverse:
        raise DsrError(
            "dsr_mark_base",
            f"{base:#010x} has bits outside dsr_mark_mask {mask:#010x}",
            f"Use a base inside the mask, such as {base & mask or mask & -mask:#010x}",
        )
    return MarkRange(base, mask)


def assign_marks(names: Iterable[str], marks: MarkRange) -> dict[str, int]:
    """Mark per service name, the same on every host and in every run.

    The slot is a hash of the name, in the first half of the range. Names that share one are hashed again, all of them,
    into half of what is left, and so on. So when one service comes or goes, another may move to a free mark, but no
    mark passes from one living service to another, which would send packets for one to the pods of the other for as
    long as its tables are being changed. (Only a range that is nearly full cannot promise that: what is left at last
    takes the free slots in name order.)
    DsrError if the range has fewer slots than there are services.
    """
    waiting = sorted(names)
    if len(waiting) > marks.capacity:
        raise DsrError(
            "dsr_mark_mask",
            f"{marks.mask:#010x} leaves room for {marks.capacity} services, there are {len(waiting)}",
            "Use a mask with fewer ones (and a base inside it)",
        )
    taken: dict[int, str] = {}
    first, size = 1, marks.capacity // 2
    while waiting and size:
        claims: dict[int, list[str]] = {}
        for name in waiting:
            claims.setdefault(first + _hash(name, first) % size, []).append(name)
        taken.update((slot, claimants[0]) for slot, claimants in claims.items() if len(claimants) == 1)
        waiting = sorted(name for claimants in claims.values() if len(claimants) > 1 for name in claimants)
        first, size = first + size, size // 2
    free = (slot for slot in range(1, marks.capacity + 1) if slot not in taken)
    taken.update(zip(free, waiting))
    return {name: marks.mark(slot) for slot, name in taken.items()}


def _hash(name: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big")
