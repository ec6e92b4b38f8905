# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_dc import cache

Dsrlab = Callable[..., subprocess.CompletedProcess[str]]
Sleeper = Callable[..., subprocess.Popen[bytes]]


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


def test_clean_removes_what_the_lab_made_and_nothing_else(dsrlab: Dsrlab, home: Path) -> None:
    for folder in ("image-a", "image-b.unfinished", "mine"):
        (home / folder).mkdir(parents=True)
    for file in ("disk-a.qcow2", "disk-b.unfinished", "mine/file"):
        (home / file).touch()
    assert dsrlab("clean").returncode == 0
    assert list(home.iterdir()) == [home / "mine"]
    assert (home / "mine/file").exists()


def command_line(up: str) -> subprocess.Popen[str]:
    """`dsrlab up` in a process of its own, where bringing the lab up is this Python text."""
    code = f"""
import signal, sys, time
from virtual_dc import cli, lab
# A background job ignores the first, and nohup the last of these; the child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
lab.up = lambda: {up}
sys.exit(cli.main(["up"]))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(cache.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_interrupt_it_is_one(sign: signal.Signals) -> None:
    child = command_line("(print(flush=True), time.sleep(60))")
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(sign)
    _out, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (130, "dsrlab: interrupted; run the same command again to go on\n")


def test_full_disk_is_no_traceback() -> None:
    child = command_line("open('/dev/full', 'wb', 0).write(b'x')")
    _out, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (1, "dsrlab: [Errno 28] No space left on device\n")
