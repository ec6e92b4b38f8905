# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and configuration for reaching the machines, and running commands on them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from virtual_dc import cache
from virtual_dc.errors import LabError
from virtual_dc.topology import machines


def make_key(image: Path) -> None:
    """A key pair that opens the machines of this image and nothing else."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dsrlab", "-f", str(image / "key")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def configuration() -> Path:
    """Path of the ssh configuration that names every machine; exists while the lab is up."""
    return cache.running() / "ssh_config"


def write_configuration(image: Path) -> None:
    """Let `ssh -F` (and Ansible, and testinfra) reach each machine by its name."""
    run = cache.running()
    host_key = " ".join((image / "host_key.pub").read_text().split()[:2])
    (run / "known_hosts").write_text(f"dsrlab {host_key}\n")
    common = (
        "Host *\n  User root\n  HostName 127.0.0.1\n  HostKeyAlias dsrlab\n"
        f"  UserKnownHostsFile {run}/known_hosts\n  StrictHostKeyChecking yes\n"
        f"  IdentityFile {image}/key\n  IdentitiesOnly yes\n  LogLevel ERROR\n"
        f"  ControlMaster auto\n  ControlPath {run}/ssh-%C\n  ControlPersist 300\n"
    )
    hosts = "".join(f"Host {machine.name}\n  Port {machine.port}\n" for machine in machines())
    configuration().write_text(hosts + common)


def command(name: str, *options: str) -> list[str]:
    return ["ssh", "-F", str(configuration()), *options, name]


def run(name: str, argv: str, stdin: bytes = b"", stream: bool = False) -> str:
    """Run a shell line on a machine; its output, or LabError with what it said."""
    done = subprocess.run(
        [*command(name, "-o", "BatchMode=yes"), argv],
        input=stdin,
        stdout=None if stream else subprocess.PIPE,
        stderr=subprocess.STDOUT if not stream else None,
        check=False,
    )
    text = (done.stdout or b"").decode(errors="replace")
    if done.returncode != 0:
        raise LabError(f"'{argv}' on {name} failed: {text.strip() or f'exit status {done.returncode}'}")
    return text


def wait_for(names: Sequence[str], timeout: float, check: Callable[[], None]) -> None:
    """Wait until each named machine answers; check is called before each try and raises if waiting is in vain."""
    end = time.monotonic() + timeout
    for name in names:
        trial = [*command(name, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"), "true"]
        while subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode != 0:
            check()
            if time.monotonic() > end:
                console = cache.running() / "console.log"
                raise LabError(f"{name} did not answer on ssh within {timeout:.0f} s; see {console}")
            time.sleep(1)


def hang_up(*names: str) -> None:
    """Close shared connections, which would not survive a snapshot or a power cut; those of all machines if none is
    named."""
    for name in names or [machine.name for machine in machines()]:
        subprocess.run(command(name, "-O", "exit"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
