# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from virtual_dc import ssh
from virtual_dc.topology import machines


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "host_key.pub").write_text("ssh-ed25519 AAAAC3Nz root@guest\n")
    return folder


def options(text: str, name: str) -> dict[str, str]:
    """What ssh would take for this host: of each option, the first that a matching block has."""
    found: dict[str, str] = {}
    matching = False
    for line in text.splitlines():
        key, _space, value = line.strip().partition(" ")
        if key == "Host":
            matching = value in (name, "*")
        elif matching:
            found.setdefault(key, value)
    return found


def test_every_machine_is_reached_by_its_name(image: Path, home: Path) -> None:
    ssh.write_configuration(image)
    assert ssh.configuration() == home / "run" / "ssh_config"
    text = ssh.configuration().read_text()
    for machine in machines():
        found = options(text, machine.name)
        assert (found["HostName"], found["Port"], found["User"]) == ("127.0.0.1", str(machine.port), "root")
        assert (found["IdentityFile"], found["IdentitiesOnly"]) == (f"{image}/key", "yes")


def test_host_key_is_checked_against_the_one_of_the_image(image: Path, home: Path) -> None:
    ssh.write_configuration(image)
    found = options(ssh.configuration().read_text(), "n1")
    assert (found["StrictHostKeyChecking"], found["HostKeyAlias"]) == ("yes", "dsrlab")
    assert Path(found["UserKnownHostsFile"]).read_text() == "dsrlab ssh-ed25519 AAAAC3Nz\n"


def test_another_name_has_no_port_of_the_lab(image: Path) -> None:
    ssh.write_configuration(image)
    assert "Port" not in options(ssh.configuration().read_text(), "n9")


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here to ask")
def test_ssh_itself_reads_it_so(image: Path) -> None:
    ssh.write_configuration(image)
    for machine in machines():
        said = subprocess.run([*ssh.command(machine.name), "-G"], capture_output=True, text=True, check=True).stdout
        assert {f"port {machine.port}", "hostname 127.0.0.1", f"identityfile {image}/key"} <= set(said.splitlines())
