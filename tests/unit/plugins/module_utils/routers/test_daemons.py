# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR's and BIRD's own checkers read what was rendered for them. Skipped where the daemon is not installed.

The lab has both: molecule/default/tests/test_rendered.py asks there.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import (
    REACHED,
    READ,
    bird_file,
    text,
)

SBIN = "/usr/sbin"
BIRD = shutil.which("bird") or shutil.which("bird", path=SBIN)
VTYSH = shutil.which("vtysh")

cases = pytest.mark.parametrize("options", READ.values(), ids=READ)
addresses = pytest.mark.parametrize("addresses", REACHED.values(), ids=REACHED)


def accepts(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(BIRD is None, reason="BIRD is not installed")
@cases
@addresses
def test_bird_reads_it(tmp_path: Path, options: dict[str, Any], addresses: list[str]) -> None:
    config = tmp_path / "bird.conf"
    config.write_text(bird_file(text("bird", options, addresses=addresses)))
    accepts([str(BIRD), "-p", "-c", str(config)])


@pytest.mark.skipif(VTYSH is None, reason="FRR is not installed")
@pytest.mark.parametrize("dialect", ["frr", "sonic"])
@cases
@addresses
def test_frr_reads_it(tmp_path: Path, dialect: str, options: dict[str, Any], addresses: list[str]) -> None:
    config = tmp_path / "frr.conf"
    config.write_text(text(dialect, options, addresses=addresses))
    accepts([str(VTYSH), "-C", "-f", str(config)])
