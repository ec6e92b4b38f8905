# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of birdc of five releases of BIRD, in good and in bad state."""

from __future__ import annotations

from datetime import datetime

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird import (
    parse_bfd,
    parse_clock,
    parse_exports,
    parse_sessions,
    parse_version,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import Bfd, Export, Session
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.recordings import BIRDS, text

ESTABLISHED = [name for name in BIRDS if name.endswith("-established")]


def sessions(recording: str) -> dict[str, Session]:
    clock = parse_clock(text(recording, "status"))
    return {each.name: each for each in parse_sessions(text(recording, "protocols"), clock)}


def since(moment: str, clock: str = "2026-11-22 16:38:04.100") -> int | None:
    head = f"one BGP --- up     {moment}  Established"
    block = f"{head}\n  BGP state:          Established\n    Neighbor address: 192.0.2.1\n"
    return parse_sessions(block, parse_clock(f"Current server time is {clock}\n"))[0].uptime


def test_all_releases_were_recorded() -> None:
    assert len(ESTABLISHED) == 5


@pytest.mark.parametrize("recording", ESTABLISHED)
def test_established_in_every_release(recording: str) -> None:
    found = sessions(recording)
    uptime = found["dsr_r1_ipv4"].uptime
    assert uptime is not None
    assert 10 < uptime < 200
    assert found["dsr_r1_ipv4"] == Session(
        name="dsr_r1_ipv4",
        neighbor="192.0.2.1",
        description="r1",
        families=("ipv4",),
        local_asn=64513,
        remote_asn=64512,
        state="established",
        uptime=uptime,
        hold_time=9,
        prefixes_received=0,
        prefixes_sent=2,
        graceful_restart={"local": False, "neighbor": False},
    )
    assert found["dsr_r1_ipv6"].neighbor == "2001:db8:fab::1"
    assert found["refused_one"].state == "active"
    assert found["refused_one"].last_error == "Socket: Connection refused"
    assert found["nobody"].state in ("active", "connect")
    assert found["nobody"].families == ("ipv4", "ipv6")
    assert found["nobody"].uptime is found["nobody"].hold_time is found["nobody"].graceful_restart is None


@pytest.mark.parametrize("recording", ESTABLISHED)
def test_version_and_clock(recording: str) -> None:
    assert parse_version(text(recording, "status")) == recording.split("-")[1]
    clock = parse_clock(text(recording, "status"))
    assert clock is not None
    assert f"{clock:%Y-%m-%d %H}" == "2026-11-22 16"


@pytest.mark.parametrize("recording", ESTABLISHED)
def test_exports_in_every_release(recording: str) -> None:
    assert set(parse_exports(text(recording, "export-dsr_r1_ipv4"))) == {
        Export("203.0.113.1"),
        Export("203.0.113.2", ("64513:9", "65535:0", "64513:1:2")),
    }


@pytest.mark.parametrize("recording", ESTABLISHED)
def test_bfd_in_every_release(recording: str) -> None:
    short = {Bfd("192.0.2.1", "up", 300, None, 900), Bfd("192.0.2.77", "down", 1000, None, None)}
    assert set(parse_bfd(text(recording, "bfd"))) == short
    if "2.0.12" not in recording:
        full = {Bfd("192.0.2.1", "up", 300, 3, 900), Bfd("192.0.2.77", "down", 1000, 3, None)}
        assert set(parse_bfd(text(recording, "bfd-all"))) == full


def test_failing_sessions() -> None:
    found = sessions("bird-2.17.5-failing")
    assert {name: (each.state, each.last_error) for name, each in found.items()} == {
        "dsr_r1_ipv4": ("disabled", None),
        "dsr_r1_ipv6": ("idle", "Received: Bad peer AS"),
        "refused_one": ("active", "Socket: Connection refused"),
        "nobody": ("active", "Socket: No route to host"),
        "off": ("disabled", None),
    }
    assert {each.prefixes_sent for each in found.values()} == {0}
    assert sessions("bird-3.1.7-failing")["dsr_r1_ipv4"].state == "connect"


def test_a_range_of_neighbors_is_no_session() -> None:
    assert "Neighbor range:   192.0.2.64/26" in text("bird-2.17.5-failing", "protocols")
    assert "dyn" not in sessions("bird-2.17.5-failing")


def test_graceful_restart_takes_two() -> None:
    assert sessions("bird-3.1.7-restart")["dsr_r1_ipv6"].graceful_restart == {"local": True, "neighbor": True}
    assert sessions("bird-3.1.7-restart")["dsr_r1_ipv4"].graceful_restart == {"local": False, "neighbor": False}
    off = sessions("bird-2.17.5-restart")["dsr_r1_ipv4"]
    assert "Restart time: 120" in text("bird-2.17.5-restart", "protocols")
    assert off.graceful_restart == {"local": False, "neighbor": False}


@pytest.mark.parametrize(
    ("moment", "uptime"),
    [
        ("16:38:00.000", 4),
        ("16:38:00", 4),
        ("22:00:00.000", 67_084),
        ("2026-11-20", 146_284),
        ("2026-11-21", 72_000),
        ("2026-11-21 16:38:04.500", 86_400),
        ("2026-99-99", None),
        ("yesterday", None),
    ],
)
def test_uptime(moment: str, uptime: int | None) -> None:
    assert since(moment) == uptime


def test_no_uptime_without_a_clock() -> None:
    assert since("16:38:00.000", "noon") is None
    assert parse_clock("BIRD 2.17.5 ready.\n") is None
    assert parse_clock("Current server time is 2026-11-22 16:38:04.100\n") == datetime(2026, 11, 22, 16, 38, 4)


def test_link_local_neighbors_keep_their_interface() -> None:
    line = "fe80::1                   eth0       Up         2026-11-22      0.300    0.900\n"
    assert parse_bfd(line) == [Bfd("fe80::1%eth0", "up", 300, None, 900)]
    block = "  Address:              fe80::1\n  Interface:            eth0\n  Session state:        AdminDown\n"
    assert parse_bfd(block) == [Bfd("fe80::1%eth0", "admin_down")]


def test_only_host_routes_count_as_vips() -> None:
    lines = ["203.0.113.0/24 blackhole [x 1] * (200)", "\tBGP.community: (65535,0)", "203.0.113.7/32 unicast [y 1]"]
    assert parse_exports("\n".join(lines)) == [Export("203.0.113.7")]
