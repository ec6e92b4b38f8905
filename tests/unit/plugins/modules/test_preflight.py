# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.modules import preflight, steering
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.node import Node

Module = Callable[..., dict[str, Any]]


def pod(address: str) -> dict[str, Any]:
    return {"address": address, "vips": ["203.0.113.1"]}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def run(node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Module:
    """Run the module on the node; what it returned."""

    def run_module(**options: Any) -> dict[str, Any]:
        monkeypatch.setattr(preflight, "LocalRunner", lambda: node)
        monkeypatch.setattr(preflight, "Paths", lambda: node.paths)
        with patch_module_args(options), pytest.raises(SystemExit):
            preflight.main()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run_module


@pytest.mark.parametrize("check", [False, True])
def test_complete_node(node: Node, run: Module, check: bool) -> None:
    told = run(pods=[pod("10.244.1.2")], _ansible_check_mode=check)
    assert (told["changed"], told["problems"], "failed" in told) == (False, [], False)
    assert node.writes == []


@pytest.mark.parametrize("check", [False, True])
def test_every_problem_is_in_the_message(node: Node, run: Module, check: bool) -> None:
    node.modules -= {"ip_vs", "ip_vs_wlc"}
    told = run(schedulers=["wlc"], pods=[pod("10.244.1.9")], _ansible_check_mode=check)
    assert told["failed"]
    assert told["msg"].splitlines() == told["problems"]
    items = [problem.split(":")[0] for problem in told["problems"]]
    assert items == ["kernel module ip_vs", "IPVS scheduler wlc", "pod 10.244.1.9"]
    assert node.writes == []


def test_scheduler_mh_is_looked_for_when_none_is_named(node: Node, run: Module) -> None:
    node.modules.remove("ip_vs_mh")
    assert run()["problems"][0].startswith("IPVS scheduler mh: ")


def test_missing_command(node: Node, run: Module) -> None:
    node.absent = {"ipvsadm"}
    told = run(pods=[pod("10.244.1.9")])
    assert told["failed"]
    assert told["msg"] == "command ipvsadm: not found on this machine. Install the package ipvsadm"


def test_every_option_reaches_the_node(node: Node, run: Module) -> None:
    node.modules -= {"fou", "ip6_gre", "ip_gre"}
    node.host.links["eth0"].mtu = 1400
    told = run(tunnels=["gue", "gre"], families=["ipv6"], mtu=1500, addresses=["192.0.2.11"])
    items = [problem.split(":")[0] for problem in told["problems"]]
    assert items == ["kernel module ip6_gre", "kernel module fou", "device eth0"]
    node.director.addresses["203.0.113.1"] = "lo"
    node.unreachable = {"10.244.1.2"}
    told = run(pods=[pod("10.244.1.2")], sources=["192.0.2.11"], steering={"vips": ["203.0.113.1"], "table": 255})
    assert [problem.split(":")[0] for problem in told["problems"]] == ["table", "pod 10.244.1.2"]
    told = run(steering={"vips": ["203.0.113.1"]})
    assert [problem.split(":")[0] for problem in told["problems"]] == ["VIP 203.0.113.1"]


def test_options_of_steering_are_those_of_its_module() -> None:
    for name in preflight.STEERING.keys() - {"vips"}:
        assert preflight.STEERING[name] == steering.ARGUMENTS[name]


@pytest.mark.parametrize(
    "option",
    [{"tunnels": ["vxlan"]}, {"families": ["ipx"]}, {"mtu": "big"}, {"pods": ["10.244.1.2"]}, {"steering": {}}],
)
def test_impossible_options_are_refused(node: Node, run: Module, option: dict[str, object]) -> None:
    assert run(**option)["failed"]
    assert node.commands == []
