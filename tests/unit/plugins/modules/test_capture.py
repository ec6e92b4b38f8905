# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.module_utils.proof import job
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.background import Background, Stop
from ansible_collections.baremetal.dsr.plugins.modules import capture

FOUND = {"packets": [], "places": {"host": []}, "missing": [], "dropped": 0, "left_out": 0}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(job, "FOLDER", tmp_path / "capture")
    return tmp_path / "capture"


def run(capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, Any]:
    with patch_module_args({"vips": ["203.0.113.1"], **options}), pytest.raises(SystemExit):
        capture.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("check", [False, True])
def test_collects_what_was_found(folder: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    def found(stop: Stop) -> dict[str, Any]:
        return FOUND

    Background(folder).start(lambda: found)
    told = run(capsys, state="collected", _ansible_check_mode=check)
    assert told["changed"] is False
    assert {key: told[key] for key in FOUND} == FOUND
    assert "routes" not in told
    assert not folder.exists()


@pytest.mark.parametrize("drained", [False, True])
def test_tells_whether_the_node_is_drained(folder: Path, capsys: pytest.CaptureFixture[str], drained: bool) -> None:
    note = folder.parent / "drained"
    if drained:
        note.touch()
    Background(folder).start(lambda: lambda stop: FOUND)
    assert run(capsys, state="collected", drained=str(note))["drained"] is drained


def test_collecting_what_was_not_started(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, state="collected")
    assert told["failed"] is True
    assert told["msg"].startswith("capture: was not started on this machine.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "started", "vips": ["web"]}, "option vips: 'web' is not an IP address"),
        ({"state": "started", "seconds": 4000}, "option seconds: 4000 is out of range"),
        ({"state": "begun"}, "value of state must be one of: started, collected"),
    ],
)
def test_bad_options(
    folder: Path, capsys: pytest.CaptureFixture[str], options: dict[str, object], message: str
) -> None:
    told = run(capsys, **options)
    assert told["failed"] is True
    assert message in told["msg"]
    assert not folder.exists()
