# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.baremetal.dsr.plugins.modules import ipvs, ipvs_info
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import FakeDirector

SERVICE = {
    "mark": 0xD00002,
    "family": "ipv4",
    "destinations": [{"address": "10.244.1.2"}, {"address": "10.244.2.2", "weight": 3}],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a module against a director; what it returned."""

    def run_module(module: Any, director: FakeDirector, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "LocalRunner", lambda: director)
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_reconcile_and_read_back(run) -> None:
    director = FakeDirector()
    result = run(ipvs, director, services=[SERVICE], _ansible_diff=True)
    assert result["changed"]
    assert result["lines"] == 4
    assert result["invocation"]["module_args"]["services"] == "1 services"
    assert result["invocation"]["module_args"]["purge"] is True
    assert [side["before_header"] for side in result["diff"]] == ["settings", "ipvsadm -R"]
    assert result["diff"][1]["after"] == (
        "-A -f 13631490 -s mh -b mh-fallback,mh-port\n"
        "-a -f 13631490 -r 10.244.2.2:0 -i -w 3\n"
        "-a -f 13631490 -r 10.244.1.2:0 -i -w 1\n"
    )
    ours = {name: value for name, value in director.sysctls.items() if not name.endswith("sync_threshold")}
    assert len(ours) == 5 and set(ours.values()) == {"1"}
    info = run(ipvs_info, director)
    assert "foreign" not in info
    assert info["services"] == [
        {
            "mark": 13631490,
            "family": "ipv4",
            "scheduler": "mh",
            "scheduler_flags": ["mh-fallback", "mh-port"],
            "one_packet": False,
            "persistence": 0,
            "tunnel": "ipip",
            "destinations": [
                {"address": "10.244.1.2", "weight": 1, "upper_threshold": 0, "lower_threshold": 0},
                {"address": "10.244.2.2", "weight": 3, "upper_threshold": 0, "lower_threshold": 0},
            ],
        }
    ]
    assert not run(ipvs, director, services=info["services"])["changed"]


FULL = {
    "mark": 0xD00002,
    "family": "ipv6",
    "scheduler": "mh",
    "scheduler_flags": ["mh-fallback"],
    "one_packet": True,
    "persistence": 10800,
    "tunnel": "gue",
    "destinations": [
        {"address": "2001:db8::1", "weight": 2, "upper_threshold": 20, "lower_threshold": 10},
        {"address": "2001:db8::2", "weight": 1, "upper_threshold": 0, "lower_threshold": 0},
    ],
}


def test_every_option_is_written_and_read_back(run) -> None:
    director = FakeDirector()
    assert run(ipvs, director, services=[FULL])["changed"]
    info = run(ipvs_info, director)
    assert info["services"] == [FULL]
    director.read_only = True
    assert not run(ipvs, director, services=info["services"])["changed"]


def test_plan_item_is_taken_as_it_is(run) -> None:
    director = FakeDirector()
    director.active["10.244.1.2:0"] = 4
    draining = {"address": "10.244.1.2", "weight": 3, "draining": True, "drain_until": 1795363200.5}
    other = {"address": "10.244.1.3", "weight": 1, "draining": False, "drain_until": None}
    thresholds = {"upper_threshold": 0, "lower_threshold": 0}
    item = {
        **{name: FULL[name] for name in ("mark", "scheduler", "scheduler_flags", "one_packet")},
        "family": "ipv4",
        "persistence": 0,
        "tunnel": "gre",
        "destinations": [{**draining, **thresholds}, {**other, **thresholds}],
    }
    result = run(ipvs, director, services=[item], purge=False)
    assert result["stale"]
    assert result["draining"] == [
        {
            "mark": 0xD00002,
            "family": "ipv4",
            "address": "10.244.1.2",
            "connections": 4,
            "drain_until": 1795363200.5,
        }
    ]
    assert result["closing"] == [{"mark": 0xD00002, "family": "ipv4", "address": "10.244.1.2", "connections": 4}]
    assert isinstance(result["time"], float)
    assert not run(ipvs, director, services=[item])["changed"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("tunnel", "vxlan", "value of tunnel must be one of: ipip, gue, gre"),
        ("persistence", "long", "persistence"),
        ("persistence", -5, "IPVS service with mark 0xd00002 (ipv4): persistence is -5"),
        ("family", "ipx", "value of family must be one of: ipv4, ipv6"),
        ("scheduler", None, "is no name of a scheduler"),
        ("destinations", [{"address": "10.0.0.1", "upper_threshold": "x"}], "upper_threshold is 'x', which is no int"),
        ("destinations", [{"address": "10.0.0.1", "draining": "perhaps"}], "draining is 'perhaps', which is no bool"),
        ("destinations", [{"address": "10.0.0.1", "draining": True, "drain_until": "soon"}], "drain_until"),
        ("destinations", [{"address": "10.0.0.1", "draining": True, "drain_until": "nan"}], "drain_until is nan"),
        ("destinations", [{"weight": 1}], "a destination has no address"),
        (
            "destinations",
            [{"address": "10.0.0.1", "wieght": 1}],
            "a destination has the unknown key 'wieght'. Use address",
        ),
        ("destinations", [{"address": "10.0.0.1", "weight": None}], "weight"),
        ("destinations", None, "destinations"),
        ("mark", None, "mark"),
        ("one_packet", None, "one_packet"),
    ],
)
def test_bad_options_are_named_before_anything_is_read(run, option: str, value: Any, message: str) -> None:
    director = FakeDirector()
    director.read_only = True
    result = run(ipvs, director, services=[{**SERVICE, option: value}])
    assert result.get("failed"), result
    assert message in result["msg"]
    assert director.reads == []


def test_check_mode_writes_nothing(run) -> None:
    director = FakeDirector(loaded=False)
    director.read_only = True
    result = run(ipvs, director, services=[SERVICE], _ansible_check_mode=True)
    assert result["changed"]
    assert "diff" not in result


def test_absent_takes_services_and_settings_back(run) -> None:
    director = FakeDirector()
    run(ipvs, director, services=[SERVICE])
    result = run(ipvs, director, state="absent", _ansible_diff=True)
    assert result["changed"]
    assert "time" not in result
    assert [side["before_header"] for side in result["diff"]][:2] == ["settings", "ipvsadm -R"]
    assert (director.table, director.sysctls) == ({}, FakeDirector().sysctls)
    assert not run(ipvs, director, state="absent")["changed"]


def test_present_needs_services(run) -> None:
    assert "state is present but all of the following are missing: services" in run(ipvs, FakeDirector())["msg"]


def test_bad_input_fails_with_a_message(run) -> None:
    director = FakeDirector()
    director.read_only = True
    result = run(ipvs, director, services=[{**SERVICE, "mark": 1}])
    assert result["failed"]
    assert result["msg"].startswith("IPVS service with mark 0x1 (ipv4): the mark is not an even one above 0xd00000")
    assert director.reads == []


def test_info_without_the_kernel_module_loads_nothing(run) -> None:
    director = FakeDirector(loaded=False)
    director.read_only = True
    result = run(ipvs_info, director)
    assert (result["loaded"], result["services"], result["connections"]) == (False, [], [])


def test_info_with_foreign_services_and_connections(run) -> None:
    director = FakeDirector()
    director.restore("-A -f 7 -s rr\n-A -f 13631490 -s rr\n-a -f 13631490 -r 10.244.1.2:0 -i -w 1\n")
    result = run(ipvs_info, director, all=True)
    assert result["foreign"] == ["-A -f 7 -s rr"]
    assert result["connections"] == [
        {"mark": 13631490, "family": "ipv4", "address": "10.244.1.2", "active": 0, "inactive": 0}
    ]


def test_info_names_a_bad_range(run) -> None:
    assert "is 0, out of range" in run(ipvs_info, FakeDirector(), mark_base="0")["msg"]
