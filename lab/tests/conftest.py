# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test has a lab home and ports of its own: a lab that runs on this computer is never touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(LAB))

Dsrlab = Callable[..., subprocess.CompletedProcess[str]]
Sleeper = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's home, still without anything in it."""
    path = tmp_path / "home"
    monkeypatch.setenv("DSRLAB_HOME", str(path))
    monkeypatch.setenv("DSRLAB_PORT", "3310")
    return path


@pytest.fixture
def dsrlab(tmp_path: Path) -> Dsrlab:
    """The command itself, as a process that can neither build nor boot anything."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("mmdebstrap", "qemu-system-x86_64"):
        (broken / name).write_text("#!/bin/sh\nexit 1\n")
        (broken / name).chmod(0o755)

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHON": sys.executable, "PATH": f"{broken}:{os.environ['PATH']}"}
        return subprocess.run(
            [str(LAB / "dsrlab"), *argv], capture_output=True, text=True, env=environment, timeout=30, check=False
        )

    return run


@pytest.fixture
def process() -> Iterator[Sleeper]:
    """Start a process that only sleeps and shows the arguments; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        code = "import time; print(flush=True); time.sleep(60)"
        started.append(subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE))
        output = started[-1].stdout
        assert output is not None
        output.readline()  # only now does /proc surely show its command line
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()
