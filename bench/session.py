# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From this computer into the guest: ship a benchmark there, run it, take its result."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from virtual_dc import cache, ssh

from bench.place import BenchmarkError

HERE = Path(__file__).resolve().parent
GUEST = "guest"
_PATIENCE = 60.0
"""Seconds that the guest gets to clean up."""

_START = (
    'd=/tmp/dsr-bench.$$ && mkdir -m 700 "$d" && head -c {size} | tar -xzC "$d" && cd "$d"'
    ' && exec env PYTHONPATH="$d" PYTHONDONTWRITEBYTECODE=1 LC_ALL=C'
    ' python3 -m bench.agent "$d" {name} {rounds} {options}; rm -rf "$d"; exit 1'
)


@contextmanager
def session(
    name: str, rounds: int, options: Mapping[str, int], files: Mapping[str, bytes]
) -> Iterator[Iterator[dict[str, Any]]]:
    """The objects that the guest side prints, as they come. Left early, the guest side ends and cleans up."""
    shipped = _tar(files)
    # repr of the JSON text is fit for a shell: it holds only names and numbers.
    line = _START.format(size=len(shipped), name=name, rounds=rounds, options=repr(json.dumps(dict(options))))
    command = [*ssh.command(GUEST, "-o", "BatchMode=yes"), line]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    try:
        process.stdin.write(shipped)
        process.stdin.flush()
        yield _objects(process.stdout)
    finally:
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def run(name: str, rounds: int, options: Mapping[str, int], files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the guest side measured, {"kernel", "figures"}; BenchmarkError if it failed."""
    with session(name, rounds, options, files) as objects:
        return last(objects, name)


def last(objects: Iterator[dict[str, Any]], name: str) -> dict[str, Any]:
    answer = ([{"error": "it ended without a result"}, *objects])[-1]
    if "error" in answer:
        raise BenchmarkError(f"{name}: {answer['error']}")
    return answer


def accelerator() -> str:
    """ "KVM" or "software emulation": what the guest's processors are."""
    kind = (cache.running() / "accelerator").read_text().split(":")[0]
    return "KVM" if kind == "kvm" else "software emulation"


def _objects(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in stream:
        yield json.loads(line)


def _tar(files: Mapping[str, bytes]) -> bytes:
    """The benchmarks' own code and the files, packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for path in sorted([*HERE.glob("*.py"), *HERE.glob("benchmarks/*.py")]):
            tar.add(path, f"bench/{path.relative_to(HERE)}")
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
