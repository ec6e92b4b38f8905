# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the guest: one benchmark, its result on stdout, and nothing left behind.

Usage: python3 -m bench.agent FOLDER BENCHMARK ROUNDS OPTIONS
Ends early, cleaning up, when its input ends: that is when whoever started it is gone, however that came.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from bench.place import BenchmarkError, Place, sweep

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main(folder: Path, name: str, rounds: int, options: str) -> int:
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    for number in _SIGNALS:
        signal.signal(number, _stop)
    threading.Thread(target=_watch, daemon=True).start()
    place = Place(folder)
    try:
        sweep()
        benchmark = importlib.import_module(f"bench.benchmarks.{name}")
        figures = benchmark.measure(place, rounds, json.loads(options))
        print(json.dumps({"kernel": os.uname().release, "figures": figures}), flush=True)
    except BenchmarkError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # what was being started has not reached its namespace yet
        place.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _watch() -> None:
    while os.read(0, 4096):
        pass
    # To the main thread: taken by another one, it would not end the wait for a command.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
