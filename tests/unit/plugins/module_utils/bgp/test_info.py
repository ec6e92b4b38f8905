# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which daemon is asked, through which socket, with which configuration file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp import info as module
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.recordings import SOCKET, Recorded

CONFIG = 'protocol bgp dsr_r1_ipv4 { password "x"; }\n'


class Machine(Recorded):
    """A machine with these sockets; `used` is the one that BIRD was asked through."""

    used = ""

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        if argv[0] == "birdc":
            self.used = Path(argv[3]).name
            argv = [*argv[:3], SOCKET, *argv[4:]]
        return super().run(argv, stdin, writes=writes)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "SPEAKER_SOCKET", str(tmp_path / "speaker.ctl"))
    monkeypatch.setattr(module, "BIRD_SOCKET", str(tmp_path / "bird.ctl"))
    monkeypatch.setattr(module, "_CONFIGS", {str(tmp_path / "speaker.ctl"): str(tmp_path / "speaker.conf")})
    (tmp_path / "speaker.conf").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def info(machine: Machine, **options: Any) -> dict[str, Any]:
    defaults = {"provider": "auto", "socket": None, "config": None, "vips": [], "pools": []}
    return module.info(machine, **{**defaults, **options})


def bird(*lacks: str) -> Machine:
    return Machine("bird-2.17.5-established", lacks=lacks)


def test_a_node_with_the_speaker(home: Path) -> None:
    (home / "speaker.ctl").touch()
    (home / "bird.ctl").touch()
    machine = bird()
    told = info(machine)
    assert (told["provider"], machine.used) == ("bird", "speaker.ctl")
    assert told["sessions"][0]["password"] is True
    assert told["routes"] == []


def test_a_router_with_frr(home: Path) -> None:
    assert info(Machine("frr-10.3-established"))["provider"] == "frr"
    (home / "speaker.ctl").touch()
    assert info(Machine("frr-10.3-established"), provider="frr")["provider"] == "frr"


def test_a_router_with_bird(home: Path) -> None:
    (home / "bird.ctl").touch()
    machine = bird("vtysh")
    told = info(machine)
    assert (told["provider"], machine.used) == ("bird", "bird.ctl")
    assert told["sessions"][0]["password"] is None


def test_a_router_with_both_of_which_bird_runs(home: Path) -> None:
    (home / "bird.ctl").touch()
    silent = {"show bgp neighbors json": Result(1, "", "failed to connect to any daemons.\n")}
    machine = Machine("bird-2.17.5-established", silent)
    assert (info(machine)["provider"], machine.used) == ("bird", "bird.ctl")
    zebra_only = {"show bgp neighbors json": Result(0, "bgpd is not running\n", "")}
    assert info(Machine("bird-2.17.5-established", zebra_only))["provider"] == "bird"


@pytest.mark.usefixtures("home")
def test_both_are_there_and_none_runs() -> None:
    ended = {
        "show bgp neighbors json": Result(1, "", "failed to connect to any daemons.\n"),
        "show status": Result(1, "", "Unable to connect to server control socket: No such file or directory\n"),
    }
    with pytest.raises(DsrError, match="^FRR: no daemon answers vtysh"):
        info(Machine("bird-2.17.5-established", ended))


def test_the_speaker_that_does_not_run_is_still_the_one_that_is_meant(home: Path) -> None:
    machine = bird("vtysh")
    info(machine)
    assert machine.used == "speaker.ctl"


def test_another_socket_and_its_file(home: Path) -> None:
    machine = bird()
    assert info(machine, socket=str(home / "other.ctl"))["sessions"][0]["password"] is None
    assert machine.used == "other.ctl"
    told = info(machine, socket=str(home / "other.ctl"), config=str(home / "speaker.conf"))
    assert told["sessions"][0]["password"] is True


def test_a_file_that_was_named_must_be_there(home: Path) -> None:
    with pytest.raises(DsrError, match="cannot be read: No such file or directory"):
        info(bird(), config=str(home / "gone.conf"))
    (home / "speaker.conf").unlink()
    assert info(bird(), socket=str(home / "speaker.ctl"))["sessions"][0]["password"] is None


@pytest.mark.usefixtures("home")
def test_no_daemon_at_all() -> None:
    with pytest.raises(DsrError, match="neither birdc nor vtysh is found. Apply the role"):
        info(bird("birdc", "vtysh"))


@pytest.mark.usefixtures("home")
def test_a_socket_is_nothing_for_frr() -> None:
    with pytest.raises(DsrError, match="provider is frr"):
        info(Machine("frr-10.3-established"), provider="frr", socket=SOCKET)
