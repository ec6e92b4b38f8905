# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR is restarted as its role says. The cluster with dsr_graceful_restart is what test_dry_run.py installs."""

from __future__ import annotations

from failures import endure, events, fabric


def test_restart_breaks_no_connection(given) -> None:
    lab = fabric.load("lab", given)
    events.restart_router(lab)
    lab.state = "graceful"
    endure(lab, "frr")
