# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test steps one after the other and say how each went.

Usage: scripts/run python scripts/steps.py [lint|sanity|units|lab]...   (all of them when none is named)

A failed step never stops the others, except those that need it. The closing line is "N passed, N failed, N skipped":
the tests in the JUnit files of the steps that write them, and one failure for each failed step that has no failed test
to show. Exit status 0 only when no step failed and none was cut short.

Where a run has a limit of time, DSR_TEST_UNTIL is the Unix time after which no scenario and no test in the lab begins.
What is cut short by it is named before the closing line. So such a run ends with a report, but never as passed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("DSR_WORK", "/nonexistent"))
RESULTS = WORK / "results"
LONG_SCENARIOS = {"drain", "routers"} if "DSR_TEST_FULL" not in os.environ else set()
"""Scenarios of `make test-full` only."""
UNITS_OUTPUT = WORK / "units/ansible_collections/baremetal/dsr/tests/output/junit"
COLLECTION = "ansible_collections.baremetal.dsr"
BASH_SCRIPTS = (
    ".ci/run bench/run lab/dsrlab scripts/ansible-test scripts/demo scripts/install-faster-qemu"
    " scripts/install-prerequisites scripts/run"
)
LATEST_BEGINNING = float(os.environ.get("DSR_TEST_UNTIL", "inf"))
CUT_SHORT = "cut short"
ENVIRONMENT = {**os.environ, **({} if sys.stdout.isatty() else {"NO_COLOR": "1"})}


@dataclass(frozen=True)
class Step:
    group: str
    name: str
    command: str
    needs: str = ""
    """Name of the step without which this one cannot run."""
    junit: str = ""
    """Folder or file where the step leaves its JUnit results; a step with one must have run at least one test."""


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    late: int = 0
    """Those of the skipped for which no time was left."""


@dataclass(frozen=True)
class Result:
    step: Step
    verdict: str
    seconds: float
    tests: Counts = Counts()


def all_steps() -> list[Step]:
    return [
        # First, because it may ask whether it may use sudo.
        Step("lab", "packages", "scripts/install-prerequisites"),
        Step("lint", "shellcheck", f"scripts/install-prerequisites shellcheck && shellcheck {BASH_SCRIPTS}"),
        Step("lint", "ruff check", "ruff check ."),
        Step("lint", "ruff format", "ruff format --check --diff ."),
        Step("lint", "mypy collection", f"mypy -p {COLLECTION}.plugins"),
        Step("lint", "mypy lab and scripts", "mypy bench lab scripts"),
        Step("lint", "yamllint", "yamllint --strict ."),
        Step("lint", "role contract", "python scripts/check_roles.py"),
        Step("lint", "ansible-lint", "ansible-lint"),
        Step("units", "ansible-test units", "scripts/ansible-test units", junit=str(UNITS_OUTPUT)),
        pytest_step("units", "lab units", "lab/tests"),
        pytest_step("units", "bench units", "bench/tests"),
        Step("sanity", "ansible-test sanity", "scripts/ansible-test sanity"),
        Step("lab", "lab", "lab/dsrlab up", needs="packages"),
        *(molecule_step(scenario) for scenario in scenarios()),
    ]


def scenarios() -> list[str]:
    every = {path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")}
    return sorted(every - LONG_SCENARIOS)


def pytest_step(group: str, name: str, folder: str) -> Step:
    junit = RESULTS / f"{name.replace(' ', '-')}.xml"
    return Step(group, name, f"pytest --junitxml={shlex.quote(str(junit))} {folder}", junit=str(junit))


def molecule_step(scenario: str) -> Step:
    junit = RESULTS / f"molecule-{scenario}.xml"
    # molecule would skip "create" where an earlier run of this checkout has done it, and so not put the lab back.
    command = (
        f"molecule reset --scenario-name {scenario} &&"
        f" PYTEST_ADDOPTS=--junitxml={shlex.quote(str(junit))} molecule test --scenario-name {scenario}"
    )
    return Step("lab", f"molecule {scenario}", command, needs="lab", junit=str(junit))


def count_tests(junit: Path) -> Counts:
    """The tests in a JUnit file or in all those of a folder; a broken file counts as one failure."""
    passed = failed = left_out = late = 0
    for path in [junit] if junit.is_file() else sorted(junit.glob("*.xml")):
        try:
            suites = list(ElementTree.parse(path).iter("testsuite"))
        except ElementTree.ParseError:
            failed += 1
            continue
        for suite in suites:
            total, failures, errors, skipped = (
                int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")
            )
            passed += total - failures - errors - skipped
            failed += failures + errors
            left_out += skipped
            late += sum("DSR_TEST_UNTIL" in case.get("message", "") for case in suite.iter("skipped"))
    return Counts(passed, failed, left_out, late)


def run(step: Step, results: list[Result]) -> Result:
    print(f"\n==> {step.name}: {step.command}", flush=True)
    if step.group == "lab" and time.time() > LATEST_BEGINNING:
        print("not run, because no time is left")
        return Result(step, CUT_SHORT, 0)
    if any(result.step.name == step.needs and result.verdict != "ok" for result in results):
        print(f"not run, because it needs the step «{step.needs}»")
        return Result(step, "not run", 0, Counts(failed=1))
    started = time.monotonic()
    status = subprocess.run(
        ["bash", "-c", step.command], cwd=REPOSITORY, env=ENVIRONMENT, stderr=subprocess.STDOUT, check=False
    ).returncode
    seconds = time.monotonic() - started
    tests = count_tests(Path(step.junit)) if step.junit else Counts()
    if step.junit and tests.passed + tests.failed + tests.late == 0:
        print(f"{step.name} ran no test", flush=True)
    good = status == 0 and tests.failed == 0 and (tests.passed + tests.late > 0 or not step.junit)
    if not good:
        return Result(step, "FAILED", seconds, replace(tests, failed=max(tests.failed, 1)))
    return Result(step, CUT_SHORT if tests.late else "ok", seconds, tests)


def report(results: list[Result]) -> bool:
    """Print what happened; whether all is well."""
    print(f"\n{'step':<24}{'result':<10}{'time':>7}{'tests':>8}")
    for result in results:
        minutes, seconds = divmod(round(result.seconds), 60)
        tests = str(result.tests.passed + result.tests.failed) if result.step.junit else ""
        print(f"{result.step.name:<24}{result.verdict:<10}{minutes:>4}:{seconds:02}{tests:>8}")
    late = [result.step.name for result in results if result.verdict == CUT_SHORT]
    if late:
        print(f"\nCut short, because the limit of time was reached: {', '.join(late)}")
    passed = sum(result.tests.passed for result in results)
    failed = sum(result.tests.failed for result in results)
    skipped = sum(result.tests.skipped for result in results)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return failed == 0 and not late


def main(groups: list[str]) -> int:
    steps = all_steps()
    known = {step.group for step in steps}
    if "DSR_WORK" not in os.environ or not known.issuperset(groups):
        print(__doc__, file=sys.stderr)
        return 2
    shutil.rmtree(RESULTS, ignore_errors=True)
    shutil.rmtree(UNITS_OUTPUT, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    results: list[Result] = []
    for step in steps:
        if not groups or step.group in groups:
            results.append(run(step, results))
    return 0 if report(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
