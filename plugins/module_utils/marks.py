# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall marks: which part of the 32 bits is ours, and which mark a service has."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

DEFAULT_MARK_BASE: Final = 0x00D00000
DEFAULT_MARK_MASK: Final = 0xFFF00000

_ALL_BITS: Final = 0xFFFFFFFF


@dataclass(frozen=True)
class MarkRange:
    """All marks with `mark & mask == base`. They come in pairs (slots): the even one of a slot is the service's, the
    odd one is kept for a second generation of its table. Slot 0 is nobody's: its even mark, `base`, means refuse."""

    base: int = DEFAULT_MARK_BASE
    mask: int = DEFAULT_MARK_MASK

    def owns(self, mark: int) -> bool:
        """Whether the mark is one of these."""
        return 0 <= mark <= _ALL_BITS and mark & self.mask == self.base

    @property
    def capacity(self) -> int:
        """How many services the range can hold."""
        return (self.mask ^ _ALL_BITS) // 2

    def mark(self, slot: int) -> int:
        return self.base + 2 * slot


def parse_mark_range(base: Any, mask: Any) -> MarkRange:
    """MarkRange from numbers or their text ("0x00d00000"); DsrError unless it is one gapless range without mark 0."""
    base = integer("dsr_mark_base", base, 1, _ALL_BITS)
    mask = integer("dsr_mark_mask", mask, 1, _ALL_BITS)
    inverse = mask ^ _ALL_BITS
    if inverse & (inverse + 1):
        raise DsrError(
            "dsr_mark_mask",
            f"{mask:#010x} is not contiguous from the top bit",
            f"Use a mask of ones followed by zeros, such as {DEFAULT_MARK_MASK:#010x}",
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

    The slot is a hash of the name. Where names share one, the first in name order keeps it; after all of these are
    placed, the others, in name order, take the next free slot. So a service alone in its slot never changes its mark,
    whatever comes or goes beside it.
    DsrError if the range has fewer slots than there are services.
    """
    ordered = sorted(names)
    if len(ordered) > marks.capacity:
        raise DsrError(
            "dsr_mark_mask",
            f"{marks.mask:#010x} leaves room for {marks.capacity} services, there are {len(ordered)}",
            "Use a mask with fewer ones (and a base inside it)",
        )
    taken: dict[int, str] = {}
    displaced = [name for name in ordered if taken.setdefault(_home(name, marks), name) != name]
    for name in displaced:
        slot = _home(name, marks)
        while slot in taken:
            slot = slot % marks.capacity + 1
        taken[slot] = name
    return {name: marks.mark(slot) for slot, name in taken.items()}


def _home(name: str, marks: MarkRange) -> int:
    return 1 + zlib.crc32(name.encode()) % marks.capacity
