# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.background import Background, Job, Stop


@pytest.fixture
def background(tmp_path: Path) -> Background:
    return Background(tmp_path / "job")


def until_stopped(found: dict[str, Any]) -> Callable[[], Job]:
    def job(stop: Stop) -> dict[str, Any]:
        while not stop():
            time.sleep(0.01)
        return found

    return lambda: job


def test_a_job_outlives_its_start_and_leaves_nothing(background: Background, tmp_path: Path) -> None:
    background.start(until_stopped({"seen": ["é", 1]}))
    assert (tmp_path / "job").stat().st_mode & 0o777 == 0o700
    assert background.collect() == {"seen": ["é", 1]}
    assert list(tmp_path.iterdir()) == []


def test_a_job_is_prepared_when_start_returns(background: Background, tmp_path: Path) -> None:
    def prepare() -> Job:
        time.sleep(0.2)
        (tmp_path / "prepared").touch()
        return lambda stop: {}

    background.start(prepare)
    assert (tmp_path / "prepared").exists()
    background.collect()


def test_a_job_that_ended_by_itself_is_collected_later(background: Background, tmp_path: Path) -> None:
    background.start(lambda: lambda stop: {"done": True})
    while not (tmp_path / "job" / "result.json").exists():
        time.sleep(0.01)
    assert background.collect() == {"done": True}


def test_the_job_has_neither_the_terminal_nor_the_files_of_its_starter(background: Background) -> None:
    reading, writing = os.pipe()

    def job(stop: Stop) -> dict[str, Any]:
        opened = {os.readlink(f"/proc/self/fd/{name}") for name in (0, 1, 2)}
        return {"session": os.getsid(0), "opened": sorted(opened)}

    background.start(lambda: job)
    os.close(writing)
    assert os.read(reading, 1) == b"", "nobody else holds the pipe"
    os.close(reading)
    found = background.collect()
    assert found["session"] != os.getsid(0)
    assert found["opened"] == ["/dev/null"]


def test_an_error_in_the_preparation_is_raised_by_start(background: Background, tmp_path: Path) -> None:
    def prepare() -> Job:
        raise DsrError("packet capture", "not permitted", "Run the task as root")

    with pytest.raises(DsrError) as error:
        background.start(prepare)
    assert (error.value.item, error.value.reason, error.value.cure) == (
        "packet capture",
        "not permitted",
        "Run the task as root",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_crash_in_the_preparation_is_told(background: Background) -> None:
    def prepare() -> Job:
        raise RuntimeError("unforeseen")

    with pytest.raises(DsrError, match="did not start"):
        background.start(prepare)


def test_a_job_that_is_killed_leaves_no_result(background: Background, tmp_path: Path) -> None:
    background.start(lambda: lambda stop: os._exit(9))
    with pytest.raises(DsrError, match="ended without a result"):
        background.collect()
    assert list(tmp_path.iterdir()) == []


def test_collect_without_start(background: Background) -> None:
    with pytest.raises(DsrError, match="state=started"):
        background.collect()


def test_a_second_start_ends_the_first(background: Background, tmp_path: Path) -> None:
    def first(stop: Stop) -> dict[str, Any]:
        while not stop():
            time.sleep(0.01)
        (tmp_path / "ended").touch()
        return {"job": 1}

    background.start(lambda: first)
    background.start(until_stopped({"job": 2}))
    assert (tmp_path / "ended").exists()
    assert background.collect() == {"job": 2}


def test_a_start_over_what_a_dead_job_left(background: Background, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "result.json").write_text("{", encoding="utf-8")
    background.start(until_stopped({"job": 2}))
    assert background.collect() == {"job": 2}
