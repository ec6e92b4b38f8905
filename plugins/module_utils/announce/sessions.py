# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for BGP sessions, and looks at what keeps those down that do not come up."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.configuration import Ends
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.diagnosis import COUNTERS, Facts, diagnose
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird_config import Security
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import ESTABLISHED, Session
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_BGP = 179
_TRY = 2.0
"""Seconds that a connection may take."""


def established(sessions: Collection[Session] | None) -> frozenset[str]:
    """Names of the sessions that are up."""
    return frozenset(each.name for each in sessions or () if each.state == ESTABLISHED)


class Watch:
    """Looks at the sessions of a BIRD, once a second, and remembers what it takes to tell why one is down."""

    def __init__(
        self,
        runner: Runner,
        bird: Bird,
        *,
        pause: Callable[[float], None] = time.sleep,
        connect: Callable[[str, str], bool] | None = None,
        netstat: str = "/proc/net/netstat",
    ) -> None:
        self._runner, self._bird, self._pause, self._netstat = runner, bird, pause, netstat
        self._connect = connect or connects
        self._counted: Mapping[str, int] = {}
        self._states: dict[str, list[str]] = {}
        self._sessions: list[Session] = []
        self._down: list[Session] = []

    def until_up(self, seconds: int, names: Collection[str] | None = None, *, settle: int = 0) -> list[str]:
        """Names of the sessions that are still down after so many seconds; the wait ends when there are none.

        names: those that are waited for; None: all that there are. settle: seconds before the first look, in which BIRD
        may end sessions.
        """
        self._counted, self._states, self._down = self._counters(), {}, []
        if settle and names:
            self._pause(settle)
        missing: list[str] = []
        for second in range(seconds + 1):
            if second:
                self._pause(1)
            self._sessions = self._bird.sessions() or []
            wanted = {each.name for each in self._sessions} if names is None else set(names)
            missing = sorted(wanted - established(self._sessions))
            self._down = [each for each in self._sessions if each.name in missing]
            if not missing:
                break
            for each in self._down:
                self._states.setdefault(each.name, []).append(each.state)
        return missing

    @property
    def sessions(self) -> list[Session]:
        """All sessions, as until_up() saw them last."""
        return self._sessions

    def diagnoses(self, configured: Ends) -> list[DsrError]:
        """Why those are down that until_up() returned."""
        now = self._counters()
        counted = {name: now.get(name, 0) - self._counted.get(name, 0) for name in COUNTERS}
        return [diagnose(self._facts(each, configured, counted)) for each in self._down]

    def _facts(self, session: Session, configured: Ends, counted: Mapping[str, int]) -> Facts:
        silent = set(self._states[session.name][-3:]) == {"connect"}
        security = configured.security.get(session.name, Security())
        source = configured.sources.get(session.name)
        plain = self._connect(source, session.neighbor) if silent and security.password and source else None
        return Facts(
            session,
            silent=silent,
            unreachable=self._unreachable(session.neighbor),
            open_without_password=plain,
            password=security.password,
            ttl_security=security.ttl_security,
            counted=counted,
        )

    def _unreachable(self, address: str) -> bool:
        result = self._runner.run(["ip", "-json", "neigh", "show", "to", address], None, writes=False)
        return result.rc == 0 and is_unreachable(result.out)

    def _counters(self) -> dict[str, int]:
        try:
            with open(self._netstat, encoding="ascii", errors="replace") as file:
                return parse_counters(file.read())
        except OSError:
            return {}


def look(watch: Watch, seconds: int, prefixes: Collection[str], configured: Ends) -> list[str]:
    """What is wrong with the sessions that carry these prefixes, after a wait; empty if they are up.

    DsrError if an IP version of the prefixes has sessions, and not one of them is up.
    """
    watch.until_up(seconds)
    versions = sorted({6 if ":" in each else 4 for each in prefixes})
    carried = {version: [each for each in watch.sessions if f"ipv{version}" in each.families] for version in versions}
    reasons = [str(each) for each in watch.diagnoses(configured)]
    cut_off = [version for version in versions if carried[version] and not established(carried[version])]
    if cut_off:
        families = " and ".join(f"IPv{version}" for version in cut_off)
        raise DsrError(
            "BGP sessions of this node",
            f"none is up that carries {families}, so no router sends to its VIPs",
            "\n".join(reasons),
        )
    return reasons + [
        f"No router of this node has an IPv{version} session, so nobody can reach its IPv{version} VIPs over it."
        for version in versions
        if not carried[version]
    ]


def is_unreachable(neigh: str) -> bool:
    """Whether `ip -json neigh show to ADDRESS` says that nobody answered for the address."""
    try:
        entries = json.loads(neigh or "[]")
    except ValueError:
        return False
    states = [state for each in entries if isinstance(each, dict) for state in each.get("state") or ()]
    return bool(states) and set(states) <= {"FAILED", "INCOMPLETE"}


def parse_counters(netstat: str) -> dict[str, int]:
    """The counters of COUNTERS in /proc/net/netstat; those that the kernel does not have are missing."""
    lines = [line.split() for line in netstat.splitlines() if line.startswith("TcpExt:")]
    if len(lines) != 2:
        return {}
    return {name: int(value) for name, value in zip(*lines) if name in COUNTERS and value.isdecimal()}


def connects(source: str, address: str) -> bool:
    """Whether a router takes a TCP connection that carries no password. It is closed at once.

    With the greatest TTL, as a router with TTL security (GTSM) wants it.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    hops = (socket.IPPROTO_IP, socket.IP_TTL)
    if family == socket.AF_INET6:
        hops = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(_TRY)
        one.setsockopt(*hops, 255)
        one.bind((source, 0))
        one.connect((address, _BGP))
        return True
    return False


def joined(errors: Sequence[DsrError]) -> str:
    """All diagnoses, a line each."""
    return "\n".join(str(each) for each in errors)
