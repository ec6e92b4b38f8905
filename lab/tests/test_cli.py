# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_dc import cache

Dsrlab = Callable[..., "subprocess.CompletedProcess[str]"]
Sleeper = Callable[..., "subprocess.Popen[bytes]"]


def test_down_when_nothing_runs(dsrlab: Dsrlab) -> None:
    done = dsrlab("down")
    assert (done.returncode, done.stderr) == (0, "The lab was not up.\n")


def test_down_when_something_runs(dsrlab: Dsrlab, process: Sleeper) -> None:
    guest = process(str(cache.running() / "monitor"))
    (cache.running() / "qemu.pid").write_text(str(guest.pid))
    done = dsrlab("down")
    assert (done.returncode, done.stderr) == (0, "The lab is down.\n")
    assert guest.wait(timeout=5) != 0


def test_status_when_down(dsrlab: Dsrlab, home: Path) -> None:
    done = dsrlab("status")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"cache      {home}  0.0 GiB", "guest      down"]


@pytest.mark.parametrize("command", [[], ["ip", "addr"]])
def test_ssh_when_down(dsrlab: Dsrlab, command: list[str]) -> None:
    done = dsrlab("ssh", "n1", *command)
    assert (done.returncode, done.stderr) == (1, "dsrlab: the lab is not up: run 'lab/dsrlab up'\n")


@pytest.mark.parametrize("argv", [[], ["upp"], ["ssh"], ["ssh", "n9"], ["up", "n1"]])
def test_words_it_does_not_know(dsrlab: Dsrlab, argv: list[str]) -> None:
    done = dsrlab(*argv)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: dsrlab")


@pytest.mark.parametrize("verb", ["status", "down"])
def test_bad_port_is_no_traceback(dsrlab: Dsrlab, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setenv("DSRLAB_PORT", "ssh")
    done = dsrlab(verb)
    assert done.returncode == 1
    assert done.stderr.startswith("dsrlab: DSRLAB_PORT is 'ssh': ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["up", "down", "reset", "clean"])
def test_only_one_at_a_time(dsrlab: Dsrlab, verb: str) -> None:
    with cache.lock():
        done = dsrlab(verb)
    assert (done.returncode, done.stderr) == (
        1,
        "dsrlab: another dsrlab is at work on this lab: wait for it to end\n",
    )


def test_clean_empties_the_cache_and_nothing_else(dsrlab: Dsrlab, home: Path) -> None:
    (home / "image-a").mkdir(parents=True)
    (home / "disk-a.qcow2").touch()
    (home.parent / "mine").touch()
    assert dsrlab("clean").returncode == 0
    assert list(home.iterdir()) == []
    assert (home.parent / "mine").exists()
