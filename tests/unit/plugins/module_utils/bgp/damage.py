# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage for what parsers read, by dice that are thrown again for the same damage."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

JUNK = [
    "",
    "\0",
    "\ud7ff",
    "٣",
    "-1",
    "9" * 400,
    "1e999",
    "NaN",
    "{",
    "}",
    "[",
    '"',
    ":",
    "/",
    "(",
    ".",
    "\n",
    "  ",
    "\t",
]
VALUES: list[Any] = [None, True, -1, 1.5, 10**400, "", "up", [], [None], {}, {"list": 1}, {"a": {"b": []}}]


def damaged(text: str, dice: random.Random) -> str:
    """The text with some spans cut out, repeated, moved or replaced by junk."""
    for _time in range(dice.randint(1, 6)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.choice((0, 1, 2, 8, 60, 700)))
        target = dice.randint(0, len(text))
        piece = dice.choice((text[start:end], dice.choice(JUNK)))
        text = dice.choice(
            (
                text[:start] + text[end:],
                text[:start] + dice.choice(JUNK) + text[end:],
                text[:target] + piece + text[target:],
                text[:end],
            )
            if dice.random() < 0.9
            else (text.upper(), text.replace(" ", "  "))
        )
    return text


def damaged_json(text: str, dice: random.Random) -> str:
    """The document with some values replaced, so that it is still JSON; other text as it is."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    for _time in range(dice.randint(1, 8)):
        at: Any = document
        while isinstance(at, (dict, list)) and at:
            key: Any = dice.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if dice.random() < 0.3 or not isinstance(at[key], (dict, list)):
                at[key] = copy.deepcopy(dice.choice(VALUES))
                break
            at = at[key]
    return json.dumps(document)
