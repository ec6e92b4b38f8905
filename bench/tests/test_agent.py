# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's side, run on this computer with benchmarks that need no namespace: it must leave nothing."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bench.session import _tar

WAITS = """
import subprocess
def measure(place, rounds, options):
    print('{"waiting": true}', flush=True)
    subprocess.run(["sleep", "60"])
"""
ENDS = """
from bench.place import BenchmarkError
def measure(place, rounds, options):
    if options.get("fail"):
        raise BenchmarkError("it cannot be")
    return {"rounds": rounds}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped files, unpacked as in the guest."""
    path = tmp_path / "shipped"
    shipped = _tar(
        {"a.payload": b"x", "bench/benchmarks/waits.py": WAITS.encode(), "bench/benchmarks/ends.py": ENDS.encode()}
    )
    with tarfile.open(fileobj=io.BytesIO(shipped)) as tar:
        tar.extractall(path, filter="data")
    return path


def agent(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.agent", str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def test_a_result_comes_back_and_the_files_go(folder: Path) -> None:
    assert (folder / "a.payload").exists()
    process = agent(folder, "ends", "5", "{}")
    assert process.stdout
    assert f'"kernel": "{os.uname().release}", "figures": {{"rounds": 5}}' in process.stdout.read()
    assert process.wait(10) == 0
    assert not folder.exists()


def test_a_failure_is_told(folder: Path) -> None:
    process = agent(folder, "ends", "5", '{"fail": 1}')
    assert process.stdout
    assert process.stdout.read() == '{"error": "it cannot be"}\n'
    assert process.wait(10) == 1
    assert not folder.exists()


@pytest.mark.parametrize("end", ["input", signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_nothing_is_left_when_it_is_ended(folder: Path, end: str | signal.Signals) -> None:
    process = agent(folder, "waits", "5", "{}")
    assert process.stdin and process.stdout
    assert process.stdout.readline() == '{"waiting": true}\n'
    if isinstance(end, signal.Signals):
        process.send_signal(end)
    else:
        process.stdin.close()
    assert process.wait(10) != 0
    assert not folder.exists()
    assert process.stdout.read() == ""
