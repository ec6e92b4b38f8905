# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line per long step: what it is, and how long it took."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show text while the block runs: a running clock on a terminal, a line at the end anywhere else."""
    begin = time.monotonic()
    over = threading.Event()
    clock = threading.Thread(target=_tick, args=(text, begin, over), daemon=True)
    if sys.stderr.isatty():
        clock.start()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        over.set()
        if clock.is_alive():
            clock.join()
        start = "\r\033[K" if sys.stderr.isatty() else ""
        print(f"{start}{text} … {outcome} ({time.monotonic() - begin:.0f} s)", file=sys.stderr, flush=True)


def _tick(text: str, begin: float, over: threading.Event) -> None:
    while not over.wait(0.5):
        print(f"\r\033[K{text} … {time.monotonic() - begin:.0f} s", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """A line that is not a step."""
    print(text, file=sys.stderr, flush=True)
