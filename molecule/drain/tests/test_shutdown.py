# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director shuts down under connections, and boots again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from failures import fabric

VIPS = ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
ALL, WITHOUT_N2 = {"11", "12", "13"}, {"11", "13"}
COUNT = 10


@pytest.fixture(scope="module")
def lab() -> fabric.Lab:
    return fabric.load("lab", {})


def elsewhere(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Connections to pods that do not end with n2."""
    return [flow for flow in result["flows"] if flow["node"] != "n2"]


def test_shutdown_and_boot_break_no_connection_to_pods_elsewhere(
    lab, machine, playbook, announced, hops, flows, until
) -> None:
    """The routers know before the machine ceases to forward, so nobody waits for BFD.

    A machine that booted announces nothing before site.yml has run. Until then its pods take no connections either, so
    those that live through all of it were opened before.
    """
    with flows(COUNT, *VIPS) as both:
        with flows(COUNT, *VIPS) as shutdown:
            lab.shut_down("n2")
            until(lambda: [hops(vip) for vip in VIPS] == [WITHOUT_N2] * len(VIPS), 5)
            until(lambda: machine("guest").run("systemctl -q is-active machine@n2").rc != 0, fabric.BOOT_TIMEOUT)
            time.sleep(3)
        assert [flow for flow in elsewhere(shutdown) if flow["broken"]] == []
        assert max(flow["longest_wait"] for flow in elsewhere(shutdown)) < lab.bfd_detection_s
        lab.start_up("n2")
        time.sleep(lab.hold_s)
        assert announced("n2") == set()
        assert [hops(vip) for vip in VIPS] == [WITHOUT_N2] * len(VIPS)
        done = playbook("site")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [hops(vip) for vip in VIPS] == [ALL] * len(VIPS)
        time.sleep(3)
    assert len(elsewhere(both)) > 0
    assert [flow for flow in elsewhere(both) if flow["broken"]] == []
