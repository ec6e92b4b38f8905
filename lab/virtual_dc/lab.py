# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs of dsrlab do: bring the data centre up, put it back, take it down."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

from virtual_dc import cache, image, qemu, ssh
from virtual_dc.errors import LabError
from virtual_dc.progress import say, step
from virtual_dc.topology import LAB, TOPOLOGY, machines

PRISTINE = "pristine"
PUSHED = ("machines.py", "machine@.service", "module_bytecode.py")
BOOTS = 3
PATIENCE = {"kvm": 60.0, "tcg": 240.0}


def up() -> None:
    """Bring the lab up: nothing if it runs, seconds from a snapshot, minutes from nothing."""
    with cache.lock():
        if qemu.pid() and _ready().exists():
            say("The lab is up already.")
            return
        _stop()
        _start()


def reset() -> None:
    """Back to the moment after the first boot."""
    with cache.lock():
        _stop()
        _start()


def down() -> None:
    """Take the lab down; no process and no interface stays behind."""
    with cache.lock():
        say("The lab is down." if _stop() else "The lab was not up.")


def clean() -> None:
    """Take the lab down and forget everything that was built; what else is in the folder stays."""
    with cache.lock():
        _stop()
        for pattern in ("image-*", "disk-*", "run"):
            cache.forget_others(pattern, keep=None)
    say(f"Nothing of the lab is left in {cache.home()}.")


def require_running() -> int:
    """Process number of the guest, or LabError."""
    number = qemu.pid()
    if number is None:
        raise LabError("the lab is not up: run 'lab/dsrlab up'")
    return number


def status() -> bool:
    """Print what runs and where; False if anything that should answer does not."""
    number = qemu.pid()
    say(f"cache      {cache.home()}  {cache.used_bytes() / 1024**3:.1f} GiB")
    if number is None:
        say("guest      down")
        return False
    accel = (cache.running() / "accelerator").read_text().strip()
    say(f"guest      up, process {number}, {qemu.MEMORY_MIB} MiB, {accel}")
    well = True
    for machine in machines():
        try:
            since = ssh.run(machine.name, "uptime -p").strip()
        except LabError:
            since, well = "DOES NOT ANSWER", False
        say(f"{machine.name:<10} {machine.management:<12} 127.0.0.1:{machine.port}  {since}")
    return well


def _stop() -> bool:
    if ssh.configuration().exists():
        ssh.hang_up()
    _ready().unlink(missing_ok=True)
    stopped = qemu.stop()
    ssh.configuration().unlink(missing_ok=True)
    return stopped


def _start() -> None:
    image.require_commands(qemu.COMMANDS)
    qemu.check_ports()
    built = image.ensure()
    accel, why = qemu.accelerator(built)
    say(f"Accelerator: {'KVM' if accel == 'kvm' else 'none, software emulation'} ({why}).")
    (cache.running() / "accelerator").write_text(f"{accel}: {why}\n")
    ssh.write_configuration(built)
    disk = cache.home() / f"disk-{_disk_key(built, accel)}.qcow2"
    try:
        if disk.exists() and qemu.has_snapshot(disk, PRISTINE):
            with step("Restoring the snapshot"):
                qemu.start(built, disk, accel, PRISTINE)
                _wait(["guest"], accel)
                _set_clock()
        else:
            _boot(built, disk, accel)
        with step("Waiting for every machine to answer"):
            _wait([machine.name for machine in machines()], accel)
        _ready().touch()
    except BaseException:
        _stop()
        raise


def _ready() -> Path:
    """Exists while the lab is up as a whole; a guest without it was left behind by a dsrlab that was killed."""
    return cache.running() / "ready"


def _disk_key(built: Path, accel: str) -> str:
    pushed = [LAB / "guest" / name for name in PUSHED]
    return cache.key_of([built.name, accel, qemu.version(), Path(qemu.__file__), TOPOLOGY, *pushed])


def _boot(built: Path, disk: Path, accel: str) -> None:
    """The first boot, and another where the kernel panicked.

    Without KVM it was seen to do so once, at the trap by which it patches its own running code.
    """
    for left in reversed(range(BOOTS)):
        try:
            return _first_boot(built, disk, accel)
        except LabError:
            if left == 0 or not qemu.panicked():
                raise
            say(f"The guest's kernel panicked, see {cache.running() / 'console.log'}. It is booted again.")
            ssh.hang_up()


def _first_boot(built: Path, disk: Path, accel: str) -> None:
    cache.check_space()
    cache.forget_others("disk-*", keep=disk)
    unfinished = disk.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    qemu.new_disk(unfinished, built)
    with step("Booting the guest"):
        qemu.start(built, unfinished, accel)
        _wait(["guest"], accel)
        _set_clock()
    with step("Booting the machines and their pods"):
        ssh.run("guest", "tar -C /opt/dsrlab -xf -", _guest_files())
        ssh.run("guest", "python3 /opt/dsrlab/machines.py boot")
        _wait([machine.name for machine in machines()], accel)
    with step("Saving the snapshot"):
        ssh.hang_up()
        qemu.save(PRISTINE)
    unfinished.rename(disk)


def _wait(names: list[str], accel: str) -> None:
    def check() -> None:
        if qemu.pid() is None:
            raise LabError(f"the guest died while starting; see {cache.running() / 'console.log'}")

    ssh.wait_for(names, PATIENCE[accel], check)


def _set_clock() -> None:
    """A restored guest believes that it is the time of its snapshot."""
    ssh.run("guest", f"date -s @{time.time():.0f}")


def _guest_files() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in (TOPOLOGY, *(LAB / "guest" / name for name in PUSHED)):
            tar.add(path, path.name)
    return buffer.getvalue()
