# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: sides in turn, medians, figures and goals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

Figures = dict[str, Any]
"""What a benchmark measured, ready for JSON; names end in their unit (_s, _mib, _pps); lists have one value a round."""

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": lambda value, limit: value <= limit,
    "<": lambda value, limit: value < limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
}


@dataclass(frozen=True)
class Finding:
    """One figure that tells something. unit stands behind it: "x" for a ratio."""

    text: str
    value: float
    unit: str = "x"

    @property
    def figure(self) -> str:
        """`1.08 x`"""
        return _with_unit(self.value, self.unit)

    @property
    def wanted(self) -> str:
        return ""

    @property
    def verdict(self) -> str:
        return ""

    def line(self, benchmark: str) -> str:
        return f"{benchmark}: {self.text}: {self.figure}"


@dataclass(frozen=True)
class Goal(Finding):
    """A figure that is to be something."""

    comparison: str = "<="
    limit: float = 1

    @property
    def met(self) -> bool:
        return COMPARISONS[self.comparison](self.value, self.limit)

    @property
    def wanted(self) -> str:
        """`<= 1.15 x`"""
        return f"{self.comparison} {_with_unit(self.limit, self.unit)}"

    @property
    def verdict(self) -> str:
        return "met" if self.met else "not met"

    def line(self, benchmark: str) -> str:
        return f"{super().line(benchmark)} (goal {self.wanted}): {self.verdict}"


def shown(value: float) -> str:
    """Three significant digits, never an exponent."""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def interleaved(
    name: str, sides: Mapping[str, Callable[[], float]], rounds: int, unit: str = "s"
) -> dict[str, list[float]]:
    """Each side's value of each round. Every other round goes backwards, so that no side always comes first."""
    values: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
            value = sides[side]()
            values[side].append(rounded(value))
            say(f"{name}: round {number + 1} of {rounds}: {side} {_with_unit(value, unit)}")
    return values


def middle(values: Sequence[float]) -> float:
    """The median."""
    return rounded(median(values))


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of each round: what slows the computer down for a while slows both sides of a round.

    Sides of different length have no rounds in common: the ratio of their medians.
    """
    if len(one) != len(other):
        return rounded(median(one) / median(other))
    return middle([mine / yours for mine, yours in zip(one, other)])


def less(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """The difference in each round."""
    return [mine - yours for mine, yours in zip(one, other)]


def rounded(value: float) -> float:
    """Four significant digits: no benchmark here knows more."""
    return float(f"{value:.4g}")


def say(text: str) -> None:
    """Progress, which is not a result."""
    print(text, file=sys.stderr, flush=True)


def _with_unit(value: float, unit: str) -> str:
    return f"{shown(value)} {unit}" if unit else shown(value)
