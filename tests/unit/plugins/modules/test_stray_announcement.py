# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, against a birdc of sh that keeps what it was told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import prefixes, render
from ansible_collections.baremetal.dsr.plugins.modules import stray_announcement

BIRDC = """#!/bin/sh
# birdc -s SOCKET configure [timeout SECONDS] | show route; the folder of the socket is the daemon's whole world
home=$(dirname "$2")
case $3 in
configure) cp "$home/vips.conf" "$home/held" && echo "$3 $4 $5" >> "$home/log" ;;
show) sed -n 's/^.route \\([^ ]*\\) blackhole;/\\1 blackhole [dsr_vip4 12:00:00.000] * (200)/p' "$home/held" ;;
esac
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    birdc = tmp_path / "bin" / "birdc"
    birdc.parent.mkdir()
    birdc.write_text(BIRDC, encoding="utf-8")
    birdc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{birdc.parent}:/usr/bin:/bin")
    for name in ("vips.conf", "held"):
        (tmp_path / name).write_text(render(prefixes(["203.0.113.1"])), encoding="utf-8")
    return tmp_path


def run(node: Path, capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, Any]:
    places = {"path": str(node / "vips.conf"), "socket": str(node / "bird.ctl")}
    with patch_module_args({**places, **options}), pytest.raises(SystemExit):
        stray_announcement.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_announced_and_withdrawn(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (node / "vips.conf").read_text(encoding="utf-8")
    assert run(node, capsys, addresses=["198.18.0.1"], state="announced", seconds=7)["added"] == ["198.18.0.1"]
    assert "198.18.0.1" in (node / "held").read_text(encoding="utf-8")
    assert (node / "vips.conf").read_text(encoding="utf-8") == before
    assert run(node, capsys, addresses=["198.18.0.1"], state="withdrawn")["removed"] == ["198.18.0.1"]
    assert (node / "held").read_text(encoding="utf-8") == before
    assert (node / "log").read_text(encoding="utf-8").split() == ["configure", "timeout", "7", "configure"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"addresses": ["198.18.0.0/24"], "state": "announced"}, "'198.18.0.0/24' is not an IP address"),
        ({"addresses": ["203.0.113.1"], "state": "announced"}, "no stray may be added"),
        ({"addresses": ["198.18.0.1"]}, "missing required arguments: state"),
    ],
)
def test_bad_input(node: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], message: str) -> None:
    told = run(node, capsys, **options)
    assert told["failed"] is True
    assert message in told["msg"]
    assert not (node / "log").exists()
