# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPVS schedulers of the Linux kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCHEDULERS: Final = ("dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "rr", "sed", "sh", "twos", "wlc", "wrr")

FALLBACK_FLAGS: Final[Mapping[str, str]] = {"mh": "mh-fallback", "sh": "sh-fallback"}
"""By scheduler, the flag that skips a weightless backend. Without it new connections hashed to one are dropped."""

PORT_FLAGS: Final[Mapping[str, str]] = {"mh": "mh-port", "sh": "sh-port"}
"""By scheduler, the flag that hashes the client's port too. Without it a client always gets the same backend."""

SCHEDULER_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    scheduler: (FALLBACK_FLAGS[scheduler], PORT_FLAGS[scheduler]) for scheduler in PORT_FLAGS
}
"""All flags by scheduler, sorted. Schedulers not here have none."""
