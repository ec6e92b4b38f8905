# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the configuration of the node's own BIRD to what is wanted, and back if that ends sessions."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.configuration import ends, mark, marked, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import Watch, established, joined
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_MODE = 0o640
_SPARE = 30
"""Seconds more than the wait after which BIRD goes back by itself, should this process be killed in between."""
_SETTLE = 1
"""Seconds that BIRD gets to end what a new configuration ends."""


@dataclass(frozen=True)
class ConfigFile:
    """A file that its owner may write, and its group, that of BIRD's user, may read.

    program: the bird that checks it.
    """

    path: str
    owner: str
    group: str
    program: str


@dataclass(frozen=True)
class Change:
    """From what is there to the configuration wanted.

    current: the file, None if there is none. right: whether owner, group and mode are. read: whether the running BIRD
    goes by the configuration wanted; None if it does not run. up: names of its sessions that are up.
    """

    content: str
    current: str | None
    right: bool
    read: bool | None
    up: frozenset[str]
    restart: bool = False

    @property
    def file_differs(self) -> bool:
        return self.current != marked(self.content) or not self.right

    @property
    def changed(self) -> bool:
        return self.file_differs or self.read is False or self.restart

    @property
    def diff(self) -> dict[str, str]:
        """Texts without a secret, that differ whenever the configuration does."""
        before, after = shown(self.current or ""), shown(self.content)
        if before == after and (self.current or "") != marked(self.content):
            before += "\n# another password, or without the mark"
        if not self.file_differs and self.read is False:
            before += "\n# BIRD has not read this file yet"
        return {"before": before, "after": after}

    @property
    def to_come_back(self) -> frozenset[str]:
        """Sessions that are up and that the configuration wanted has too."""
        return self.up & ends(self.content).security.keys()


def plan(file: ConfigFile, bird: Bird, content: str, *, restart: bool) -> Change:
    """What a run would do. Changes nothing."""
    read = bird.defines(mark(content))
    up = established(bird.sessions())
    return Change(content, _read(file.path), _is_right(file), read, up, restart)


def apply(
    runner: Runner, file: ConfigFile, bird: Bird, change: Change, watch: Watch, *, unit: str, seconds: int
) -> None:
    """Check, write, load, look whether the sessions come back; else put the former file back, and fail."""
    if change.file_differs:
        _stage(runner, file, marked(change.content))
        _put(runner, file)
    if change.restart:
        runner.write(["systemctl", "daemon-reload"])
        runner.write(["systemctl", "restart", unit])
    elif change.read is None:
        return
    else:
        try:
            bird.configure(seconds + _SPARE)
        except DsrError:
            _take_back(runner, file, change)
            raise
    down = watch.until_up(seconds, change.to_come_back, settle=_SETTLE)
    if down and change.file_differs and change.current is not None:
        raise _undone(runner, file, bird, change, watch, seconds)
    if not change.restart:
        bird.confirm()
    if down:
        raise DsrError(
            f"BIRD with the file {file.path}",
            f"has read it again, and sessions did not come back in {seconds} s: {', '.join(down)}",
            joined(watch.diagnoses(ends(change.content))),
        )


def _undone(runner: Runner, file: ConfigFile, bird: Bird, change: Change, watch: Watch, seconds: int) -> DsrError:
    """Go back to the former file; the error that tells so."""
    reasons = joined(watch.diagnoses(ends(change.content)))
    _take_back(runner, file, change)
    bird.configure()
    down = watch.until_up(seconds, change.to_come_back, settle=_SETTLE)
    still = f", but still down are {', '.join(down)}" if down else " and the sessions are up again"
    return DsrError(
        f"file {file.path}",
        f"ended sessions that did not come back in {seconds} s; the former file is back{still}",
        reasons,
    )


def _stage(runner: Runner, file: ConfigFile, text: str) -> None:
    """Put the new file beside the old one, with its owner and mode, and let BIRD check it."""
    fresh = _fresh(file)
    owner = [f"--owner={file.owner}", f"--group={file.group}", f"--mode={_MODE:04o}"]
    runner.write(["install", *owner, "--no-target-directory", "/dev/stdin", fresh], text)
    result = runner.run([file.program, "-p", "-c", fresh], None, writes=False)
    if result.rc != 0:
        runner.write(["rm", "--force", fresh])
        raise DsrError(
            f"file {file.path}",
            f"BIRD would refuse it: {shown(' '.join((result.err + result.out).split()))}",
            "Correct the variables of the role speaker; nothing was changed",
        )


def _put(runner: Runner, file: ConfigFile) -> None:
    runner.write(["mv", "--force", "--no-target-directory", _fresh(file), file.path])


def _take_back(runner: Runner, file: ConfigFile, change: Change) -> None:
    """Put the text back that was there before. One that BIRD had not read would be no way back, but it was there."""
    if change.file_differs and change.current is not None:
        _stage(runner, file, change.current)
        _put(runner, file)


def _is_right(file: ConfigFile) -> bool:
    try:
        found = os.lstat(file.path)
        wanted = (_MODE, pwd.getpwnam(file.owner).pw_uid, grp.getgrnam(file.group).gr_gid)
    except FileNotFoundError:
        return False
    except KeyError:
        return True  # install tells of a user or group that is not there
    return stat.S_ISREG(found.st_mode) and (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == wanted


def _fresh(file: ConfigFile) -> str:
    return f"{file.path}.new"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DsrError(f"file {path}", f"cannot be read: {error.strerror}", "Mend it and run again") from error
