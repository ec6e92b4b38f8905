# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import plan as plugin
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster
from ansible_collections.baremetal.dsr.plugins.module_utils.plan import HostPlan, plan_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import Data, example, full

PLAN = plugin.FilterModule().filters()["plan"]
FULL_TEMPLATE = (
    "{{ services | baremetal.dsr.plan(host='n1', nodes=nodes, vip_pools=vip_pools, tunnel=tunnel, mtu=mtu,"
    " overlay_overhead=overlay_overhead) }}"
)
TEMPLATE = "{{ services | baremetal.dsr.plan(host='n1', nodes=nodes, vip_pools=vip_pools, mark_base='0x00d00000') }}"


def expected() -> HostPlan:
    return plan_cluster(parse_cluster(**example())).for_host("n1")


def crowded(name: str) -> Data:
    """A cluster whose plan has a warning: more backends than mh shares evenly."""
    data = example()
    backends = [{"address": f"10.244.1.{pod + 2}", "node": "n1"} for pod in range(41)]
    data["services"][0].update(name=name, backends=backends)
    return data


def test_same_plan_as_the_planner() -> None:
    data = example()
    assert PLAN(data["services"], "n1", data["nodes"], data["vip_pools"]) == expected()


def test_every_option_reaches_the_planner() -> None:
    data = full()
    made = PLAN(host="n1", **data, mark_base="0x00100000", mark_mask=0xFFF00000)
    given = {**data, "mark_base": 0x00100000, "mark_mask": 0xFFF00000}
    assert made == plan_cluster(parse_cluster(**given)).for_host("n1")
    assert made != plan_cluster(parse_cluster(**data)).for_host("n1")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("tunnel", "vxlan", "dsr_tunnel: unknown tunnel 'vxlan'"),
        ("mtu", "jumbo", "dsr_mtu: is 'jumbo', not a number"),
        ("overlay_overhead", {1}, "dsr_overlay_overhead: holds a set"),
    ],
)
def test_bad_option_is_a_filter_error(option: str, value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{message}"):
        PLAN(host="n1", **{**full(), option: value})


def test_another_input_gives_another_plan() -> None:
    data = example()
    first = PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])
    data["services"][0]["backends"].pop()
    second = PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])
    assert sorted(len(service["destinations"]) for service in first["ipvs"]) == [1, 2]
    assert sorted(len(service["destinations"]) for service in second["ipvs"]) == [1, 1]


def test_bad_input_is_a_filter_error() -> None:
    data = example()
    with pytest.raises(AnsibleFilterError, match=r"^host r1: is not a node of the cluster\."):
        PLAN(data["services"], "r1", data["nodes"], data["vip_pools"])


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), {1, 2}, object()], ids=["date", "set", "object"])
def test_value_of_a_foreign_type_is_refused(value: Any) -> None:
    data = example()
    data["services"][0]["vip"] = value
    with pytest.raises(AnsibleFilterError, match=rf"dsr_services: holds a {type(value).__name__}\."):
        PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])


def until(value: Any) -> float | None:
    """What the plan says of a drain_until."""
    data = example()
    data["services"][0]["backends"][0].update(ready=False, drain_until=value)
    made = PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])
    return next(each["drain_until"] for service in made["ipvs"] for each in service["destinations"] if each["draining"])


def test_time_that_yaml_has_read_is_taken() -> None:
    assert until(datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.timezone.utc)) == 1782907200.0


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"drain_until: is '2026-07-01T12:00:00', which has no zone\."):
        until(datetime.datetime(2026, 7, 1, 12))


@pytest.mark.parametrize("value", [True, 80.0], ids=["bool", "float"])
def test_number_like_values_are_not_taken_for_numbers(value: Any) -> None:
    data = example()
    data["services"][0]["ports"] = [{"port": value}]
    with pytest.raises(AnsibleFilterError, match="not a number"):
        PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])


def test_through_ansible_with_templates_inside_the_input(tmp_path: Path) -> None:
    data = {**example(), "last": 1, "second": "n2"}
    web = data["services"][0]
    web["vip"] = "203.0.113.{{ last }}"
    web["ports"][0]["port"] = "{{ 79 + last }}"
    web["backends"][0]["node"] = "{{ second }}"
    assert ansible_process.result(ansible_process.say(tmp_path, TEMPLATE, data)) == expected()


def test_through_ansible_with_every_option(tmp_path: Path) -> None:
    data = full()
    wanted = plan_cluster(parse_cluster(**data)).for_host("n1")
    assert ansible_process.result(ansible_process.say(tmp_path, FULL_TEMPLATE, data)) == wanted


def test_error_through_ansible_tells_every_problem(tmp_path: Path) -> None:
    data = example()
    for service in data["services"]:
        service["vip"] = "here"
    said = ansible_process.say(tmp_path, TEMPLATE, data)
    assert "service web, vip: 'here' is not an IP address" in said
    assert "service idle, vip: 'here' is not an IP address" in said
    assert "Traceback" not in said


def test_warning_is_shown_and_stays_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    data = crowded("shown")
    made = PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])
    said = " ".join(capsys.readouterr().err.split())
    assert len(made["warnings"]) == 1
    assert f"[WARNING]: {made['warnings'][0]}" in said


def test_nothing_is_shown_of_a_plan_without_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    data = example()
    PLAN(data["services"], "n1", data["nodes"], data["vip_pools"])
    assert capsys.readouterr().err == ""


def test_through_ansible_a_warning_is_shown_once(tmp_path: Path) -> None:
    said = ansible_process.say(tmp_path, f"{TEMPLATE} {TEMPLATE}", crowded("web"))
    assert " ".join(said.split()).count("[WARNING]: Service web has 41 backends: beyond 40,") == 1
