# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running BIRD, reached by birdc through one control socket."""

from __future__ import annotations

import re

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import parse_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird import parse_sessions
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import Session
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

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
        text = self._show("route")
        return None if text is None else parse_routes(text)

    def sessions(self) -> list[Session] | None:
        """Its BGP sessions; None if it does not run."""
        text = self._show("protocols", "all")
        return None if text is None else parse_sessions(text)

    def defines(self, constant: str) -> bool | None:
        """Whether the configuration that it goes by defines a constant; None if it does not run."""
        if not self._runner.has("birdc"):
            return None
        result = self._ask("symbols", constant)
        if _UNREACHABLE in result.err + result.out:
            return None
        return re.search(rf"^{re.escape(constant)}\s+constant", result.out, re.MULTILINE) is not None

    def configure(self, undo_after: int = 0) -> None:
        """Let BIRD read its configuration again; it does so without touching a session that did not change.

        undo_after: seconds after which BIRD itself goes back to what it had, unless confirm() comes first; 0: never.
        """
        words = ["configure", "timeout", str(undo_after)] if undo_after else ["configure"]
        result = self._runner.run([*self._birdc, *words], None, writes=True)
        if result.rc != 0:
            raise DsrError(
                self._item,
                f"refused its configuration: {_one_line(result.err or result.out)}",
                "Mend the file it names and run again; until then BIRD goes on with the configuration it had",
            )

    def confirm(self) -> None:
        """Keep the configuration that was read."""
        self._runner.write([*self._birdc, "configure", "confirm"])

    def _show(self, *words: str) -> str | None:
        if not self._runner.has("birdc"):
            return None
        result = self._ask(*words)
        if result.rc == 0:
            return result.out
        said = result.err + result.out
        if _UNREACHABLE in said:
            return None
        raise DsrError(self._item, f"'show {' '.join(words)}' failed: {_one_line(said)}", "Read its log")

    def _ask(self, *words: str) -> Result:
        return self._runner.run([*self._birdc, "show", *words], None, writes=False)

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
