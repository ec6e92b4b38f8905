# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_dc import cache, lab, qemu, ssh
from virtual_dc.errors import LabError
from virtual_dc.topology import machines

Sleeper = Callable[..., subprocess.Popen[bytes]]


def test_taken_port_is_told_with_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [machine.name for machine in machines()]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("DSRLAB_PORT", str(port - names.index("n1")))
        monkeypatch.setattr(qemu, "machines", lambda: [machine for machine in machines() if machine.name == "n1"])
        with pytest.raises(LabError) as caught:
            qemu.check_ports()
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 (ssh to n1) is taken: "
        "stop what listens there, or set DSRLAB_PORT to the first of a free range"
    )
    qemu.check_ports()


def test_no_guest_without_a_pid_file() -> None:
    assert qemu.pid() is None
    assert qemu.stop() is False


@pytest.mark.parametrize("content", ["", "\n", "qemu", "-", "99999999"])
def test_scrap_in_the_pid_file_is_no_guest(content: str) -> None:
    (cache.running() / "qemu.pid").write_text(content)
    assert qemu.pid() is None


def test_number_of_a_process_that_ended_is_no_guest() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "", str(cache.running() / "monitor")])
    ended.wait()
    (cache.running() / "qemu.pid").write_text(f"{ended.pid}\n")
    assert qemu.pid() is None


def test_foreign_process_with_the_same_number_is_left_alone(process: Sleeper) -> None:
    foreign = process("/another/lab/run/monitor")
    (cache.running() / "qemu.pid").write_text(f"{foreign.pid}\n")
    assert qemu.pid() is None
    assert qemu.stop() is False
    os.kill(foreign.pid, 0)
    assert foreign.poll() is None


def test_guest_is_known_by_its_monitor_and_stopped(process: Sleeper) -> None:
    guest = process(f"unix:{cache.running() / 'monitor'},server=on,wait=off")
    (cache.running() / "qemu.pid").write_text(f"{guest.pid}\n")
    assert qemu.pid() == guest.pid
    assert qemu.stop() is True
    assert guest.wait(timeout=5) != 0
    assert list(cache.running().iterdir()) == []


@pytest.mark.parametrize(
    ("consoles", "boots", "ends_well"),
    [
        (["Kernel panic - not syncing", "Kernel panic - not syncing", "login:"], 3, True),
        (["Kernel panic - not syncing"] * 4, 3, False),
        (["no space left on device", "login:"], 1, False),
    ],
    ids=["twice", "always", "another reason"],
)
def test_guest_whose_kernel_panics_boots_again(
    monkeypatch: pytest.MonkeyPatch, home: Path, consoles: list[str], boots: int, ends_well: bool
) -> None:
    left = list(consoles)

    def boot(*_arguments: object) -> None:
        console = left.pop(0)
        (cache.running() / "console.log").write_text(console)
        if console != "login:":
            raise LabError("the guest died while starting")

    monkeypatch.setattr(lab, "_first_boot", boot)
    monkeypatch.setattr(ssh, "hang_up", lambda: None)
    with contextlib.nullcontext() if ends_well else pytest.raises(LabError, match="died while starting"):
        lab._boot(home, home, "tcg")
    assert len(consoles) - len(left) == boots
