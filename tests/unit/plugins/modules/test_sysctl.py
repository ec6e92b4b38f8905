# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.modules import sysctl
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.sysctls.fake_kernel import FakeKernel

PATH = "/etc/sysctl.d/ours.conf"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the module on a kernel; what it returned."""

    def run_module(kernel: FakeKernel, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(sysctl, "LocalRunner", lambda: kernel)
        with patch_module_args({"path": PATH, **options}), pytest.raises(SystemExit):
            sysctl.main()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run_module


def test_present_and_absent(run) -> None:
    kernel = FakeKernel(ip_forward="0")
    wanted = {"net.ip_forward": 1}
    predicted = run(kernel, values=wanted, _ansible_check_mode=True, _ansible_diff=True)
    assert kernel.writes == []
    done = run(kernel, values=wanted, _ansible_diff=True)
    assert done == predicted
    assert (done["changed"], done["settings"]) == (True, {"net.ip_forward": "1"})
    assert [side["before_header"] for side in done["diff"]] == ["settings", PATH]
    again = run(kernel, values=wanted)
    assert not again["changed"] and "diff" not in again
    assert run(kernel, state="absent")["settings"] == {"net.ip_forward": "0"}
    assert (kernel.settings, kernel.files.texts) == ({"net.ip_forward": "0"}, {})
    assert not run(kernel, state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "state is present but all of the following are missing: values"),
        ({"values": {"net/ip_forward": 1}}, "sysctl net/ip_forward: is no name of a setting"),
        ({"values": {"net.nosuch": 1}}, "sysctl net.nosuch: is unknown to this kernel"),
    ],
)
def test_bad_input(run, options: dict[str, Any], message: str) -> None:
    kernel = FakeKernel(ip_forward="0")
    told = run(kernel, **options)
    assert told["failed"] is True
    assert message in told["msg"]
    assert kernel.writes == []
