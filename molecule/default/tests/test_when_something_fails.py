# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directors go and come, on purpose and without warning, under 100 connections. The events follow on one another."""

from __future__ import annotations

import os

import pytest
from failures import endure, fabric

LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="a machine boots: under make test-full only")


@pytest.fixture(scope="module")
def lab() -> fabric.Lab:
    found = fabric.load("lab", {})
    found.state = "whole"  # by converge
    return found


@pytest.mark.parametrize(
    "name", ["drain", "undrain", "bird", "power", "blackhole", pytest.param("shutdown", marks=LONG)]
)
def test_no_connection_to_a_living_pod_breaks(lab: fabric.Lab, name: str) -> None:
    endure(lab, name)
