# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand damaged outputs for each parser: a result or a DsrError, never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.listing import (
    Listing,
    foreign_lines,
    parse_listing,
    with_thresholds,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import FIXTURES

OWNED = MarkRange()
TIMES = 10_000


def damaged(text: str, chance: random.Random) -> str:
    """A stretch of the text with a few characters or words of it changed, lost or doubled."""
    lines = text.splitlines()
    start = chance.randrange(len(lines))
    piece = lines[:1] * chance.randrange(2) + lines[start : start + chance.randrange(1, 8)]
    text = "\n".join(piece)
    for _time in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        cut = chance.randrange(6)
        text = (
            text[:at]
            + chance.choice(["", " ", "\n", "->", "FWM", "-1", "9" * 12, "[::", "\x00", "\u0660"])
            + text[at + cut :]
        )
    return text


def parse_thresholds(text: str, owned: MarkRange) -> Listing:
    return with_thresholds(Listing({}, ()), text, owned)


@pytest.mark.parametrize(
    ("parse", "ending"), [(parse_listing, "list"), (foreign_lines, "save"), (parse_thresholds, "thresholds")]
)
def test_no_output_makes_a_traceback(parse: Callable[[str, MarkRange], Any], ending: str) -> None:
    texts = [text for path in sorted(FIXTURES.glob(f"*.{ending}")) if (text := path.read_text())]
    assert texts
    chance = random.Random(20260101)
    refused = 0
    for number in range(TIMES):
        try:
            parse(damaged(texts[number % len(texts)], chance), OWNED)
        except DsrError:
            refused += 1
    assert 0 < refused < TIMES
