# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.baremetal.dsr.plugins.modules import pods, pods_info
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine

POD = {"address": "10.244.1.2", "vips": ["203.0.113.1"]}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    machine = FakeMachine(tmp_path)
    machine.add("10.244.1.2/24", pid=100, handle="cni-a")
    machine.add("10.244.1.3/24", pid=101)
    return machine


@pytest.fixture
def run(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a module on the machine; what it returned."""

    def run_module(module: Any, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "LocalRunner", lambda: machine)
        monkeypatch.setattr(module, "Paths", lambda: machine.paths)
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_check_predicts_the_run(machine: FakeMachine, run) -> None:
    machine.read_only = True
    foretold = run(pods, pods=[POD], _ansible_check_mode=True, _ansible_diff=True)
    machine.read_only = False
    result = run(pods, pods=[POD], _ansible_diff=True)
    assert result == {**foretold, "invocation": result["invocation"]}
    assert result["changed"]
    assert result["missing"] == []
    again = run(pods, pods=[POD])
    assert not again["changed"]
    assert "diff" not in again


def test_missing_pods_fail_after_the_others_are_served(machine: FakeMachine, run) -> None:
    lost = {"address": "10.244.1.9", "vips": ["203.0.113.1"]}
    result = run(pods, pods=[lost, POD])
    assert result["failed"]
    assert result["msg"].startswith(
        "pod 10.244.1.9: its address is in no network namespace of this machine. Check that"
    )
    assert machine.namespaces[0].links["dsr4"].addresses == ["203.0.113.1/32"]


def test_missing_pods_may_only_be_reported(run) -> None:
    lost = {"address": "10.244.1.9", "vips": ["203.0.113.1"]}
    result = run(pods, pods=[lost, POD], missing="report")
    assert "failed" not in result
    assert result["missing"] == ["10.244.1.9"]


def test_a_pod_that_drains_may_be_missing(run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(pods.AnsibleModule, "warn", lambda _module, text: given.append(text))
    lost = {"address": "10.244.1.9", "vips": ["203.0.113.1"], "draining": True}
    result = run(pods, pods=[lost, POD])
    assert "failed" not in result
    assert result["missing"] == ["10.244.1.9"]
    assert [warning.split(":")[0] for warning in given] == ["pod 10.244.1.9"]


def test_bad_input_fails_with_a_message(machine: FakeMachine, run) -> None:
    machine.read_only = True
    result = run(pods, pods=[POD, {**POD, "address": "node1"}])
    assert result["failed"]
    assert result["msg"].startswith("pod: 'node1' is not an IP address")
    assert machine.commands == []


def test_info_shows_what_pods_hold(machine: FakeMachine, run) -> None:
    assert run(pods_info)["pods"] == []
    run(pods, pods=[POD])
    machine.read_only = True
    result = run(pods_info)
    assert result["pods"] == [
        {
            "namespace": machine.namespaces[0].file.stat().st_ino,
            "handle": f"{machine.paths.handles[0]}/cni-a",
            "addresses": ["10.244.1.2"],
            "devices": [
                {
                    "name": "dsr4",
                    "owned": True,
                    "up": True,
                    "local": "10.244.1.2",
                    "vips": ["203.0.113.1"],
                    "rx_packets": 3,
                    "rx_bytes": 266,
                }
            ],
            "vips": [{"address": "203.0.113.1", "device": "dsr4"}],
            "tunnels": {"ipv4": ["ipip"], "ipv6": []},
            "guards": [],
            "sysctls": {
                "net.ipv4.conf.all.arp_ignore": "1",
                "net.ipv4.conf.all.arp_announce": "2",
                "net.ipv4.conf.dsr4.rp_filter": "2",
            },
        }
    ]


def test_info_shows_tunnels_places_and_refusals(machine: FakeMachine, run) -> None:
    wish = {**POD, "tunnels": ["gue", "gre"]}
    run(pods, pods=[wish], vip_device="lo", sources=["192.0.2.11"])
    machine.read_only = True
    pod = run(pods_info)["pods"][0]
    assert pod["addresses"] == ["10.244.1.2"]
    assert pod["vips"] == [{"address": "203.0.113.1", "device": "lo"}]
    assert [(device["name"], device["vips"]) for device in pod["devices"]] == [("dsr4", []), ("dsr4gre", [])]
    assert pod["tunnels"] == {"ipv4": ["ipip", "gue", "gre"], "ipv6": []}
    counters = {"packets": 2, "bytes": 120}
    assert pod["guards"] == [
        {
            "family": "ipv4",
            "active": True,
            "sources": ["10.244.1.1", "192.0.2.11"],
            "vips": ["203.0.113.1"],
            "refused": [
                {"reason": "source", "at": "ipip", **counters},
                {"reason": "source", "at": "gue", **counters},
                {"reason": "source", "at": "gre", **counters},
                {"reason": "destination", "at": "dsr4", **counters},
                {"reason": "destination", "at": "dsr4gre", **counters},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ["n1"]}, "sources: 'n1' is not an IP address"),
        ({"sources": []}, "sources: has no IPv4 address"),
        ({"vip_device": "eth0"}, "value of vip_device must be one of: tunnel, lo, interface"),
        ({"pods": [{**POD, "tunnels": ["vxlan"]}]}, "value of tunnels must be one or more of: ipip, gue, gre"),
    ],
)
def test_bad_options_fail_before_anything_is_looked_at(machine: FakeMachine, run, options, message: str) -> None:
    result = run(pods, **{"pods": [POD], **options})
    assert result["failed"]
    assert result["msg"].startswith(message)
    assert machine.commands == []


def test_info_of_asked_addresses(run) -> None:
    result = run(pods_info, addresses=["10.244.1.3", "10.244.1.9"])
    assert [pod["addresses"] for pod in result["pods"]] == [["10.244.1.3"]]
    assert result["missing"] == ["10.244.1.9"]
    assert run(pods_info, addresses=["pod"])["msg"].startswith("address: 'pod' is not an IP address")
