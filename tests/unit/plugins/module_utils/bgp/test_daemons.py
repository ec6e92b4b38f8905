# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both daemons, from their commands to the one report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.daemons import BirdDaemon, FrrDaemon
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.recordings import (
    BIRDS,
    FRRS,
    SECRETS,
    SOCKET,
    Recorded,
)

CONFIG = 'protocol bgp dsr_r1_ipv4 { password "s3cret-lab-pass"; ttl security on; }'
NO_BFD = Result(1, "BIRD 2.17.5 ready.\nAccess restricted\nThere is no BFD protocol running\n", "")


def report(machine: Recorded, config: str | None = None) -> dict[str, Any]:
    if machine.recording.startswith("bird"):
        return BirdDaemon(machine, SOCKET, config).report().result()
    return FrrDaemon(machine).report().result()


def by_name(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in told["sessions"]}


@pytest.mark.parametrize("recording", BIRDS + FRRS)
def test_one_shape_and_no_secret(recording: str) -> None:
    told = report(Recorded(recording), CONFIG)
    assert list(told) == ["provider", "version", "sessions", "bfd", "announced"]
    assert recording.startswith(f"{told['provider']}-{told['version']}-")
    for session in told["sessions"]:
        assert sorted(session) == sorted(
            "name neighbor description families local_asn remote_asn state uptime hold_time bfd prefixes_received "
            "prefixes_sent password ttl_security graceful_restart last_error".split()
        )
        assert session["bfd"] is None or sorted(session["bfd"]) == [
            "detect_time_ms",
            "interval_ms",
            "multiplier",
            "state",
        ]
    text = json.dumps(told)
    assert not any(secret in text for secret in SECRETS)


def test_bird() -> None:
    told = report(Recorded("bird-2.17.5-established"), CONFIG)
    assert by_name(told)["dsr_r1_ipv4"]["bfd"] == {
        "state": "up",
        "interval_ms": 300,
        "multiplier": 3,
        "detect_time_ms": 900,
    }
    assert by_name(told)["dsr_r1_ipv6"]["bfd"] is None
    assert [by_name(told)["dsr_r1_ipv4"][key] for key in ("password", "ttl_security")] == [True, True]
    assert [by_name(told)["dsr_r1_ipv6"][key] for key in ("password", "ttl_security")] == [None, None]
    assert [each["neighbor"] for each in told["bfd"]] == ["192.0.2.1", "192.0.2.77"]
    assert told["announced"] == [
        {"vip": "203.0.113.1", "communities": [], "neighbors": ["192.0.2.1"]},
        {"vip": "203.0.113.2", "communities": ["64513:9", "65535:0", "64513:1:2"], "neighbors": ["192.0.2.1"]},
        {"vip": "2001:db8:f::1", "communities": [], "neighbors": ["2001:db8:fab::1"]},
        {"vip": "2001:db8:f::2", "communities": [], "neighbors": ["2001:db8:fab::1"]},
    ]


def test_bird_2_and_3_report_the_same() -> None:
    old, new = report(Recorded("bird-2.17.5-established")), report(Recorded("bird-3.1.7-established"))
    del old["version"], new["version"]
    for session in old["sessions"] + new["sessions"]:
        del session["uptime"]
    assert old == new


def test_old_bird_has_only_the_short_table_of_bfd() -> None:
    machine = Recorded("bird-2.0.12-established")
    told = report(machine)
    assert machine.asked.count("show bfd sessions") == 1
    assert by_name(told)["dsr_r1_ipv4"]["bfd"]["multiplier"] is None
    assert by_name(told)["dsr_r1_ipv4"]["bfd"]["detect_time_ms"] == 900


def test_bird_without_bfd() -> None:
    told = report(Recorded("bird-2.17.5-established", {"show bfd sessions all": NO_BFD}))
    assert told["bfd"] == []
    assert by_name(told)["dsr_r1_ipv4"]["bfd"] is None


def test_nothing_is_announced_over_sessions_that_are_down() -> None:
    machine = Recorded("bird-2.17.5-failing")
    assert report(machine)["announced"] == []
    assert not [command for command in machine.asked if command.startswith("show route")]


def test_frr() -> None:
    machine = Recorded("frr-10.3-established")
    told = report(machine)
    assert by_name(told)["192.0.2.11"]["bfd"] == {
        "state": "up",
        "interval_ms": 300,
        "multiplier": 3,
        "detect_time_ms": 900,
    }
    assert told["announced"][1] == {
        "vip": "203.0.113.1",
        "communities": ["64512:7", "65535:0"],
        "neighbors": ["192.0.2.11", "192.0.2.12"],
    }
    assert len([command for command in machine.asked if "advertised-routes" in command]) == 2


def test_frr_without_its_bfd_daemon_does_not_call_bfd_up() -> None:
    told = report(Recorded("frr-10.3-without-bfdd"))
    assert told["bfd"] == []
    assert by_name(told)["192.0.2.11"]["bfd"]["state"] == "unknown"
    assert by_name(told)["192.0.2.11"]["state"] == "established"


def test_frr_whose_sessions_change_meanwhile() -> None:
    command = "show bgp ipv4 unicast neighbors 192.0.2.12 advertised-routes detail json"
    with pytest.raises(DsrError, match="changed while they were read. Run again"):
        report(Recorded("frr-10.3-established", {command: Result(0, "", "")}))


def test_frr_configuration_that_cannot_be_read_is_no_error() -> None:
    command = "show running-config bgpd no-header"
    told = report(Recorded("frr-10.3-established", {command: Result(1, " neighbor n4 password s3cret-lab-pass\n", "")}))
    assert told["version"] is None
    assert {each["ttl_security"] for each in told["sessions"]} == {None}
    assert "s3cret" not in json.dumps(told)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            f"Unable to connect to server control socket ({SOCKET}): No such file or directory",
            "there is no such socket",
        ),
        (f"Unable to connect to server control socket ({SOCKET}): Connection refused", "nobody listens on the socket"),
        (f"Unable to connect to server control socket ({SOCKET}): Permission denied", "become: true"),
        ("Access denied", "'show status' failed: Access denied. Read its log"),
    ],
)
def test_bird_that_does_not_answer(said: str, message: str) -> None:
    with pytest.raises(DsrError, match=message) as caught:
        report(Recorded("bird-2.17.5-established", {"show status": Result(1, "", f"{said}\n")}))
    assert caught.value.item == f"BIRD at {SOCKET}"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("bgpd is not running", "Set bgpd=yes in /etc/frr/daemons"),
        ("Exiting: failed to connect to any daemons.", "no daemon answers vtysh"),
        ("% Unknown command: show", "failed: % Unknown command: show"),
    ],
)
def test_frr_that_does_not_answer(said: str, message: str) -> None:
    with pytest.raises(DsrError, match=message):
        report(Recorded("frr-10.3-established", {"show bgp neighbors json": Result(1, f"{said}\n", "")}))


@pytest.mark.parametrize("recording", [each for each in BIRDS + FRRS if each.endswith("-both")])
def test_one_session_with_both_families(recording: str) -> None:
    told = report(Recorded(recording))
    assert [each["neighbor"] for each in told["sessions"]] == (
        ["192.0.2.1", "192.0.2.2"] if told["provider"] == "bird" else ["192.0.2.11", "192.0.2.12"]
    )
    for session in told["sessions"]:
        assert session["families"] == ["ipv4", "ipv6"]
        assert session["state"] == "established"
        assert session["bfd"]["state"] == "up"
    if told["provider"] == "frr":
        assert [each["prefixes_received"] for each in told["sessions"]] == [4, 4]
    else:
        assert {each["vip"] for each in told["announced"]} >= {"203.0.113.1", "2001:db8:f::1"}
        assert {tuple(each["neighbors"]) for each in told["announced"]} == {("192.0.2.1", "192.0.2.2")}


def test_drained_over_one_session() -> None:
    told = report(Recorded("bird-2.17.5-both"))["announced"]
    assert [(each["vip"], each["communities"]) for each in told] == [
        (vip, ["65535:0"]) for vip in ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
    ]


def test_missing_commands() -> None:
    with pytest.raises(DsrError, match="Install the package bird2"):
        report(Recorded("bird-2.17.5-established", lacks=["birdc"]))
    with pytest.raises(DsrError, match="Install the package frr"):
        report(Recorded("frr-10.3-established", lacks=["vtysh"]))
