# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running daemons: which commands they are asked, and what their silence means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp import bird, bird_config, frr
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import (
    ESTABLISHED,
    Export,
    Report,
    Session,
    with_bfd,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

_HOST_ROUTES = "(net.type = NET_IP4 && net.len = 32) || (net.type = NET_IP6 && net.len = 128)"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_BFD = "There is no BFD protocol running"
_NO_LONGER_UP = ("No valid tables", "which aren't accepting exports", "is not up", "CF_SYM_UNDEFINED")
_AT_ONCE = 100
"""Commands per call of vtysh."""


class BirdDaemon:
    """The BIRD at one control socket, asked by a birdc that may only look.

    config: text of its configuration file, the only place that tells of passwords and TTL security; None if unknown.
    """

    def __init__(self, runner: Runner, socket: str, config: str | None) -> None:
        self._runner = runner
        self._socket = socket
        self._config = config

    def report(self) -> Report:
        self._runner.require("birdc")
        status = self._show("status")
        sessions = bird.parse_sessions(self._show("protocols", "all"), bird.parse_clock(status))
        bfd = bird.parse_bfd(self._bfd())
        exports: dict[str, list[Export]] = {}
        for each in sessions:
            if each.state == ESTABLISHED and each.prefixes_sent:
                exports.setdefault(each.neighbor, []).extend(self._exports(each.name))
        return Report("bird", bird.parse_version(status), self._secured(with_bfd(sessions, bfd)), bfd, exports)

    def _bfd(self) -> str:
        """The long form came with BIRD 2.14; the short one lacks the multiplier."""
        for words in (("bfd", "sessions", "all"), ("bfd", "sessions")):
            result = self._ask(*words)
            if result.rc == 0:
                return result.out
            if _NO_BFD in result.out:
                return ""
        raise self._failed(result, *words)

    def _exports(self, name: str) -> list[Export]:
        quoted = name if _PLAIN_NAME.fullmatch(name) else f"'{name}'"
        words = ("route", "where", _HOST_ROUTES, "export", quoted, "all")
        result = self._ask(*words)
        if result.rc == 0:
            return bird.parse_exports(result.out)
        if any(each in result.out for each in _NO_LONGER_UP):
            return []
        raise self._failed(result, *words)

    def _secured(self, sessions: list[Session]) -> list[Session]:
        known = {} if self._config is None else bird_config.parse_security(self._config)
        return [replace(each, **known[each.name]._asdict()) if each.name in known else each for each in sessions]

    def _show(self, *words: str) -> str:
        result = self._ask(*words)
        if result.rc != 0:
            raise self._failed(result, *words)
        return result.out

    def _ask(self, *words: str) -> Result:
        return self._runner.run(["birdc", "-r", "-s", self._socket, "show", *words], None, writes=False)

    def _failed(self, result: Result, *words: str) -> DsrError:
        said = _one_line(result.err + " " + result.out)
        item = f"BIRD at {self._socket}"
        if "No such file or directory" in said:
            return DsrError(
                item,
                "there is no such socket, so BIRD does not run or listens elsewhere",
                "Start it, or name its socket",
            )
        if "Connection refused" in said:
            return DsrError(
                item, "nobody listens on the socket, so BIRD has ended", "Start it; its log tells why it ended"
            )
        if "Permission denied" in said:
            return DsrError(item, "this user may not use the socket", "Run the task with become: true")
        return DsrError(item, f"'show {' '.join(words)}' failed: {said}", "Read its log")


class FrrDaemon:
    """The FRR of this machine, its default VRF, asked through vtysh."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def report(self) -> Report:
        if not self._runner.has("vtysh"):
            raise DsrError("command vtysh", "not found on this machine", "Install the package frr")
        neighbors = self._show("show bgp neighbors json")
        config = self._config()
        guarded = None if config is None else frr.parse_guarded(config)
        sessions = frr.parse_sessions(neighbors, guarded)
        bfd = frr.parse_bfd(self._bfd())
        version = None if config is None else frr.parse_version(config)
        return Report("frr", version, with_bfd(sessions, bfd), bfd, self._exports(sessions))

    def _config(self) -> str | None:
        """The running configuration of bgpd. It holds passwords, so no error may ever quote it."""
        result = self._ask(["show running-config bgpd no-header"])
        return result.out if result.rc == 0 else None

    def _bfd(self) -> str:
        result = self._ask(["show bfd peers json"])
        if result.rc == 0:
            return result.out
        if "bfdd is not running" in result.out + result.err:
            return ""
        raise self._failed(result, "show bfd peers json")

    def _exports(self, sessions: Sequence[Session]) -> dict[str, list[Export]]:
        asked = [
            (each.neighbor, f"show bgp {family} unicast neighbors {each.name} advertised-routes detail json")
            for each in sessions
            if each.state == ESTABLISHED and each.prefixes_sent
            for family in each.families
            if family in ("ipv4", "ipv6")
        ]
        found: dict[str, list[Export]] = {}
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            text = self._show(*(command for _neighbor, command in part))
            documents = frr.parse_documents(text, part[0][1])
            if len(documents) != len(part):
                raise DsrError("FRR", "its sessions changed while they were read", "Run again")
            for (neighbor, _command), document in zip(part, documents):
                found.setdefault(neighbor, []).extend(frr.parse_exports(document))
        return found

    def _show(self, *commands: str) -> str:
        result = self._ask(commands)
        if result.rc != 0:
            raise self._failed(result, commands[0])
        return result.out

    def _ask(self, commands: Sequence[str]) -> Result:
        words = [word for command in commands for word in ("-c", command)]
        return self._runner.run(["vtysh", *words], None, writes=False)

    def _failed(self, result: Result, command: str) -> DsrError:
        said = _one_line(result.err + " " + result.out)
        if "bgpd is not running" in said:
            return DsrError("FRR", "bgpd does not run", "Set bgpd=yes in /etc/frr/daemons and restart frr")
        if "failed to connect to any daemons" in said:
            return DsrError(
                "FRR", "no daemon answers vtysh", "Start the service frr, or run the task with become: true"
            )
        return DsrError("FRR", f"`{command}` failed: {said[:500]}", "Read its log")


def _one_line(text: str) -> str:
    return " ".join(text.split())
