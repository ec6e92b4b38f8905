# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of VIPs: read directly, replaced in one step."""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner


class VipFile:
    """A text file that BIRD may read at any moment, so it is never seen half written."""

    def __init__(self, runner: Runner, path: str) -> None:
        self._runner = runner
        self._path = path

    def read(self) -> str | None:
        """Its text; None if there is no such file."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DsrError(f"file {self._path}", f"cannot be read: {error.strerror}", "Mend or remove it") from error

    def write(self, text: str) -> None:
        """Replace it. `install` removes and creates the new file, so a link planted in its place is not followed."""
        fresh = f"{self._path}.new"
        self._runner.write(["install", "--mode=0644", "--no-target-directory", "/dev/stdin", fresh], text)
        self._runner.write(["mv", "--force", "--no-target-directory", fresh, self._path])
