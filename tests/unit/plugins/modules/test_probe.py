# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.modules import probe


def run(capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        probe.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("check", [False, True])
def test_tells_what_was_answered(capsys: pytest.CaptureFixture[str], check: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        target = {"vip": "127.0.0.1", "port": port}
        told = run(capsys, targets=[target], connections=2, timeout=0.2, _ansible_check_mode=check)
    assert told["changed"] is False
    (found,) = told["targets"]
    assert (found["protocol"], found["sent"], found["answered"]) == ("tcp", 2, 2)


def test_an_answer_that_does_not_come_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    told = run(capsys, targets=[{"vip": "127.0.0.1", "port": port}], connections=1)
    assert told["targets"][0]["errors"] == {"connection refused": 1}
    assert "failed" not in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": [{"vip": "web", "port": 80}]}, "target 'web': is not an IP address"),
        ({"targets": [{"vip": "203.0.113.1", "port": 80, "protocol": "sctp"}]}, "one of: tcp, udp"),
        ({"targets": [], "connections": 0}, "option connections: 0 is out of range"),
    ],
)
def test_bad_options(capsys: pytest.CaptureFixture[str], options: dict[str, object], message: str) -> None:
    told = run(capsys, **options)
    assert told["failed"] is True
    assert message in told["msg"]
