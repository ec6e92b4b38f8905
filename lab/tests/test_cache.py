# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual_dc import cache
from virtual_dc.errors import LabError

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.lists(st.text(max_size=6), max_size=5)


@unhurried
@given(texts, texts)
def test_key_is_the_same_exactly_for_the_same_parts(one: list[str], other: list[str]) -> None:
    assert (cache.key_of(one) == cache.key_of(other)) == (one == other)


@unhurried
@given(st.text(min_size=2, max_size=9), st.data())
def test_key_depends_on_where_one_part_ends(text: str, data: st.DataObject) -> None:
    middle = data.draw(st.integers(1, len(text) - 1))
    assert cache.key_of([text[:middle], text[middle:]]) != cache.key_of([text])


def test_key_of_a_file_is_that_of_its_name_and_content_wherever_it_is(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "there")]
    for folder in folders:
        folder.mkdir()
        (folder / "one").write_bytes(b"\xff content")
        (folder / "two").write_bytes(b"\xff content")
    here, there = folders
    assert cache.key_of([here / "one"]) == cache.key_of([there / "one"])
    assert cache.key_of([here / "one"]) != cache.key_of([here / "two"])
    (there / "one").write_bytes(b"another")
    assert cache.key_of([here / "one"]) != cache.key_of([there / "one"])


def test_key_fits_in_a_file_name() -> None:
    assert cache.key_of([]).isalnum()


def test_home_without_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSRLAB_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.home() == Path("/somewhere/baremetal-dsr/lab")


def test_full_disk_is_told_with_its_cure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=int(1.5 * 1024**3)))
    with pytest.raises(LabError) as caught:
        cache.check_space()
    assert str(caught.value) == (
        f"only 1.5 GiB free under {home}, 6.0 GiB are needed: "
        "free some, or set DSRLAB_HOME to a folder on a bigger disk"
    )


def test_just_enough_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=6 * 1024**3))
    cache.check_space()


def test_what_was_built_already_needs_no_space_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "image-a").mkdir(parents=True)
    (home / "image-a/root.ext4").write_bytes(bytes(1024**2))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=6 * 1024**3 - 1024**2))
    cache.check_space()


def test_only_others_of_the_same_kind_are_forgotten(home: Path) -> None:
    home.mkdir()
    keep, old, unfinished, disk = (home / name for name in ("image-b", "image-a", "image-b.unfinished", "disk-a"))
    for folder in (keep, old):
        folder.mkdir()
        (folder / "root").touch()
    for file in (unfinished, disk):
        file.touch()
    cache.forget_others("image-*", keep=keep)
    assert sorted(path.name for path in home.iterdir()) == ["disk-a", "image-b"]
    assert (keep / "root").exists()


def test_lock_refuses_a_second_holder_and_is_free_afterwards() -> None:
    with cache.lock():
        with pytest.raises(LabError, match="^another dsrlab is at work on this lab: wait for it to end$"), cache.lock():
            pass
    with cache.lock():
        pass


def test_lock_is_free_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), cache.lock():
        raise ZeroDivisionError
    with cache.lock():
        pass
