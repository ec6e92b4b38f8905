# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Callable

import pytest


@pytest.fixture
def announced(machine) -> Callable[[str], set[str]]:
    """The VIPs that BIRD of a node holds."""

    def read(node: str) -> set[str]:
        shown = machine(node).check_output("birdc -s /run/baremetal-dsr/bird.ctl show route")
        return set(re.findall(r"^(\S+)/(?:32|128)\s", shown, re.MULTILINE))

    return read
