# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two routers loses power, and comes back. The tests build on each other, in their order."""

from __future__ import annotations

import os
import time

import pytest

COUNT = 10
ALL = {"11", "12", "13"}
LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="a machine boots: under make test-full only")


def test_loss_of_a_router_breaks_no_flow(machine, flows, vips, active, power, until) -> None:
    (name,) = active()
    (other,) = {"r1", "r2"} - {name}
    with flows(COUNT, *vips) as result:
        power.off(name)
        until(lambda: active() == {other}, 10)
        for vip in vips:
            host = f"[{vip}]" if ":" in vip else vip
            machine("client").check_output(f"curl -gsS -m 10 http://{host}/")
        time.sleep(5)
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result


@LONG
def test_router_that_comes_back_is_ready_and_takes_nothing_over(flows, vips, active, power, hops, until) -> None:
    (name,) = power.dark
    (other,) = {"r1", "r2"} - {name}
    with flows(COUNT, *vips) as result:
        power.on(name)
        until(lambda: all(hops(vip, name) == ALL for vip in vips), 60)
        assert active() == {other}
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result


@LONG
def test_loss_of_the_other_router_breaks_no_flow(flows, vips, active, power, hops, until) -> None:
    (name,) = active()
    (other,) = {"r1", "r2"} - {name}
    with flows(COUNT, *vips) as result:
        power.off(name)
        until(lambda: active() == {other}, 10)
        time.sleep(5)
    assert result["broken"] == [] and result["alive"] == COUNT * len(vips), result
    power.on(name)
    until(lambda: all(hops(vip, name) == ALL for vip in vips), 60)
