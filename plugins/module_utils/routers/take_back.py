# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch of a router: a systemd timer puts the former configuration back unless somebody stops it."""

from __future__ import annotations

import glob
import json
import os
import shlex
from collections.abc import Iterable, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

FOLDER = "/run/baremetal-dsr-router"


class TakeBack:
    """That of one cluster. What it needs lies in a folder of /run that only root can read, and is gone after a boot.

    config: the file that is put back. load: the command by which the daemon reads it.
    """

    def __init__(self, runner: Runner, cluster: str, config: str, load: Sequence[str], folder: str = FOLDER) -> None:
        self._runner = runner
        self._config = config
        self._load = load
        self._parent = folder
        self._cluster = cluster
        self._folder = f"{folder}/{cluster}"
        self._unit = f"baremetal-dsr-take-back-{cluster}"

    @property
    def pending(self) -> bool:
        """A change was made that nobody has confirmed."""
        return os.path.exists(f"{self._folder}/former")

    @property
    def taken(self) -> bool:
        """The former configuration was put back."""
        return os.path.exists(f"{self._folder}/taken")

    def check_alone(self) -> None:
        """DsrError if another cluster's change of this router is pending: to take it back would take ours back, too."""
        for former in sorted(glob.glob(f"{glob.escape(self._parent)}/*/former")):
            folder = os.path.dirname(former)
            if folder != self._folder and not os.path.exists(f"{folder}/taken"):
                other = os.path.basename(folder)
                raise DsrError(
                    f"cluster {self._cluster}",
                    f"a change of cluster {other} on this router waits to be confirmed or taken back, which would take"
                    " this one back as well",
                    f"Run the playbook of cluster {other} again, or wait until it is taken back: router_take_back (120"
                    " by default) seconds after it was made",
                )

    def sessions(self) -> list[str]:
        """The neighbors that must be up again before the change may be confirmed."""
        try:
            with open(f"{self._folder}/sessions", encoding="utf-8") as file:
                return [str(each) for each in json.load(file)]
        except (OSError, ValueError):
            return []

    def arm(self, former: str, sessions: Iterable[str], seconds: int) -> None:
        """Put the former text back after so many seconds. Of two changes in a row the text before the first is kept."""
        self._runner.require("systemd-run")
        if self.taken:
            self.disarm()
        if not self.pending:
            self._runner.write(["install", "--directory", "--mode=0700", self._parent, self._folder])
            self._install("sessions", json.dumps(sorted(sessions)) + "\n")
            self._install("former", former)
        self._stop()
        self._runner.write(
            [
                "systemd-run",
                "--quiet",
                "--collect",
                f"--unit={self._unit}",
                "--description=Put the former configuration of the router back",
                f"--on-active={seconds}",
                "--timer-property=AccuracySec=100ms",
                "/bin/sh",
                "-c",
                self._script(),
            ]
        )

    def disarm(self) -> None:
        """The change stays."""
        self._stop()
        self._runner.write(["rm", "--recursive", "--force", self._folder])
        self._runner.write(["rmdir", "--ignore-fail-on-non-empty", self._parent])

    def undo(self) -> None:
        """Put the former configuration back now."""
        self._stop()
        self._runner.write(["/bin/sh", "-c", self._script()])
        self.disarm()

    def was_taken(self, missing: Iterable[str]) -> DsrError:
        """The error for a change that was not confirmed in time."""
        down = ", ".join(sorted(missing))
        return DsrError(
            f"file {self._config}",
            "its change was taken back"
            + (f": the sessions with {down} did not come back" if down else ", as it was not confirmed in time"),
            "Read the daemon's log; a longer router_take_back helps where sessions need more time",
        )

    def _install(self, name: str, text: str) -> None:
        self._runner.write(["install", "--mode=0600", "/dev/stdin", f"{self._folder}/{name}"], text)

    def _stop(self) -> None:
        """A transient timer that is stopped is gone."""
        self._runner.run(["systemctl", "stop", f"{self._unit}.timer"], None, writes=True)

    def _script(self) -> str:
        copy = ["cp", "--", f"{self._folder}/former", self._config]
        mark = ["touch", f"{self._folder}/taken"]
        return f"{shlex.join(copy)} && {shlex.join(mark)} && exec {shlex.join(self._load)}"
