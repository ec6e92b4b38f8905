# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running BIRD, reached by birdc through one control socket."""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import parse_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_UNREACHABLE = "Unable to connect to server control socket"


class Bird:
    """The BIRD that listens on this control socket."""

    def __init__(self, runner: Runner, socket: str) -> None:
        self._runner = runner
        self._birdc = ["birdc", "-s", socket]
        self._item = f"BIRD at {socket}"

    def announced(self) -> frozenset[str] | None:
        """The prefixes that its VIP protocols hold; None if BIRD does not run or is not installed."""
        if not self._runner.has("birdc"):
            return None
        argv = [*self._birdc, "show", "route"]
        result = self._runner.run(argv, None, writes=False)
        if result.rc == 0:
            return parse_routes(result.out)
        if _UNREACHABLE in result.err + result.out:
            return None
        raise DsrError(self._item, f"'show route' failed: {_one_line(result.err or result.out)}", "Read its log")

    def configure(self, undo_after: int | None = None) -> None:
        """Let BIRD read its configuration again; it does so without touching a session that did not change.

        undo_after: seconds after which BIRD goes back by itself to the configuration that it has now, unless it is told
        to read it again before.
        """
        undo = [] if undo_after is None else ["timeout", str(undo_after)]
        result = self._runner.run([*self._birdc, "configure", *undo], None, writes=True)
        if result.rc != 0:
            raise DsrError(
                self._item,
                f"refused its configuration: {_one_line(result.err or result.out)}",
                "Mend the file it names and run again; until then BIRD goes on with the configuration it had",
            )

    def not_running(self) -> DsrError:
        """The error for when it had to run."""
        self._runner.require("birdc")
        return DsrError(
            self._item,
            "does not answer, so no VIP can be announced",
            "Apply the role baremetal.dsr.speaker first; where it was applied, "
            "'systemctl status baremetal-dsr-bird' tells why BIRD does not run",
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
