# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPVS schedulers of the Linux kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCHEDULERS: Final = ("dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "rr", "sed", "sh", "twos", "wlc", "wrr")

SCHEDULER_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "mh": ("mh-fallback", "mh-port"),
    "sh": ("sh-fallback", "sh-port"),
}
"""Flags by scheduler: skip a weightless backend, and hash the client's port too. Schedulers not here have none."""
