# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.memory import (
    Kept,
    normal,
    parse,
    parse_values,
    put_back,
    remembered,
    render,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"net\.[a-z0-9_-]{1,8}(\.[a-z0-9_-]{1,8}){0,3}", fullmatch=True)
VALUES = st.from_regex(r"[!-~]{1,6}( [!-~]{1,6}){0,2}", fullmatch=True)
MEMORIES = st.dictionaries(NAMES, st.builds(Kept, VALUES, VALUES), max_size=6)


@given(MEMORIES)
def test_what_is_written_is_read_back(memory: dict[str, Kept]) -> None:
    assert parse(render(memory)) == memory


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert parse(render(parse(text))) == parse(text)


@given(MEMORIES, st.dictionaries(NAMES, VALUES, max_size=6))
def test_set_and_put_back_is_where_it_began(memory: dict[str, Kept], wanted: dict[str, str]) -> None:
    current = {name: kept.value for name, kept in memory.items()} | dict.fromkeys(wanted, "first")
    after = remembered(memory, current, wanted)
    begun = {name: memory[name].former if name in memory else "first" for name in after}
    assert put_back(after, {**current, **wanted}) == begun


def test_format_is_that_of_sysctl_d() -> None:
    lines = render({"net.ipv4.ip_forward": Kept("0", "1")}).splitlines()
    assert lines[-2:] == ["# former net.ipv4.ip_forward = 0", "net.ipv4.ip_forward = 1"]
    assert all(line.startswith("#") for line in lines[:-1])


def test_setting_without_its_former_value_is_not_remembered() -> None:
    assert parse("net.a = 1\n# former net.b = 2\n#former net.c = 3\nnet.c = 4\n") == {}


@pytest.mark.parametrize(
    ("value", "text"), [(True, "1"), (False, "0"), (7, "7"), ("3\t50", "3 50"), (" -1 ", "-1"), ("cubic", "cubic")]
)
def test_values_are_texts(value: Any, text: str) -> None:
    assert normal(value) == text
    assert parse_values({"net.a": value}) == {"net.a": text}


@pytest.mark.parametrize(
    ("name", "value"), [("-w", 1), ("net/ipv4", 1), ("net.a=b", 1), ("", 1), ("net.a", ""), ("net.a", "\x07")]
)
def test_what_cannot_be_a_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(DsrError, match=f"^sysctl {name}: "):
        parse_values({name: value})
