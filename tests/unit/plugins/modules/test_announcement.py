# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, against a birdc of sh that keeps what it was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import Watch
from ansible_collections.baremetal.dsr.plugins.modules import announcement

BIRDC = """#!/bin/sh
# birdc -s SOCKET configure | show route | show protocols all; the folder of the socket is the daemon's whole world
home=$(dirname "$2")
[ -e "$2" ] || { echo "Unable to connect to server control socket ($2): No such file or directory" >&2; exit 1; }
case "$3 $4" in
"show protocols") cat "$home/sessions" ;;
configure*) cp "$home/vips.conf" "$home/held" && echo configured >> "$home/log" ;;
show*) sed -n 's/^.route \\([^ ]*\\) blackhole;/\\1 blackhole [dsr_vip4 12:00:00.000] * (200)/p' "$home/held" ;;
esac
"""

PLACES = {"path": "vips.conf", "socket": "bird.ctl", "drained": "drained", "config": "bird.conf"}

SESSION = """{name} BGP --- start 12:00:00.000 {state}
  Description: r1
  BGP state: {state}
    Neighbor address: 192.0.2.1
    Last error: Socket: Connection refused
  Channel ipv{version}
    State: DOWN
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    birdc = tmp_path / "bin" / "birdc"
    birdc.parent.mkdir()
    birdc.write_text(BIRDC, encoding="utf-8")
    birdc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{birdc.parent}:/usr/bin:/bin")
    for name in ("held", "log", "bird.ctl"):
        (tmp_path / name).touch()
    sessions(tmp_path, a4="Established", a6="Established")
    return tmp_path


def sessions(node: Path, **states: str) -> None:
    """What BIRD shows: sessions by name, which ends with the IP version."""
    texts = [SESSION.format(name=name, state=state, version=name[-1]) for name, state in states.items()]
    (node / "sessions").write_text("".join(texts), encoding="utf-8")


def run(node: Path, capsys: pytest.CaptureFixture[str], check: bool = False, **options: object) -> dict[str, Any]:
    places = {name: str(node / file) for name, file in PLACES.items()}
    with patch_module_args({**places, **options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        announcement.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_announce_withdraw_and_again(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["203.0.113.1", "2001:db8:f::1"]
    assert run(node, capsys, vips=both)["added"] == both
    assert run(node, capsys, vips=both)["changed"] is False
    withdrawn = run(node, capsys, vips=["203.0.113.1", "203.0.113.2"], state="withdraw_only")
    assert (withdrawn["vips"], withdrawn["removed"]) == (["203.0.113.1"], ["2001:db8:f::1"])
    assert (node / "log").read_text(encoding="utf-8").count("configured") == 2


def test_check_mode_writes_nothing_and_predicts(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predicted = run(node, capsys, check=True, vips=["203.0.113.1"])
    assert not (node / "vips.conf").exists()
    done = run(node, capsys, vips=["203.0.113.1"])
    assert {key: done[key] for key in ("changed", "vips", "added", "removed", "diff")} == {
        key: predicted[key] for key in ("changed", "vips", "added", "removed", "diff")
    }
    assert (node / "vips.conf").read_text(encoding="utf-8") == done["diff"]["after"]


def test_drained_node_announces_nothing_until_it_is_undrained(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(node, capsys, vips=["203.0.113.1"])["drained"] is False
    (node / "drained").touch()
    for check in (True, False):
        done = run(node, capsys, check=check, vips=["203.0.113.1"])
        assert (done["drained"], done["vips"], done["removed"]) == (True, [], ["203.0.113.1"])
    assert run(node, capsys, vips=["203.0.113.1"])["changed"] is False
    (node / "drained").unlink()
    assert run(node, capsys, vips=["203.0.113.1"])["added"] == ["203.0.113.1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vips": ["203.0.113.1/32"]}, "'203.0.113.1/32' is not an IP address"),
        ({"vips": ["203.0.113.1"], "state": "absent"}, "value of state must be one of: present, withdraw_only"),
        ({}, "missing required arguments: vips"),
    ],
)
def test_bad_input(node: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], message: str) -> None:
    told = run(node, capsys, **options)
    assert told["failed"] is True
    assert message in told["msg"]
    assert not (node / "vips.conf").exists()


def test_bird_that_does_not_run(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (node / "bird.ctl").unlink()
    told = run(node, capsys, vips=["203.0.113.1"])
    assert told["failed"] is True
    assert "Apply the role baremetal.dsr.speaker first" in told["msg"]


def pauses(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]) -> None:
    """What happens while the module waits for sessions."""
    monkeypatch.setattr(announcement, "Watch", lambda runner, bird: Watch(runner, bird, pause=pause))


VIP4, VIP6 = "203.0.113.1", "2001:db8:f::1"


def test_sessions_that_are_up_are_not_waited_for(
    node: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses(monkeypatch, lambda _seconds: pytest.fail("it waited"))
    assert run(node, capsys, vips=[VIP4, VIP6])["sessions_down"] == []


@pytest.mark.parametrize(
    ("vips", "states", "family"),
    [
        ([VIP4], {"a4": "Active", "a6": "Established"}, "IPv4"),
        ([VIP4, VIP6], {"a4": "Established", "b4": "Established", "a6": "Active"}, "IPv6"),
        ([VIP4, VIP6], {"a4": "Active", "a6": "Active"}, "IPv4 and IPv6"),
    ],
)
def test_vips_that_no_session_carries(
    node: Path, capsys: pytest.CaptureFixture[str], vips: list[str], states: dict[str, str], family: str
) -> None:
    sessions(node, **states)
    told = run(node, capsys, vips=vips, wait=0)
    assert told["failed"] is True
    assert f"none is up that carries {family}, so" in told["msg"]
    assert "to router r1 (192.0.2.1): the router refuses the connection" in told["msg"]


def test_session_that_is_down_beside_others(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sessions(node, a4="Established", b4="Active")
    told = run(node, capsys, vips=[VIP4], wait=0)
    (said,) = told["sessions_down"]
    assert "BGP session b4 to router r1" in said
    assert said in json.dumps(told["warnings"])


def test_session_that_comes_up_in_time(
    node: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions(node, a4="Connect")
    pauses(monkeypatch, lambda _seconds: sessions(node, a4="Established"))
    assert run(node, capsys, vips=[VIP4])["sessions_down"] == []


def test_who_announces_nothing_does_not_look(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(node, capsys, vips=[VIP4])
    sessions(node, a4="Active")
    assert "failed" not in run(node, capsys, vips=[VIP4], state="withdraw_only")
    assert "failed" not in run(node, capsys, vips=[VIP4], check=True)
    (node / "drained").touch()
    assert "failed" not in run(node, capsys, vips=[VIP4])


def test_family_without_any_session_is_a_warning(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sessions(node, a4="Established")
    assert "IPv6 session" in run(node, capsys, vips=[VIP4, VIP6])["sessions_down"][0]
