# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that keeps our settings: replaced in one step, so it is whole whenever a run is killed."""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner


class SettingsFile:
    """A text file at `path`; a killed write leaves at most `path`.new beside it."""

    def __init__(self, runner: Runner, path: str) -> None:
        self._runner = runner
        self._path = path
        self._fresh = f"{path}.new"

    def read(self) -> str | None:
        """Its text; None if there is no such file."""
        said = self._runner.run(["cat", self._path], None, writes=False)
        if said.rc == 0:
            return said.out
        if "No such file or directory" in said.err:
            return None
        raise DsrError(
            f"file {self._path}", f"cannot be read: {' '.join(said.err.split())}", "Mend or remove it and run again"
        )

    def left_over(self) -> bool:
        """Whether a killed write left something."""
        return self._runner.run(["test", "-e", self._fresh], None, writes=False).rc == 0

    def write(self, text: str) -> None:
        """Replace it. `install` makes the new file anew, so a link planted in its place is not followed."""
        self._runner.write(["install", "--mode=0644", "--no-target-directory", "/dev/stdin", self._fresh], text)
        self._runner.write(["mv", "--force", "--no-target-directory", self._fresh, self._path])

    def remove(self) -> None:
        """Remove it and what a killed write left."""
        self._runner.write(["rm", "--force", self._path, self._fresh])
