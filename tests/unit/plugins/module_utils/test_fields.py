# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import boolean, unix_time
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from hypothesis import given
from hypothesis import strategies as st

_ZONES = st.builds(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)), st.integers(-23 * 60 - 59, 23 * 60 + 59)
)
_TIMES = st.datetimes(datetime.datetime(2000, 1, 3), datetime.datetime(9999, 12, 30), timezones=_ZONES)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (946684800, 946684800),
        (1782907200, 1782907200),
        (1782907200.25, 1782907200.25),
        ("1782907200", 1782907200),
        ("1782907200.25", 1782907200.25),
        (253402300799, 253402300799),
        ("2026-07-01T12:00:00Z", 1782907200),
        ("2026-07-01t12:00:00z", 1782907200),
        ("2026-07-01 12:00Z", 1782907200),
        ("2026-07-01T12:00:00.5Z", 1782907200.5),
        ("2026-07-01T12:00:00.123456789Z", 1782907200.123456),
        ("2026-07-01T12:00:00+00:00", 1782907200),
        ("2026-07-01T14:00:00+02:00", 1782907200),
        ("2026-07-01T14:00:00+0200", 1782907200),
        ("2026-07-01T07:00:00-05", 1782907200),
        ("2026-06-30T23:59:00-12:01", 1782907200),
        ("2000-01-01T00:00:00Z", 946684800),
    ],
)
def test_time(value: Any, seconds: float) -> None:
    read = unix_time("x", value)
    assert read == seconds
    assert isinstance(read, float)


@given(_TIMES)
def test_every_time_that_python_writes_is_read(time: datetime.datetime) -> None:
    assert unix_time("x", time.isoformat()) == time.timestamp()
    assert unix_time("x", time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")) == time.timestamp()


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, [], {}, "", "now", "10m", "-1782907200", " 1782907200", "1782907200 ", "1_782_907_200", "1e9"),
        *("٣٤٥٦", "0x6a450000", "12:00:00Z", "2026-07-01Z", "2026-07-01T12Z", "2026-7-1T12:00:00Z"),
        *("2026-13-01T12:00:00Z", "2026-02-29T12:00:00Z", "2026-07-01T24:00:00Z", "2026-07-01T12:00:60Z"),
        *("2026-07-01T12:00:00+24:00", "2026-07-01T12:00:00 CET", "2026-07-01T12:00:00Z\n", "20260701T120000Z"),
        *("0000-07-01T12:00:00Z", "2026-W27-3T12:00:00Z"),
    ],
)
def test_no_time(value: Any) -> None:
    with pytest.raises(DsrError, match=r"^x: is .*, not a time\. Use unix seconds \(not a duration\), or ISO 8601"):
        unix_time("x", value)


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 300, "300", 20260701, "20260701", 946684799, 253402300800, 1782907200000, "1782907200000", 10**400),
        *(float("nan"), float("inf"), -float("inf"), "9" * 20, "1999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_time_out_of_range(value: Any) -> None:
    with pytest.raises(DsrError, match=r"which is no time in the years 2000 to 9999\."):
        unix_time("x", value)


@pytest.mark.parametrize("value", ["2026-07-01T12:00:00", "2026-07-01 12:00", "2026-07-01T12:00:00.5"])
def test_time_without_zone(value: str) -> None:
    with pytest.raises(
        DsrError, match=rf"^x: is '{value}', which has no zone\. Add one: Z for UTC, or such as \+02:00"
    ):
        unix_time("x", value)


@pytest.mark.parametrize(
    ("value", "read"),
    [(True, True), (False, False), ("true", True), ("False", False), ("YES", True), ("no", False)],
)
def test_boolean(value: Any, read: bool) -> None:
    assert boolean("x", value) is read


@pytest.mark.parametrize("value", [None, 0, 1, 1.0, "", "1", "on", "maybe", [], [True]])
def test_no_boolean(value: Any) -> None:
    with pytest.raises(DsrError, match=r"^x: is .*, not true or false\. Use true or false"):
        boolean("x", value)
