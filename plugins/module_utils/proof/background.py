# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that goes on in the background after a task has ended, until a later task collects what it found.

Its folder holds `lock` (held by the job while it lives), `stop` (there once it is to end) and `result.json`.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

Stop = Callable[[], bool]
Job = Callable[[Stop], dict[str, Any]]
"""Works until stop() is true; returns the result, ready for JSON."""

_READY = b"ready"
_READY_SECONDS = 60.0
_END_SECONDS = 30.0
_TICK = 0.05


class Background:
    """One background job at a time in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = folder / "stop"
        self._lock = folder / "lock"
        self._result = folder / "result.json"

    def start(self, prepare: Callable[[], Job]) -> None:
        """Start prepare()'s job and return when it is prepared; an earlier job here is ended and forgotten.

        DsrError of prepare() is raised here.
        """
        if self._folder.exists():
            self._end()
        self._folder.mkdir(mode=0o700, parents=True)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._detach(writing, prepare)
        os.close(writing)
        os.waitpid(child, 0)
        said = _read_all(reading, _READY_SECONDS)
        if said != _READY:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise _told(said)

    def collect(self) -> dict[str, Any]:
        """End the job, return its result and leave nothing behind; DsrError if there is no job or it left no result."""
        if not self._folder.exists():
            raise DsrError("capture", "was not started on this machine", "Run the module with state=started first")
        try:
            self._await_end()
            return dict(json.loads(self._result.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            raise DsrError("capture", "ended without a result", "Run it again; something killed it") from None
        finally:
            self._end()

    def _end(self) -> None:
        self._await_end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _await_end(self) -> None:
        """Ask the job to end and wait until it has; DsrError if it does not."""
        if not self._folder.exists():
            return
        self._stop.touch()
        deadline = time.monotonic() + _END_SECONDS
        with self._lock.open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DsrError(
                            "capture", f"did not end within {_END_SECONDS:.0f} s", f"End whoever holds {self._lock}"
                        ) from None
                time.sleep(_TICK)

    def _detach(self, ready: int, prepare: Callable[[], Job]) -> None:
        """In the child: leave a grandchild that belongs to no terminal, and end. Never returns."""
        try:
            os.setsid()
            if os.fork() == 0:
                self._work(ready, prepare)
        finally:
            os._exit(0)

    def _work(self, ready: int, prepare: Callable[[], Job]) -> None:
        _close_all_but(ready)
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                job = prepare()
            except DsrError as error:
                os.write(ready, json.dumps([error.item, error.reason, error.cure]).encode())
                return
            os.write(ready, _READY)
            os.close(ready)
            self._save(job(self._stop.exists))

    def _save(self, found: dict[str, Any]) -> None:
        draft = self._result.with_suffix(".draft")
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(self._result)


def _close_all_but(kept: int) -> None:
    """Let go of everything the parent had open; standard input and output become /dev/null."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) != kept:
            with suppress(OSError):
                os.close(int(name))
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _read_all(descriptor: int, seconds: float) -> bytes:
    """Everything until the writer closes, but no longer than that many seconds."""
    said = b""
    deadline = time.monotonic() + seconds
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = pipe.read(65536)
            if not part:
                break
            said += part
    return said


def _told(said: bytes) -> DsrError:
    """The error that the job told instead of being ready."""
    try:
        item, reason, cure = json.loads(said)
    except ValueError:
        return DsrError("capture", "did not start", "Run it again and look at the machine's load and memory")
    return DsrError(str(item), str(reason), str(cure))
