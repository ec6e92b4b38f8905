# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of drain and undrain as Ansible runs them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.modules import tunnel_probe, wait_for_quiet

IPTABLES_SAVE = """#!/bin/sh
count=$(cat "{home}/count")
echo $((count + {step})) > "{home}/count"
echo "[$count:0] -A DSR-MARK -m comment --comment \\"baremetal.dsr\\" -j MARK --set-xmark 0xd00000/0xffffffff"
"""


def run(module: ModuleType, capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def install(home: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    (home / "count").write_text("100\n")
    program = home / "iptables-save"
    program.write_text(IPTABLES_SAVE.format(home=home, step=step))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")


def test_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, 0)
    told = run(wait_for_quiet, capsys, interval=0.05, _ansible_check_mode=True)
    assert (told["changed"], told["rate"]) == (False, 0.0)


def test_loud(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, 1000)
    told = run(wait_for_quiet, capsys, interval=0.05, timeout=0.1)
    assert told["failed"] is True
    assert "packets per second still come to VIPs" in told["msg"]


def test_nothing_to_probe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tunnel_probe, capsys, targets=[], sources=[])["answered"] == 0


def test_bad_target(capsys: pytest.CaptureFixture[str]) -> None:
    told = run(tunnel_probe, capsys, targets=[{"vip": "web", "port": 80, "mark": 2}], sources=[])
    assert "'web' is not an IP address" in told["msg"]
