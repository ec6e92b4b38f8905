# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report of this machine: which daemon is asked, what it says, and what the kernel does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.daemons import BirdDaemon, FrrDaemon
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.fib import read_fib
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

SPEAKER_SOCKET = "/run/baremetal-dsr/bird.ctl"
SPEAKER_CONFIG = "/etc/bird/baremetal-dsr.conf"
BIRD_SOCKET = "/run/bird/bird.ctl"
BIRD_CONFIG = "/etc/bird/bird.conf"
_CONFIGS = {SPEAKER_SOCKET: SPEAKER_CONFIG, BIRD_SOCKET: BIRD_CONFIG}


def info(
    runner: Runner,
    *,
    provider: str,
    socket: str | None,
    config: str | None,
    vips: Iterable[object],
    pools: Iterable[object],
) -> dict[str, Any]:
    """The result of the module bgp_info.

    provider: auto | bird | frr. socket, config: of BIRD; None for the usual ones.
    """
    if provider == "frr" and (socket or config):
        raise DsrError("option socket", "names a socket or file of BIRD, but provider is frr", "Leave it out")
    routes = read_fib(runner, vips, pools)
    if provider == "auto":
        provider = _provider(runner, socket or config)
    if provider == "frr":
        report = FrrDaemon(runner).report()
    else:
        socket = socket or (BIRD_SOCKET if _only_packaged_bird() else SPEAKER_SOCKET)
        report = BirdDaemon(runner, socket, _read_config(socket, config)).report()
    return {**report.result(), "routes": routes}


def _provider(runner: Runner, named: str | None) -> str:
    """Where both daemons are installed, the one that answers; FRR if both or none do."""
    if named or os.path.exists(SPEAKER_SOCKET):
        return "bird"
    frr, bird = runner.has("vtysh"), runner.has("birdc")
    if frr and bird:
        return "bird" if not _frr_answers(runner) and _bird_answers(runner) else "frr"
    if frr or bird:
        return "frr" if frr else "bird"
    raise DsrError(
        "BGP daemon",
        "there is none on this machine: neither birdc nor vtysh is found",
        "Apply the role baremetal.dsr.speaker to a node or baremetal.dsr.router to a router first",
    )


def _frr_answers(runner: Runner) -> bool:
    """Without bgpd, vtysh answers as well, that it does not run."""
    return runner.run(["vtysh", "-c", "show bgp neighbors json"], None, writes=False).out.lstrip().startswith("{")


def _bird_answers(runner: Runner) -> bool:
    return runner.run(["birdc", "-r", "-s", BIRD_SOCKET, "show", "status"], None, writes=False).rc == 0


def _only_packaged_bird() -> bool:
    return os.path.exists(BIRD_SOCKET) and not os.path.exists(SPEAKER_SOCKET)


def _read_config(socket: str, named: str | None) -> str | None:
    """Text of BIRD's configuration file; None if it cannot be read and nobody named it."""
    path = named or _CONFIGS.get(socket)
    if not path:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        if not named:
            return None
        raise DsrError(f"file {path}", f"cannot be read: {error.strerror}", "Name BIRD's configuration file") from error
