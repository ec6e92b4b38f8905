# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results: kept as JSON, told in lines, written into README.md as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.harness import Finding

BEGIN: Final = "<!-- results: written by bench/run --readme -->"
END: Final = "<!-- end of results -->"
RESULTS: Final = Path(os.environ.get("DSR_WORK", "/nonexistent")) / "bench"


@dataclass(frozen=True)
class Result:
    """One benchmark as it was run. place: kernel and accelerator, or what else its figures depend on."""

    benchmark: str
    title: str
    date: str
    place: str
    rounds: int
    figures: Mapping[str, Any]
    findings: Sequence[Finding]

    def text(self) -> str:
        """The figures as one line of JSON, then a line for each finding."""
        figures = {"benchmark": self.benchmark, **_stamp(self), "figures": self.figures}
        return "\n".join([json.dumps(figures), *(finding.line(self.benchmark) for finding in self.findings)])


def save(result: Result, folder: Path) -> None:
    """Keep what is measured; what it means is worked out anew each time."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {**_stamp(result), "figures": result.figures}
    (folder / f"{result.benchmark}.json").write_text(json.dumps(kept, indent=1) + "\n")


def load(benchmark: str, folder: Path) -> dict[str, Any] | None:
    """What `save` kept of a benchmark; None if it was never run here."""
    path = folder / f"{benchmark}.json"
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def table(results: Sequence[Result]) -> str:
    """All findings as a Markdown table, and when and where each benchmark ran."""
    lines = ["| benchmark | what | figure | goal | |", "|---|---|---|---|---|"]
    for result in results:
        name = f"*{result.benchmark}*"
        for finding in result.findings:
            lines.append(f"| {name} | {finding.text} | {finding.figure} | {finding.wanted} | {finding.verdict} |")
            name = ""
    lines += ["", "| benchmark | date | kernel, accelerator | medians of |", "|---|---|---|---|"]
    lines += [f"| *{each.benchmark}* | {each.date} | {each.place} | {each.rounds} |" for each in results]
    return "\n".join(lines)


def with_table(readme: str, text: str) -> str:
    """The README with the table between its two marks replaced."""
    before, _begin, rest = readme.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _stamp(result: Result) -> dict[str, Any]:
    return {"date": result.date, "place": result.place, "rounds": result.rounds}
