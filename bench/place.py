# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a benchmark runs inside the guest: network namespaces of its own, all gone in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "dsr-bench-"
HANDLES: Final = Path("/run/netns")
PYTHON: Final = "/usr/bin/python3"
NSENTER: Final = "/usr/bin/nsenter"
"""By its path, so that it is not taken for a command of the module whose commands are counted."""


class BenchmarkError(Exception):
    """The benchmark could not be run; says what failed."""


class Place:
    """Namespaces and commands of one run. folder: what was shipped, and room for files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = f"{PREFIX}{os.getpid()}-"
        self._loaded: list[str] = []

    def namespace(self, name: str) -> str:
        """A new network namespace with `lo` up; its full name."""
        full = self._prefix + name
        self.run(["ip", "netns", "add", full])
        self.run(["ip", "-n", full, "link", "set", "lo", "up"])
        return full

    def drop(self, namespace: str) -> None:
        """Empty its IPVS table, end its processes and delete it."""
        drop(namespace)

    def load(self, *modules: str) -> None:
        """Load kernel modules; those that were not there go again in the end."""
        loaded = {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}
        for module in modules:
            if module not in loaded:
                self.run(["modprobe", module])
                self._loaded.append(module)

    def run(
        self,
        argv: Sequence[str],
        namespace: str | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Output of a command; BenchmarkError if it fails."""
        done = subprocess.run(
            _inside(namespace, argv), input=stdin, capture_output=True, text=True, env=env, check=False
        )
        if done.returncode != 0:
            raise BenchmarkError(f"'{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout

    def timed(self, argv: Sequence[str], namespace: str, stdin: str = "") -> float:
        """Seconds that a command takes, its output read; BenchmarkError if it fails."""
        begin = time.perf_counter()
        self.run(argv, namespace, stdin)
        return time.perf_counter() - begin

    def background(self, argv: Sequence[str], namespace: str) -> subprocess.Popen[str]:
        """A process that lives in the namespace, fed and read line by line; ended with the namespace."""
        pipe = subprocess.PIPE
        return subprocess.Popen(_inside(namespace, argv), stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def module(
        self, payload: str, namespace: str, env: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], float]:
        """Run a shipped module as Ansible does with pipelining, its payload on Python's input: result and seconds."""
        with (self.folder / f"{payload}.payload").open("rb") as program:
            begin = time.perf_counter()
            done = subprocess.run(
                _inside(namespace, [PYTHON]), stdin=program, capture_output=True, text=True, env=env, check=False
            )
            seconds = time.perf_counter() - begin
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            result = {"failed": True, "msg": (done.stderr or done.stdout)[-500:]}
        if done.returncode != 0 or result.get("failed"):
            raise BenchmarkError(f"the module of payload {payload} failed: {result.get('msg')}")
        return result, seconds

    def link(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """Join two namespaces by a pair of devices, each end given as (namespace, device), both up."""
        line = f"link add {one[1]} netns {one[0]} type veth peer name {other[1]} netns {other[0]}"
        self.run(["ip", *line.split()])
        for namespace, device in (one, other):
            self.run(["ip", "-n", namespace, "link", "set", device, "up"])

    def receive_on(self, namespace: str, device: str, processor: int) -> None:
        """Let one processor do the work for what comes in by a device; nothing where there is only one."""
        if (os.cpu_count() or 1) > 1:
            # `ip netns exec`, unlike nsenter, shows the namespace's own /sys.
            line = f"echo {1 << processor} >/sys/class/net/{device}/queues/rx-0/rps_cpus"
            self.run(["ip", "netns", "exec", namespace, "sh", "-c", line])

    def close(self) -> None:
        """Delete all namespaces of this run and unload what it loaded."""
        for namespace in namespaces(self._prefix):
            drop(namespace)
        for module in reversed(self._loaded):
            subprocess.run(["modprobe", "-r", module], capture_output=True, check=False)


@dataclass(frozen=True)
class Traffic:
    """Counters of a device."""

    received_bytes: int
    received: int
    sent_bytes: int
    sent: int


def traffic(process: subprocess.Popen[str], device: str) -> Traffic:
    """Counters of a device in the namespace where a process lives; cheap enough to be asked while packets flow."""
    for line in Path(f"/proc/{process.pid}/net/dev").read_text().splitlines():
        name, _colon, counters = line.partition(":")
        if name.strip() == device:
            words = [int(word) for word in counters.split()]
            return Traffic(words[0], words[1], words[8], words[9])
    raise BenchmarkError(f"there is no device {device}")


def namespaces(prefix: str = PREFIX) -> list[str]:
    return sorted(path.name for path in HANDLES.glob(f"{prefix}*"))


def drop(namespace: str) -> None:
    """End the processes in a namespace and delete it; no error if it is gone."""
    for _try in range(50):
        listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        pids = [int(word) for word in listed.stdout.split()]
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    # Emptied first: what is left to the kernel's own clean-up would go on in the background of the next measurement.
    subprocess.run(_inside(namespace, ["ipvsadm", "-C"]), capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def sweep() -> None:
    """Remove what runs left behind that had no chance to do so themselves (SIGKILL)."""
    for namespace in namespaces():
        pid = namespace[len(PREFIX) :].split("-", 1)[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            drop(namespace)
    for folder in Path("/tmp").glob("dsr-bench.*"):
        pid = folder.suffix[1:]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _inside(namespace: str | None, argv: Sequence[str]) -> list[str]:
    return [*([NSENTER, f"--net={HANDLES / namespace}", "--"] if namespace else []), *argv]
