# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape checks for plain input (what YAML or JSON gives), each failing with a DsrError that names the item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_SHOWN_PROBLEMS: Final = 20
_SHOWN_CHARACTERS: Final = 60
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_ISO_TIME: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<minutes>[0-9]{2}:[0-9]{2})"
    r"(:(?P<seconds>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<zone>[Zz]|(?P<hours>[+-][0-9]{2})(:?(?P<rest>[0-9]{2}))?)?"
)
_EARLIEST: Final = 946_684_800
_LATEST: Final = 253_402_300_799
"""The years 2000 to 9999. A smaller number is a duration or a date, a bigger one has milliseconds."""
_TIME_CURE: Final = "Use unix seconds (not a duration), or ISO 8601 with a zone, such as '2026-07-01T12:00:00Z'"


class Problems:
    """Collects the DsrErrors raised inside its `with` blocks, so that one message can tell them all."""

    def __init__(self) -> None:
        self._found: list[DsrError] = []

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, DsrError):
            return False
        self._found.append(error)
        return True

    def raise_any(self) -> None:
        """Raise one DsrError, a line per problem, if there was any."""
        if not self._found:
            return
        first, *others = self._found
        lines = [first.cure, *(str(other) for other in others[: _SHOWN_PROBLEMS - 1])]
        hidden = len(self._found) - _SHOWN_PROBLEMS
        if hidden > 0:
            lines.append(f"... and {hidden} more problems")
        raise DsrError(first.item, first.reason, "\n".join(lines))


def shown(value: object) -> str:
    """The value as a message shows it: its repr, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def listing(words: Iterable[str], none: str = "none") -> str:
    """Words for a message: "a, b, c"."""
    return ", ".join(words) or none


def mapping(item: str, value: object, keys: Iterable[str]) -> Mapping[str, Any]:
    """The value if it is a mapping; keys only words the cure."""
    if isinstance(value, Mapping):
        return value
    raise DsrError(item, f"is {shown(value)}, not a mapping", f"Write it as a mapping with the keys {listing(keys)}")


def sequence(item: str, value: object, of: str) -> Sequence[Any]:
    """The value if it is a list; `of` says in the cure what the list holds."""
    if isinstance(value, (list, tuple)):
        return value
    raise DsrError(item, f"is {shown(value)}, not a list", f"Write it as a list of {of}, even for a single one")


def check_keys(item: str, value: Mapping[str, Any], required: frozenset[str], optional: frozenset[str]) -> None:
    """DsrError if a required key is missing or an unknown one is there."""
    present = value.keys()
    unknown = present - required - optional
    if unknown:
        raise DsrError(
            item,
            f"has unknown keys: {listing(sorted(str(key) for key in unknown))}",
            f"Valid keys are {listing(sorted(required | optional))}",
        )
    missing = required - present
    if missing:
        raise DsrError(
            item,
            f"lacks the keys {listing(sorted(missing))}",
            f"Required keys are {listing(sorted(required))}",
        )


def integer(item: str, value: object, low: int, high: int) -> int:
    """The value as an int within low..high. A string of one is taken too: Jinja makes strings of numbers."""
    number = _number(value)
    if number is None:
        raise DsrError(item, f"is {shown(value)}, not a number", f"Use a whole number from {low} to {high}")
    if not low <= number <= high:
        raise DsrError(item, f"is {number}, out of range", f"Use a whole number from {low} to {high}")
    return number


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isalnum():
        try:
            return int(value, 0)
        except ValueError:
            return None
    return None


def boolean(item: str, value: object) -> bool:
    """The value as a bool. A string of one is taken too: Jinja makes strings of booleans."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise DsrError(item, f"is {shown(value)}, not true or false", "Use true or false")


def unix_time(item: str, value: object) -> float:
    """The value, a time, as unix seconds: a number or text of unix seconds, or ISO 8601 text with a zone."""
    seconds = _unix_seconds(item, value)
    if seconds is None:
        raise DsrError(item, f"is {shown(value)}, not a time", _TIME_CURE)
    if not _EARLIEST <= seconds <= _LATEST:
        raise DsrError(item, f"is {shown(value)}, which is no time in the years 2000 to 9999", _TIME_CURE)
    return float(seconds)


def _unix_seconds(item: str, value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    if _DECIMAL.fullmatch(value):
        return float(value)
    parts = _ISO_TIME.fullmatch(value)
    if parts is None:
        return None
    if parts["zone"] is None:
        raise DsrError(item, f"is {shown(value)}, which has no zone", "Add one: Z for UTC, or such as +02:00")
    # Python 3.9 reads neither Z nor fractions of other than 3 or 6 digits.
    fraction = (parts["fraction"] or "")[:6].ljust(6, "0")
    zone = f"{parts['hours']}:{parts['rest'] or '00'}" if parts["hours"] else "+00:00"
    try:
        time = datetime.fromisoformat(f"{parts['date']}T{parts['minutes']}:{parts['seconds'] or '00'}.{fraction}{zone}")
    except ValueError:
        return None
    return time.timestamp()
