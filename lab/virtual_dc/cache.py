# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps what it built, under names that are hashes of what went into them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from virtual_dc.errors import LabError

NEEDED_BYTES = 6 * 1024**3


def home() -> Path:
    """The lab's cache folder: DSRLAB_HOME, else baremetal-dsr/lab in the user's cache folder."""
    if own := os.environ.get("DSRLAB_HOME"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baremetal-dsr" / "lab"


def running() -> Path:
    """What belongs to the guest that runs now: its process number, sockets, logs and ssh configuration."""
    path = home() / "run"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(parts: Iterable[str | Path]) -> str:
    """A short hash over texts and the names and contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        content = f"{part.name}\0".encode() + part.read_bytes() if isinstance(part, Path) else part.encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:12]


def used_bytes() -> int:
    """What the cache takes on disk."""
    return sum(path.stat().st_blocks * 512 for path in home().rglob("*") if path.is_file())


def check_space() -> None:
    """LabError if the disk under the cache cannot hold an image, a disk and a snapshot, less what it holds already."""
    home().mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(home()).free, NEEDED_BYTES - used_bytes()
    if free < needed:
        raise LabError(
            f"only {free / 1024**3:.1f} GiB free under {home()}, {needed / 1024**3:.1f} GiB are needed: "
            "free some, or set DSRLAB_HOME to a folder on a bigger disk"
        )


def forget_others(pattern: str, keep: Path | None) -> None:
    """Remove what has such a name, but for the one to keep, so that the cache does not grow."""
    for path in home().glob(pattern):
        if path != keep:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def lock() -> Iterator[None]:
    """One dsrlab at a time may build, start or stop."""
    with open(running() / "lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another dsrlab is at work on this lab: wait for it to end") from None
        yield
