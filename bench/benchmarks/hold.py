# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No benchmark of its own: keeps a network namespace for `loop`, whose measuring is done from outside."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from bench.harness import Figures
from bench.place import HANDLES, PYTHON, Place


def measure(place: Place, _rounds: int, _options: Mapping[str, int]) -> Figures:
    """Says where an interpreter is that runs in the namespace, and waits to be ended."""
    place.load("ip_vs", "ip_vs_mh")
    namespace = place.namespace("loop")
    interpreter = place.folder / "python"
    interpreter.write_text(f'#!/bin/sh\nexec nsenter --net={HANDLES / namespace} -- {PYTHON} "$@"\n')
    interpreter.chmod(0o755)
    print(json.dumps({"interpreter": str(interpreter), "kernel": os.uname().release}), flush=True)
    while True:
        time.sleep(60)
