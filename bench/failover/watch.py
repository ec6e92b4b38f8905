# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's ends of flows.py and fib.py."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from virtual_dc import ssh

from bench.failover.fabric import GUEST
from bench.place import BenchmarkError

HERE = Path(__file__).resolve().parent

Hops = Mapping[str, Sequence[str]]


@dataclass
class Fib:
    """What the kernel of a router sent to whom: at the beginning, and from each change on, in the order of time."""

    first: Hops
    changes: list[tuple[float, Hops]] = field(default_factory=list)

    def left(self, gateways: Collection[str], since: float) -> float | None:
        """Seconds from `since` until no VIP was sent to these gateways any more; None if that did not come."""
        return self._until(since, lambda hops: not any(_reached(hops, gateways)))

    def returned(self, gateways: Collection[str], since: float) -> float | None:
        """Seconds from `since` until, after they had left, every VIP was sent to them again; None if it did not come.

        0 if no VIP has stopped going there.
        """
        after = self.since(since)
        if all(all(_reached(hops, gateways)) for hops in [self._at(since), *(hops for _at, hops in after)]):
            return 0.0
        last = next((at for at, hops in reversed(after) if not all(_reached(hops, gateways))), since)
        return self._until(last, lambda hops: all(_reached(hops, gateways)), since)

    def _until(self, start: float, condition: Any, zero: float | None = None) -> float | None:
        found = next((at for at, hops in self.since(start) if condition(hops)), None)
        return None if found is None else round(found - (start if zero is None else zero), 2)

    def whole(self, gateways: Collection[str]) -> bool:
        """Whether every VIP is sent to one of these gateways now."""
        return all(_reached(([self.first] + [hops for _at, hops in self.changes])[-1], gateways))

    def since(self, since: float) -> list[tuple[float, Hops]]:
        """The changes from a point in time on."""
        return [(at, hops) for at, hops in self.changes if at >= since]

    def _at(self, time: float) -> Hops:
        return ([self.first] + [hops for at, hops in self.changes if at < time])[-1]


def _reached(hops: Hops, gateways: Collection[str]) -> list[bool]:
    """For each VIP whether it is sent to one of the gateways."""
    return [not set(gateways).isdisjoint(each) for each in hops.values()]


@contextmanager
def flows(count: int, vips: Sequence[str], **options: float) -> Iterator[dict[str, Any]]:
    """Connections from the client, count to each VIP; see flows.py for the options and for the result.

    The dict is empty until the block is left, and then holds the result.
    """
    words = [f"--{name}={value:g}" for name, value in options.items()]
    result: dict[str, Any] = {}
    with _at_work("client", "", "flows.py", *words, str(count), *vips) as (_ready, process):
        yield result
        result.update(json.loads(process.communicate()[0] or "{}"))
    if not result:
        raise BenchmarkError("the client's connections ended without a result")


@contextmanager
def fib(router: str, vips: Sequence[str]) -> Iterator[Fib]:
    """The next hops of VIPs in a router's kernel, as they change.

    Watched from the guest, in the router's network namespace, so that it goes on when the router's processes do not.
    """
    with _at_work(GUEST, f"nsenter --net=/run/netns/{router}", "fib.py", *vips) as (ready, process):
        seen = Fib(json.loads(ready))
        thread = threading.Thread(target=_collect, args=(process, seen), daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            assert process.stdin
            process.stdin.close()
            thread.join(10)


def _collect(process: subprocess.Popen[str], seen: Fib) -> None:
    assert process.stdout
    for line in process.stdout:
        change = json.loads(line)
        seen.changes.append((change["at"], change["hops"]))


@contextmanager
def _at_work(machine: str, before: str, script: str, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A script of this folder on a machine: what it said after "ready", and its process, whose input ends it."""
    line = f"{before} python3 -c {shlex.quote((HERE / script).read_text())} {shlex.join(words)}"
    command = ssh.command(machine, "-o", "BatchMode=yes")
    with subprocess.Popen([*command, line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            ready, _space, word = process.stdout.readline().partition(" ")
            if ready.strip() != "ready":
                raise BenchmarkError(f"{script} did not start on {machine}")
            yield word, process
        finally:
            if not process.stdin.closed:
                process.stdin.close()
