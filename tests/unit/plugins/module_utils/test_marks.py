# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from random import Random
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import (
    DEFAULT_MARK_BASE,
    DEFAULT_MARK_MASK,
    MarkRange,
    assign_marks,
    parse_mark_range,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import unhurried
from hypothesis import given
from hypothesis import strategies as st

DEFAULT = MarkRange(DEFAULT_MARK_BASE, DEFAULT_MARK_MASK)
SMALL = MarkRange(0x00D00000, 0xFFFFFFC0)
"""64 marks: 31 services."""

names = st.sets(st.text(alphabet="abcdef-", min_size=1, max_size=6), max_size=31)


@given(names, st.sampled_from([DEFAULT, SMALL]), st.randoms())
@unhurried
def test_marks_are_unique_even_and_in_range_whatever_the_order(
    services: set[str], marks: MarkRange, random: Any
) -> None:
    ordered = sorted(services)
    random.shuffle(ordered)
    assigned = assign_marks(ordered, marks)
    assert assigned == assign_marks(services, marks)
    assert set(assigned) == services
    assert len(set(assigned.values())) == len(services)
    assert all(mark & marks.mask == marks.base and mark % 2 == 0 and mark != marks.base for mark in assigned.values())


def handed_over(before: dict[str, int], after: dict[str, int]) -> set[int]:
    """Marks that belong to one service before and to another one after, while both live."""
    owners = {mark: name for name, mark in before.items()}
    return {mark for name, mark in after.items() if owners.get(mark, name) != name and owners[mark] in after}


@pytest.mark.parametrize("seed", range(100))
def test_no_mark_passes_from_one_living_service_to_another(seed: int) -> None:
    """300 names in 2047 slots: dozens share their first slot."""
    marks = MarkRange(0x00D00000, 0xFFFFF000)
    random = Random(seed)
    services = {f"namespace/service-{random.randrange(100000)}" for _number in range(300)}
    before = assign_marks(services, marks)
    leaving = random.choice(sorted(services))
    assert handed_over(before, assign_marks(services - {leaving}, marks)) == set()
    newcomer = f"namespace/newcomer-{seed}"
    assert handed_over(before, assign_marks(services | {newcomer}, marks)) == set()


def test_services_that_share_a_slot_both_leave_it() -> None:
    homes: dict[int, str] = {}
    for number in range(5000):
        name = f"namespace/service-{number}"
        (home,) = assign_marks([name], DEFAULT).values()
        if home in homes:
            break
        homes[home] = name
    else:
        pytest.fail("5000 names without a pair that shares its slot")
    together = assign_marks([homes[home], name], DEFAULT)
    assert home not in together.values()
    assert len(set(together.values())) == 2


def test_the_mark_of_a_name_never_changes_between_releases() -> None:
    assert assign_marks(["web", "dns"], DEFAULT) == {"web": 0x00D37D7A, "dns": 0x00D12D52}


def test_a_full_range_is_used_to_the_last_slot() -> None:
    assigned = assign_marks([f"s{number}" for number in range(31)], SMALL)
    assert sorted(assigned.values()) == list(range(0x00D00002, 0x00D00040, 2))


def test_range_too_small_for_the_services() -> None:
    with pytest.raises(DsrError, match=r"dsr_mark_mask: 0xffffffc0 leaves room for 31 services, there are 32\."):
        assign_marks([f"s{number}" for number in range(32)], SMALL)


def test_numbers_may_come_as_text() -> None:
    assert parse_mark_range("0x00d00000", str(0xFFF00000)) == DEFAULT


@pytest.mark.parametrize(
    ("base", "mask", "message"),
    [
        (0x00D00001, 0xFFF00000, "dsr_mark_base: 0x00d00001 has bits outside dsr_mark_mask 0xfff00000"),
        (0x00D00000, 0xFFF000F0, "dsr_mark_mask: 0xfff000f0 is not contiguous"),
        (0x00D00000, 0x00F00000, "dsr_mark_mask: 0x00f00000 is not contiguous"),
        (0x00D00000, 0xFFFFFFFC, "dsr_mark_mask: 0xfffffffc makes a range of 4, but 8 marks are the least"),
        (0x00D00001, 0xFFFFFFFF, "dsr_mark_mask: 0xffffffff makes a range of 1"),
        (0, 0xFFF00000, "dsr_mark_base: is 0, out of range"),
        (0x1_0000_0000, 0xFFF00000, "dsr_mark_base: is 4294967296, out of range"),
        (0x00D00000, -1, "dsr_mark_mask: is -1, out of range"),
        ("lots", 0xFFF00000, "dsr_mark_base: is 'lots', not a number"),
        (0x00D00000, None, "dsr_mark_mask: is None, not a number"),
    ],
)
def test_range_refused(base: Any, mask: Any, message: str) -> None:
    with pytest.raises(DsrError) as error:
        parse_mark_range(base, mask)
    assert message in str(error.value)


@pytest.mark.parametrize("mask", [0xFFF00000, 0xFFFFFFF0, 0xFFFFFFF8])
def test_reserved_marks_are_owned_and_odd(mask: int) -> None:
    marks = parse_mark_range(0x00D00000, mask)
    assert marks.owns(marks.note)
    assert marks.note % 2 == 1


@pytest.mark.parametrize("mark", [-2, 0x1_FFF0_0002])
def test_what_does_not_fit_32_bits_is_no_mark(mark: int) -> None:
    assert not MarkRange(0xFFF00000, 0xFFF00000).owns(mark)
    assert MarkRange(0xFFF00000, 0xFFF00000).owns(mark & 0xFFFFFFFF)


@pytest.mark.parametrize(("base", "mask"), [(0x00D00001, 0xFFF00000), (0x00D00000, 0x80000000), (1, 0xFFFFFFF8)])
def test_the_base_a_message_proposes_is_a_good_one(base: int, mask: int) -> None:
    with pytest.raises(DsrError) as error:
        parse_mark_range(base, mask)
    assert parse_mark_range(error.value.cure.rsplit(" ", 1)[1], mask).mask == mask
