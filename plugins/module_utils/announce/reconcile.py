# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the file of VIPs and the running BIRD hold exactly the VIPs wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.files import VipFile
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import addresses, parse_file, render
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_TRIES = 50
_PAUSE = 0.2


@dataclass(frozen=True)
class Announcement:
    """The two places that must agree. text: the file, None if missing; held: BIRD's prefixes, None if it is down."""

    text: str | None
    held: frozenset[str] | None

    @property
    def announced(self) -> frozenset[str]:
        """What the routers hear, or would hear as soon as BIRD starts."""
        return parse_file(self.text or "") if self.held is None else self.held


@dataclass(frozen=True)
class Plan:
    """From the present announcement to the prefixes wanted."""

    current: Announcement
    wanted: frozenset[str]

    @property
    def after(self) -> str:
        """Text of the file afterwards. No file says the same as one without prefixes."""
        return "" if self.current.text is None and not self.wanted else render(self.wanted)

    @property
    def before(self) -> str:
        """Text of the file now; where only BIRD differs (it missed a change), the file that BIRD goes by."""
        if self.file_differs or not self.bird_differs:
            return self.current.text or ""
        return render(self.current.held or ())

    @property
    def file_differs(self) -> bool:
        return (self.current.text or "") != self.after

    @property
    def bird_differs(self) -> bool:
        return self.current.held is not None and self.current.held != self.wanted

    @property
    def changed(self) -> bool:
        return self.file_differs or self.bird_differs

    def result(self) -> dict[str, object]:
        """What the module returns."""
        now = self.current.announced
        return {
            "changed": self.changed,
            "vips": addresses(self.wanted),
            "added": addresses(self.wanted - now),
            "removed": addresses(now - self.wanted),
            "diff": {"before": self.before, "after": self.after},
        }


def plan(current: Announcement, vips: frozenset[str], *, withdraw_only: bool) -> Plan:
    """withdraw_only: keep of what is announced now only what is in vips, and add nothing."""
    return Plan(current, current.announced & vips if withdraw_only else vips)


def reconcile(
    file: VipFile,
    bird: Bird,
    vips: frozenset[str],
    *,
    withdraw_only: bool,
    check_mode: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Plan:
    """Announce exactly these prefixes, or only withdraw what is not among them.

    A BIRD that does not run announces nothing: no hindrance to withdrawing, but an error when VIPs must be announced.
    In check mode it is none either, because a role earlier in the same run may be what starts it.
    """
    current = Announcement(file.read(), bird.announced())
    if current.held is None and not withdraw_only and not check_mode:
        raise bird.not_running()
    todo = plan(current, vips, withdraw_only=withdraw_only)
    if todo.changed and not check_mode:
        _apply(file, bird, todo, pause)
    return todo


def _apply(file: VipFile, bird: Bird, todo: Plan, pause: Callable[[float], None]) -> None:
    if todo.file_differs:
        file.write(todo.after)
    if todo.current.held is not None:
        bird.configure()
        verify(bird, todo.wanted, pause)


def verify(bird: Bird, wanted: frozenset[str], pause: Callable[[float], None]) -> None:
    """DsrError if BIRD does not come to hold exactly these prefixes.

    It starts and ends protocols after it has answered `configure`, so it gets a moment.
    """
    held = bird.announced()
    for _each in range(_TRIES):
        if held == wanted:
            return
        pause(_PAUSE)
        held = bird.announced()
    if held is None:
        raise bird.not_running()
    raise DsrError(
        "BIRD",
        f"took the configuration but lacks {addresses(wanted - held)} and still has {addresses(held - wanted)}",
        "Check that its configuration includes the file of VIPs, and read 'journalctl -u baremetal-dsr-bird'",
    )
