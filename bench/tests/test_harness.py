# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from bench.harness import Finding, Goal, interleaved, less, middle, ratio, rounded, shown


@pytest.mark.parametrize(
    ("comparison", "value", "met"),
    [
        ("<=", 1.15, True),
        ("<=", 1.1501, False),
        ("<", 10, False),
        ("<", 9.99, True),
        (">=", 200, True),
        (">=", 199.9, False),
        ("=", 0, True),
        ("=", 1, False),
    ],
)
def test_a_goal_is_met_up_to_its_limit_and_not_beyond(comparison: str, value: float, met: bool) -> None:
    limit = {"<=": 1.15, "<": 10, ">=": 200, "=": 0}[comparison]
    assert Goal("a / b", value, "x", comparison, limit).met is met


def test_the_line_of_a_goal_says_figure_goal_and_verdict() -> None:
    assert Goal("a / b", 1.2, "x", "<=", 1.15).line("cold") == "cold: a / b: 1.20 x (goal <= 1.15 x): not met"
    assert Goal("writes", 0, "writes", "=", 0).line("noop") == "noop: writes: 0 writes (goal = 0 writes): met"


def test_the_line_of_a_finding_judges_nothing() -> None:
    assert Finding("a", 0.5, "s").line("cold") == "cold: a: 0.500 s"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (200, "200"),
        (1.0849, "1.08"),
        (0.0123, "0.0123"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (99.96, "100"),
    ],
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_sides_take_turns_and_none_always_comes_first() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    values = interleaved("x", {"a": lambda: side("a", 1), "b": lambda: side("b", 2.00001)}, 3)
    assert values == {"a": [1, 1, 1], "b": [2, 2, 2]}
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_a_ratio_is_that_of_rounds_and_not_of_times() -> None:
    assert ratio([1, 10, 100], [1, 5, 50]) == 2
    assert ratio([1, 2, 3, 4], [2]) == 1.25
    assert less([3, 5], [1, 2]) == [2, 3]


def test_the_middle_is_the_median() -> None:
    assert middle([9, 1, 3, 2, 100]) == 3
    assert middle([1, 2]) == 1.5
    assert rounded(1.23456) == 1.235
