# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU process: which accelerator works, start, stop, and its monitor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from virtual_dc import cache
from virtual_dc.errors import LabError
from virtual_dc.topology import machines

QEMU = "qemu-system-x86_64"
COMMANDS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}
MEMORY_MIB = 4096
PROCESSORS = 2
KERNEL_LINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off quiet panic=-1"
MACHINE = {
    "kvm": ["-machine", "q35,accel=kvm", "-cpu", "host"],
    # Nehalem, because emulating the vector units of newer models makes Python start slower.
    "tcg": ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem"],
}


def accelerator(image: Path) -> tuple[str, str]:
    """("kvm" or "tcg", why): KVM only where a kernel has really been seen to start under it."""
    flags = Path("/proc/cpuinfo").read_text()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm is missing or may not be used"
    if " vmx" not in flags and " svm" not in flags:
        return "tcg", "/dev/kvm exists, but the processor shows neither vmx nor svm"
    trial = [QEMU, *MACHINE["kvm"], "-m", "512", "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"]
    trial += ["-kernel", str(image / "vmlinuz"), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "tcg", "a kernel did not start under /dev/kvm within 20 s"
    if b"Linux version" not in done.stdout:
        return "tcg", "QEMU could not start a kernel under /dev/kvm"
    return "kvm", "hardware virtualisation works"


def version() -> str:
    done = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def pid() -> int | None:
    """Process number of the running guest, or None; a number left behind by a crash is not believed."""
    try:
        number = int((cache.running() / "qemu.pid").read_text())
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if str(_monitor()).encode() in b" ".join(words) else None


def check_ports() -> None:
    """LabError if one of the forwarded ports is taken."""
    for machine in machines():
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", machine.port))
            except OSError:
                raise LabError(
                    f"port {machine.port} on 127.0.0.1 (ssh to {machine.name}) is taken: "
                    "stop what listens there, or set DSRLAB_PORT to the first of a free range"
                ) from None


def start(image: Path, disk: Path, accel: str, snapshot: str | None = None) -> None:
    """Start the guest from disk, or from a snapshot in it, in the background."""
    check_ports()
    run = cache.running()
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{m.port}-{m.management}:22" for m in machines())
    # A kernel that panics ends the guest, so that nobody waits for it.
    argv = [QEMU, *MACHINE[accel], "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB), "-nodefaults", "-nographic"]
    argv += ["-no-reboot"]
    argv += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", KERNEL_LINE]
    argv += ["-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe"]
    argv += ["-drive", f"file={image / 'root.ext4'},if=virtio,format=raw,readonly=on"]
    argv += ["-netdev", f"user,id=mgmt,ipv6=off,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=mgmt"]
    argv += ["-device", "virtio-rng-pci", "-serial", f"file:{run / 'console.log'}"]
    argv += ["-qmp", f"unix:{_monitor()},server=on,wait=off", "-daemonize", "-pidfile", str(run / "qemu.pid")]
    argv += ["-loadvm", snapshot] if snapshot else []
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"QEMU did not start: {done.stderr.strip()}")


def stop() -> bool:
    """End the guest; True if there was one."""
    number = pid()
    if number is None:
        return False
    for sign in (signal.SIGTERM, signal.SIGKILL):
        os.kill(number, sign)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if pid() is None:
                break
            time.sleep(0.1)
        else:
            continue
        break
    (cache.running() / "qemu.pid").unlink(missing_ok=True)
    _monitor().unlink(missing_ok=True)
    return True


def panicked() -> bool:
    """Whether the guest that was started last ended by a panic of its kernel."""
    console = cache.running() / "console.log"
    return pid() is None and console.exists() and "Kernel panic" in console.read_text(errors="replace")


def save(name: str) -> None:
    """Keep memory, devices and disk as they are now under this name, inside the disk."""
    said = _ask("human-monitor-command", {"command-line": f"savevm {name}"})
    if said:
        raise LabError(f"QEMU did not save the snapshot: {said.strip()}")


def has_snapshot(disk: Path, name: str) -> bool:
    argv = ["qemu-img", "snapshot", "-l", str(disk)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return any(name in line.split() for line in done.stdout.splitlines())


def new_disk(disk: Path, image: Path) -> None:
    """An empty layer over the image."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image / "root.ext4"), str(disk)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def _monitor() -> Path:
    return cache.running() / "monitor"


def _ask(command: str, arguments: dict[str, str]) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(_monitor()))
        stream = connection.makefile("rw")
        stream.readline()
        for name, values in (("qmp_capabilities", {}), (command, arguments)):
            stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
            stream.flush()
            answer: dict[str, object] = {}
            while "return" not in answer and "error" not in answer:
                answer = json.loads(stream.readline())
            if "error" in answer:
                raise LabError(f"QEMU refused '{name}': {answer['error']}")
        return str(answer["return"] or "")
