# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.__main__ import BENCHMARKS, README, parse
from bench.harness import Finding, Goal
from bench.report import Result

FIGURES: dict[str, dict[str, Any]] = {
    "cold": {
        "lines": 11000,
        "module_s": [9, 11, 10],
        "ipvsadm_s": [10, 10, 10],
        "saved_s": [40, 40, 40],
        "start_s": [1, 1, 1],
    },
    "noop": {"writes_counted_in_second_call": 0, "module_s": [3], "dump_s": [2], "start_s": [1]},
    "change": {
        "cold_s": [50.0],
        "change_s": [1.0],
        "dump_s": [0.5],
        "start_s": [0.1],
        "writes_of_two_changes": ["ipvsadm -R"] * 2,
        "lines_of_two_changes": ["-d x", "-a x"],
    },
    "loop": {
        "commands_a_round": 10,
        "commands_of_the_table": 11000,
        "one_call_s": [10.0],
        "loop_s": [10.0],
        "loop_extrapolated_s": [11000.0],
    },
    "steering": {
        "pps": {
            **{f"{form} {size}": [99.0] for form in ("ipset", "iptables") for size in (1, 100)},
            "ipset 5000": [96.0],
            "iptables 5000": [2.0],
            "ipset, as many services": [90.0],
            "generator alone": [500.0],
        }
    },
    "planner": {
        "plan_s": {"1000": [0.1], "2000": [0.2], "5000": [0.5], "10000": [1.2]},
        "plan_cpu_s": {"1000": [0.1], "10000": [1.2]},
        "peak_mib": {"10000": [200.0, 210.0]},
        "filter_first_host_s": [2.0],
        "filter_next_host_s": [0.2],
    },
    "dsr_nat": {
        "bytes": 8000000,
        "dsr": {
            "seconds": [1.0],
            "replies": [0],
            "director_packets": [10.0],
            "director_bytes": [800.0],
            "director_cpu_s": [0.1],
        },
        "nat": {
            "seconds": [2.0],
            "replies": [5000],
            "director_packets": [100.0],
            "director_bytes": [16e6],
            "director_cpu_s": [1.0],
        },
    },
    "failover": {
        "bfd_detection_s": 0.9,
        "events": {
            "bird": {
                "connections": 1000,
                "broken": 0,
                "new": 100,
                "failed": 3,
                "longest_wait_s": 0.5,
                "most_retransmissions": 1,
                "fib_left_s": 0.1,
                "fib_returned_s": 4.0,
                "fib_changes": 2,
            }
        },
        "not_run": {},
        "without": {},
    },
}


def result(name: str) -> Result:
    findings = importlib.import_module(f"bench.benchmarks.{name}").findings(FIGURES[name])
    return Result(name, "a title", "2026-01-02", "Linux 6.12, KVM", 5, FIGURES[name], findings)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_tells_json_and_lines_with_a_verdict(name: str) -> None:
    first, *lines = result(name).text().splitlines()
    assert json.loads(first)["figures"] == FIGURES[name]
    assert any(line.endswith("met") and "(goal " in line for line in lines)
    assert all(line.startswith(f"{name}: ") for line in lines)


def test_goals_are_judged_by_medians() -> None:
    verdicts = [finding.verdict for finding in result("cold").findings if isinstance(finding, Goal)]
    assert verdicts == ["met"]


def test_too_much_is_not_met() -> None:
    figures = {**FIGURES["dsr_nat"], "dsr": {**FIGURES["dsr_nat"]["dsr"], "replies": [0, 1, 0]}}
    found = importlib.import_module("bench.benchmarks.dsr_nat").findings(figures)
    assert found[0].verdict == "not met"


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    report.save(result("cold"), tmp_path / "results")
    kept = report.load("cold", tmp_path / "results")
    assert kept == {"date": "2026-01-02", "place": "Linux 6.12, KVM", "rounds": 5, "figures": FIGURES["cold"]}
    assert report.load("noop", tmp_path / "results") is None


def test_the_table_has_a_row_for_each_finding_and_replaces_the_old_one() -> None:
    findings = [Goal("a / b", 1, "x", "<=", 2), Finding("c", 3, "s")]
    one = Result("cold", "t", "2026-01-02", "Linux 6.12, KVM", 5, {}, findings)
    readme = f"before\n{report.BEGIN}\nstale\n{report.END}\nafter\n"
    written = report.with_table(readme, report.table([one]))
    assert "| *cold* | a / b | 1 x | <= 2 x | met |\n|  | c | 3 s |  |  |" in written
    assert "| *cold* | 2026-01-02 | Linux 6.12, KVM | 5 |" in written
    assert written.startswith("before\n") and written.endswith("after\n") and "stale" not in written


def test_the_readme_has_a_place_for_the_table() -> None:
    text = README.read_text()
    assert text.index(report.BEGIN) < text.index(report.END)


@pytest.mark.parametrize("argv", [["warm"], ["--rounds", "0"], ["cold", "--rounds", "many"]])
def test_bad_arguments_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)
