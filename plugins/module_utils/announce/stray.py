# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host routes that are no VIPs, announced for a moment beside the VIPs, to see that the routers refuse them.

They are only ever in BIRD's memory, under a timer of BIRD's own: when it ends BIRD forgets them, whatever became of the
run that announced them. The file of VIPs has them while BIRD reads it, and is as before when that is done.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.files import VipFile
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import addresses, parse_file, render
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.reconcile import verify
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

MAX_SECONDS = 600


@dataclass(frozen=True)
class Change:
    """Strays (prefixes) that BIRD did not announce before, and those that it still did."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    mended: bool = False
    """Whether the file of VIPs held strays, as a run leaves it that was killed while BIRD read it."""

    def result(self) -> dict[str, object]:
        """What the module returns."""
        return {
            "changed": bool(self.added or self.removed or self.mended),
            "added": addresses(self.added),
            "removed": addresses(self.removed),
        }


def announce(
    file: VipFile,
    bird: Bird,
    strays: frozenset[str],
    seconds: int,
    *,
    check_mode: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Change:
    """Announce the strays beside the VIPs for so many seconds; DsrError if the node does not announce as it should."""
    if not 1 <= seconds <= MAX_SECONDS:
        raise DsrError("option seconds", f"{seconds} is out of range", f"Give a value from 1 to {MAX_SECONDS}")
    text = file.read() or ""
    vips = parse_file(text)
    held = bird.announced()
    if held is None:
        raise bird.not_running()
    if not vips or vips & strays or held - strays != vips:
        raise DsrError(
            "announcement of this node",
            f"BIRD holds {addresses(held) or 'nothing'} where the file of VIPs says {addresses(vips) or 'nothing'},"
            " so no stray may be added to it",
            "Run site.yml, and see that the node is not drained and its guard holds nothing back",
        )
    if not check_mode:
        if held != vips:
            bird.configure()  # else what BIRD goes back to would have the strays of an earlier run
        with _undisturbed():
            try:
                file.write(render(vips | strays))
                bird.configure(undo_after=seconds)
            finally:
                file.write(text)
        verify(bird, vips | strays, pause)
    return Change(added=strays - held)


def withdraw(
    file: VipFile,
    bird: Bird,
    strays: frozenset[str],
    *,
    check_mode: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Change:
    """Announce the strays no longer. `removed` has them only if none of them had ended before by itself."""
    vips = parse_file(file.read() or "")
    held = bird.announced()
    change = Change(removed=(held or frozenset()) & strays, mended=bool(vips & strays))
    if check_mode:
        return change
    if change.mended:
        file.write(render(vips - strays))
    if held is not None and (change.removed or change.mended):
        bird.configure()
        verify(bird, vips - strays, pause)
    return change


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A lost connection or a stopped run ends this process only afterwards, so that the file is put back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
