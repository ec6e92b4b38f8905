# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""assess.yml finds what the lab's router does, by its packets, and leaves nothing of what it announced on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NODES = ("n1", "n2", "n3")
IPV4 = {"203.0.113.1:80/tcp", "203.0.113.2:80/tcp"}
IPV6 = {"[2001:db8:f::1]:80/tcp", "[2001:db8:f::2]:80/tcp"}
STRAYS = ["198.18.0.1", "2001:db8:dead::1"]
BIRDC = "birdc -s /run/baremetal-dsr/bird.ctl"
OPEN = "ip prefix-list dsr-vip4 seq 4294967290 permit 0.0.0.0/0 le 32"
FULL = pytest.mark.skipif(
    not os.environ.get("DSR_TEST_FULL"), reason="the router is changed: under make test-full only"
)

Rows = dict[str, list[str]]
Assess = Callable[..., "tuple[int, Rows, str]"]


@pytest.fixture
def assess(playbook, tmp_path: Path) -> Assess:
    """Run assess.yml: (its exit status, the cells of each row by its first one, its whole report)."""

    def run(**variables: Any) -> tuple[int, Rows, str]:
        report = tmp_path / "report"
        done = playbook("assess", dsr_assess_report=str(report), dsr_assess_connections=40, **variables)
        assert report.exists(), done.stdout + done.stderr
        lines = [line for line in report.read_text().splitlines() if line[:1] in {*"[12"}]
        rows = [line.split() for line in lines if line.endswith((" OK", " FAIL"))]
        return done.returncode, {row[0]: row[1:] for row in rows}, report.read_text()

    return run


@pytest.fixture
def announced(machine) -> Callable[[], dict[str, list[str]]]:
    """What each node announces, in the file of VIPs and in BIRD."""

    def read() -> dict[str, list[str]]:
        routes = f"{BIRDC} show route | grep -o '^[0-9a-f.:]*/[0-9]* .*\\[dsr_vip[46]' | sort"
        line = f"cat /run/baremetal-dsr/vips.conf; {routes}"
        return {name: machine(name).check_output(line).splitlines() for name in NODES}

    return read


@contextmanager
def at_router(machine, do: str, undo: str) -> Iterator[None]:
    machine("r1").check_output(do)
    try:
        yield
    finally:
        machine("r1").check_output(undo)


def test_working_cluster_is_green_and_filters(assess: Assess, announced, hops, until) -> None:
    until(lambda: all(len(hops(vip)) == 3 for vip in ("203.0.113.1", "2001:db8:f::1")))
    before = announced()
    status, rows, report = assess(dsr_assess_stray=STRAYS, dsr_assess_timeout=3)
    assert status == 0, report
    assert rows.keys() == {*IPV4, *IPV6, *STRAYS}
    for name in IPV4 | IPV6:
        assert rows[name][2:5] == ["3", "of", "3"] and rows[name][-2:] == ["yes", "OK"], report
    for stray in STRAYS:
        assert rows[stray] == ["n1", "r1", "-", "yes", "OK"], report
        assert hops(stray) == set()
    assert announced() == before


@FULL
def test_hash_of_addresses_only(assess: Assess, machine) -> None:
    key = "net.ipv4.fib_multipath_hash_policy"
    with at_router(machine, f"sysctl -w {key}=0", f"sysctl -w {key}=1"):
        status, rows, report = assess(dsr_assess_vips=1)
    assert status != 0
    assert {row for row, cells in rows.items() if cells[-1] == "FAIL"} == rows.keys() & IPV4, report
    assert "a hash without ports" in report


@FULL
def test_filter_that_is_open(assess: Assess, announced, machine, hops, until) -> None:
    before = announced()
    commands = [f"vtysh -c 'configure terminal' -c '{word}'" for word in (OPEN, f"no {OPEN}")]
    with at_router(machine, *commands):
        status, rows, report = assess(dsr_assess_stray=STRAYS, dsr_assess_vips=1, dsr_assess_timeout=3)
        assert status != 0
        assert rows[STRAYS[0]] == ["n1", "r1", "n1", "NO", "FAIL"], report
        assert rows[STRAYS[1]][-2:] == ["yes", "OK"], report
        assert announced() == before
        until(lambda: hops(STRAYS[0]) == set())
