# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the configuration of a managed router to a cluster's peering, and back if that was a mistake."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed import Bird, Router
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.take_back import TakeBack
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_TRIES = 50
_PAUSE = 0.2
_LONGEST = 3600


@dataclass(frozen=True)
class Change:
    """From the present file to the one wanted. differs: how the running daemon differs from that; None: it is down.

    unconfirmed: an earlier run was stopped before it could confirm, so nobody knows how far the daemon got.
    """

    router: Router
    cluster: str
    current: str
    wanted: str
    differs: list[str] | None
    unconfirmed: bool

    @property
    def changed(self) -> bool:
        return self.current != self.wanted or bool(self.differs) or self.unconfirmed

    def result(self) -> dict[str, Any]:
        """What the module returns. Neither text in the diff has a secret."""
        return {
            "changed": self.changed,
            "clusters": self.router.clusters(self.wanted),
            "diff": {"before": self._before(), "after": self._shown(self.wanted)},
        }

    def _shown(self, text: str) -> str:
        return self.router.hidden(self.router.own(text, self.cluster))

    def _before(self) -> str:
        before = self._shown(self.current)
        if self.changed and before == self._shown(self.wanted):
            return before.replace("(hidden)", "(hidden, another one)") + "".join(
                f"{self.router.comment} the running daemon differs: {line}\n" for line in self.differs or ()
            )
        return before


def plan(router: Router, cluster: str, peering: Peering | None, *, unconfirmed: bool = False) -> Change:
    """The change to this peering, or to a router without the cluster. A file that is missing is only fit for that."""
    current = _read(router.path)
    if current is None:
        if peering:
            raise DsrError(f"file {router.path}", "is not there", "Install the routing daemon of the router first")
        current = ""
    wanted = router.text(current, cluster, peering)
    return Change(router, cluster, current, wanted, router.differs(wanted, cluster), unconfirmed)


def apply(
    runner: Runner,
    change: Change,
    take_back: TakeBack,
    *,
    seconds: int,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Check, arm the way back, write, load, look. seconds: until it is taken back if nobody confirms; 0: never."""
    router = change.router
    guarded = seconds > 0 and change.differs is not None
    _stage(runner, router, change.wanted)
    if guarded:
        take_back.arm(change.current, _to_come_back(change), seconds)
    if isinstance(router, Bird):
        _keep_found(runner, router, change)
    runner.write(["mv", "--force", "--no-target-directory", _fresh(router), router.path])
    if change.differs is None:
        return
    try:
        router.reload()
        _verify(change, pause)
    except DsrError:
        if guarded:
            take_back.undo()
        raise


def confirm(router: Router, take_back: TakeBack, pause: Callable[[float], None] = time.sleep) -> bool:
    """Stop the way back once the sessions that were up are up again; False if there was nothing to confirm.

    DsrError if it was too late.
    """
    if not take_back.pending:
        return False
    down: set[str] = set()
    for _each in range(_LONGEST):
        if take_back.taken:
            take_back.disarm()
            raise take_back.was_taken(down)
        down = set(take_back.sessions()) - router.sessions()
        if not down:
            take_back.disarm()
            return True
        pause(1)
    raise take_back.was_taken(down)


def _to_come_back(change: Change) -> list[str]:
    """Neighbors whose session is up and has reason to be so afterwards.

    Where something changes that both ends must agree on, the nodes' own sessions wait until the nodes have it too.
    """
    router = change.router
    before = router.own(change.current, change.cluster)
    after = router.own(change.wanted, change.cluster)
    old, new = router.claims(before), router.claims(after)
    up = router.sessions()
    if not after or router.shared(before) != router.shared(after):
        if old.ranges or new.ranges:
            return []
        return sorted(up - old.neighbors - new.neighbors)
    return sorted(up - (old.neighbors - new.neighbors))


def _stage(runner: Runner, router: Router, text: str) -> None:
    """Put the new file beside the old one, with its owner and mode, and let the daemon's own checker read it."""
    fresh = _fresh(router)
    try:
        found = os.stat(router.path)
    except OSError as error:
        raise DsrError(f"file {router.path}", f"cannot be read: {error.strerror}", "Mend it and run again") from error
    mode = stat.S_IMODE(found.st_mode) & ~0o007 if "password " in text else stat.S_IMODE(found.st_mode)
    owner = [f"--owner={found.st_uid}", f"--group={found.st_gid}"]
    argv = ["install", f"--mode={mode:04o}", *owner, "--no-target-directory", "/dev/stdin", fresh]
    runner.write(argv, text)
    try:
        router.check(fresh)
    except DsrError:
        runner.write(["rm", "--force", fresh])
        raise


def _keep_found(runner: Runner, router: Bird, change: Change) -> None:
    """Keep the package's own file while another one stands in its place, and forget it when it is back."""
    if router.packaged(change.current) and change.wanted != change.current:
        runner.write(["cp", "--preserve", "--", router.path, router.found])
    elif not router.clusters(change.wanted) and router.packaged(change.wanted):
        runner.write(["rm", "--force", router.found])


def _verify(change: Change, pause: Callable[[float], None]) -> None:
    """A daemon that was just started by the reload takes a moment."""
    differs = change.router.differs(change.wanted, change.cluster)
    for _each in range(_TRIES):
        if differs == []:
            return
        pause(_PAUSE)
        differs = change.router.differs(change.wanted, change.cluster)
    raise DsrError(
        f"file {change.router.path}",
        "was loaded, but the daemon does not run" if differs is None else f"was loaded, but not taken: {differs[0]}",
        "Read the log of the daemon; a line that it refuses may clash with your own configuration",
    )


def _fresh(router: Router) -> str:
    return f"{router.path}.baremetal-dsr-new"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DsrError(f"file {path}", f"cannot be read: {error.strerror}", "Mend it and run again") from error
