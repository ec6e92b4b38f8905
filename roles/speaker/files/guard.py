# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node: withdraws its VIPs while its steering or IPVS tables are gone, and when the machine shuts down.

It knows nothing of the plan. What is announced stands in the file of VIPs that BIRD includes, and what must be there
for it the kernel shows, by the names and numbers that the collection gives all that it makes. So a change of settings
needs no change here, and a run of site.yml, which makes before it breaks, never looks like a loss.

To withdraw, it keeps the file's text in a folder of its own and takes the routes out of the file. The first line says
that it was the guard: as long as it stands there, nobody else has written the file since, and what was kept comes back
when the tables do. Whoever writes the file (the module baremetal.dsr.announcement) takes over.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable

HEADER = "# Written by baremetal-dsr-guard: the tables of this node are gone, so no VIP is announced.\n"
RULE_PROTOCOL = "78"
"""The routing protocol number of all rules and routes of the collection."""
JUMPS = {"raw": "DSR-RAW", "mangle": "DSR-MARK"}
NO_SUCH_SET = NO_SUCH_TABLE = "does not exist"
READINGS, PAUSE = 3, 0.2
"""How often, and how many seconds apart, the tables must look gone before they count as gone: a listing may be torn."""
STEADY = 3
"""How many checks in a row must find the tables before the VIPs come back."""

REREAD = 10.0
"""Seconds for which a good reading holds while the kernel tells of no change. Legacy rules change untold."""
REREAD_SETS = 2.0
"""The same for sets, of whose changes the kernel never tells."""
NETLINK_NETFILTER = 12
NOTICES = ((0, (7, 8, 11, 19)), (NETLINK_NETFILTER, (7,)))
"""Netlink protocols and groups (rtnetlink.h, nfnetlink.h): IPv4 routes and rules, IPv6 routes and rules; nftables."""

_ROUTE = re.compile(r"^\s*route\s+([0-9A-Fa-f.:]+)/[0-9]{1,3}\s", re.MULTILINE)
_SERVICE = re.compile(r"^(?:FWM\s+([0-9A-Fa-f]+)|[A-Z]+\s)")

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class Unknown(Exception):
    """A tool failed: the tables may be there or not."""


def run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a tool, which gets no more than some seconds."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unknown(f"{argv[0]}: {error}") from error


def families(text: str) -> list[int]:
    """IP versions of the VIPs in a file of VIPs, none if it announces nothing."""
    return sorted({6 if ":" in address else 4 for address in _ROUTE.findall(text)})


def without_routes(text: str) -> str:
    """The file with everything but its VIPs, so that no protocol of BIRD comes or goes, and the guard's first line."""
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("#") and not _ROUTE.match(line)]
    return HEADER + "".join(kept)


def is_held_back(text: str) -> bool:
    """Whether the guard was the last to write this file of VIPs."""
    return text.startswith(HEADER)


class Notices:
    """The kernel's notices of changed rules, routes and nftables; iptables-nft writes to the latter."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._deaf = False
        for protocol, groups in NOTICES:
            try:
                one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
                one.bind((0, sum(1 << (group - 1) for group in groups)))
            except OSError as error:
                log(f"the kernel tells of no changes, so all tables are read at every look: {error}")
                self._deaf = True
            else:
                self._sockets.append(one)

    def any(self) -> bool:
        """Whether there were any since the last question. True where the kernel tells of none."""
        heard = [_heard(one) for one in self._sockets]
        return self._deaf or any(heard)


def _heard(one: socket.socket) -> bool:
    heard = False
    for _notice in range(1000):
        try:
            one.recv(65536)
        except BlockingIOError:
            return heard
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # more than the socket could hold
                return True
        heard = True
    return heard


class Tables:
    """What the kernel holds for the VIPs of an IP version. Cheap enough to be asked each second.

    What was found holds until the kernel tells of a change, and for REREAD seconds at most. The list of IPVS, of whose
    changes it does not tell, is looked at every time, the sets of VIPs after REREAD_SETS seconds. changed: whether it
    told of any since the last question.
    """

    def __init__(
        self, tool: Run = run, ip_vs: str = "/proc/net/ip_vs", changed: Callable[[], bool] = lambda: True
    ) -> None:
        self._run = tool
        self._ip_vs = ip_vs
        self._changed = changed
        self._ranges: dict[int, list[tuple[int, int]]] = {}
        self._holds_until = 0.0
        self._sets_hold_until = 0.0

    def missing(self, versions: Sequence[int]) -> str | None:
        """What is not there, in a few words; None if everything is. Unknown if a tool fails."""
        changed = self._changed()
        if not changed and time.monotonic() < self._holds_until and self._still_filled(versions):
            return None
        self._holds_until = 0.0
        missing = self._read(versions)
        if missing is None:
            self._holds_until = time.monotonic() + REREAD
            self._sets_hold_until = time.monotonic() + REREAD_SETS
        return missing

    def _still_filled(self, versions: Iterable[int]) -> bool:
        if not all(version in self._ranges and self._shown(version, self._ranges[version]) for version in versions):
            return False
        if time.monotonic() < self._sets_hold_until:
            return True
        self._sets_hold_until = time.monotonic() + REREAD_SETS
        return all(self._holds_vips(version) for version in versions)

    def _read(self, versions: Iterable[int]) -> str | None:
        self._ranges = {}
        for version in versions:
            ranges = self._delivered(version)
            if not ranges:
                return f"IPv{version} rule that delivers marked packets"
            self._ranges[version] = ranges
            if not self._served(version, ranges):
                return f"IPv{version} services of IPVS"
            for table, chain in JUMPS.items():
                if not self._leads_into(version, table, chain):
                    return f"IPv{version} rules of chain {chain} in table {table}"
            if not self._holds_vips(version):
                return f"ipset dsr-vip{version}"
        return None

    def _delivered(self, version: int) -> list[tuple[int, int]]:
        """(mark, mask) of our rules whose table delivers packets to this machine."""
        found = []
        local: dict[str, bool] = {}
        for rule in self._listed(["ip", f"-{version}", "-N", "-json", "rule", "show"]):
            table, mark = str(rule.get("table")), rule.get("fwmark")
            if str(rule.get("protocol")) != RULE_PROTOCOL or mark is None or table == "None":
                continue
            if table not in local:
                local[table] = self._delivers(version, table)
            if local[table]:
                found.append((int(str(mark), 0), int(str(rule.get("fwmask", "0xffffffff")), 0)))
        return found

    def _delivers(self, version: int, table: str) -> bool:
        argv = ["ip", f"-{version}", "-N", "-json", "route", "show", "table", table]
        done = self._run(argv)
        if done.returncode != 0 and NO_SUCH_TABLE in done.stderr:
            return False
        _check(argv, done)
        return any(
            route.get("dst") == "default" and str(route.get("type")) in ("local", "2") for route in _items(argv, done)
        )

    def _listed(self, argv: Sequence[str]) -> list[dict[str, Any]]:
        return _items(argv, self._require(argv))

    def _served(self, version: int, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether a service of one of these ranges of marks has a destination of this IP version.

        The kernel's own list costs next to nothing where the first service will do, but it may miss one. So what it
        does not show ipvsadm is asked for.
        """
        if self._shown(version, ranges):
            return True
        if not os.path.exists(self._ip_vs):  # the module is not loaded, and ipvsadm would load it
            return False
        return _has_destination(self._require(["ipvsadm", "-L", "-n"]).stdout.splitlines(), 10, version, ranges)

    def _shown(self, version: int, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether the kernel's own list has such a destination."""
        try:
            with open(self._ip_vs, encoding="ascii", errors="replace") as lines:
                return _has_destination(lines, 16, version, ranges)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Unknown(f"{self._ip_vs}: {error}") from error

    def _leads_into(self, version: int, table: str, chain: str) -> bool:
        saved = self._require(["iptables-save" if version == 4 else "ip6tables-save", "-t", table]).stdout.splitlines()
        reached = any(line.startswith("-A PREROUTING ") and line.endswith(f"-j {chain}") for line in saved)
        return reached and any(line.startswith(f"-A {chain} ") for line in saved)

    def _holds_vips(self, version: int) -> bool:
        done = self._run(["ipset", "list", "-terse", f"dsr-vip{version}"])
        if done.returncode != 0 and NO_SUCH_SET in done.stderr:
            return False
        _check(["ipset"], done)
        return "Number of entries: 0\n" not in done.stdout

    def _require(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = self._run(argv)
        _check(argv, done)
        return done


def _has_destination(lines: Iterable[str], base: int, version: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """base: that of the marks."""
    ours = False
    for line in lines:
        service = _SERVICE.match(line)
        if service:
            mark = int(service[1] or "0", base)
            ours = service[1] is not None and any(mark & mask == wanted for wanted, mask in ranges)
        elif ours and line.startswith("  -> ") and ("[" in line) == (version == 6):
            return True
    return False


def _check(argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise Unknown(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")


def _items(argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    try:
        return [item for item in json.loads(done.stdout or "[]") if isinstance(item, dict)]
    except ValueError as error:
        raise Unknown(f"{' '.join(argv)} printed no JSON") from error


class Announcement:
    """The file of VIPs and the BIRD that includes it, and the text that is kept while they are held back.

    BIRD's user may write the folder of the file, so nothing there is followed, and what is kept is kept elsewhere.
    """

    def __init__(self, path: Path, kept: Path, socket: str, tool: Run = run) -> None:
        self._path, self._kept, self._socket, self._run = path, kept, socket, tool
        self._fresh = path.with_name(f"{path.name}.guard")
        self._taken = path.with_name(f"{path.name}.taken")
        if self._taken.exists() and not path.exists():  # killed in between
            os.replace(self._taken, path)
        self.told = not is_held_back(self.text())
        """Whether BIRD has read what the guard wrote last."""

    def text(self) -> str:
        """The file; "" if there is none."""
        return _read(self._path)

    def kept(self) -> str:
        """The text that was there before the VIPs were held back; "" if they are not."""
        return _read(self._kept)

    def hold_back(self) -> bool:
        """Announce nothing, and keep what was announced, unless somebody else writes the file at this moment."""
        text = self.text()
        mine = True
        if families(text):
            _write(self._kept, text)
            mine = self._exchange(without_routes(text), lambda found: found == text)
            if not mine:
                self._kept.unlink()
            self.told = False
        self.tell()
        return mine

    def bring_back(self) -> bool:
        """Announce what was kept, unless somebody else writes the file at this moment."""
        mine = self._exchange(self.kept(), is_held_back)
        self._kept.unlink()
        self.told = False
        self.tell()
        return mine

    def _exchange(self, text: str, expected: Callable[[str], bool]) -> bool:
        """Put text in the place of a file that is as expected. Whoever writes the file meanwhile goes first."""
        _write(self._fresh, text)
        try:
            os.replace(self._path, self._taken)
        except FileNotFoundError:  # somebody removed it
            self._fresh.unlink()
            return False
        mine = expected(_read(self._taken))
        try:
            os.link(self._fresh if mine else self._taken, self._path)
        except FileExistsError:
            mine = False
        for path in (self._fresh, self._taken):
            path.unlink()
        return mine

    def forget(self) -> None:
        """Drop what was kept: somebody else has written the file since."""
        with contextlib.suppress(FileNotFoundError):
            self._kept.unlink()
        self.told = True

    def tell(self) -> None:
        """Let BIRD read the file. One that does not run reads it when it starts."""
        try:
            done = self._run(["birdc", "-s", self._socket, "configure"])
        except Unknown as error:
            log(f"BIRD could not be told: {error}")
            return
        said = done.stdout + done.stderr
        self.told = done.returncode == 0 or "Unable to connect" in said
        if done.returncode != 0:
            log(f"BIRD did not read the file of VIPs: {' '.join(said.split())}")


class Guard:
    """Looks after the announcement, check by check."""

    def __init__(
        self, tables: Tables, announcement: Announcement, drained: Path, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._tables, self._announcement, self._drained, self._sleep = tables, announcement, drained, sleep
        self._steady = 0
        self._said = ""

    def check(self) -> None:
        """One look, and what follows from it."""
        text = self._announcement.text()
        held_back = is_held_back(text)
        if not held_back and self._announcement.kept():
            self._announcement.forget()
            log("the file of VIPs was written anew: what it says counts")
        if held_back and not self._announcement.told:
            self._announcement.tell()
        try:
            if families(text):
                self._watch(families(text))
            elif held_back and self._announcement.kept() and not self._drained.exists():
                self._wait(families(self._announcement.kept()))
            self._said = ""
        except Unknown as error:
            if self._said != str(error):
                log(f"the tables cannot be read: {error}")
            self._said = str(error)

    def _watch(self, versions: Sequence[int]) -> None:
        for reading in range(READINGS):
            if reading:
                self._sleep(PAUSE)
            missing = self._tables.missing(versions)
            if missing is None:
                return
        log(f"withdrawing all VIPs: this node has no {missing} any more")
        self._steady = 0
        if not self._announcement.hold_back():
            log("the file of VIPs was written at this moment: what it says is looked at next")

    def _wait(self, versions: Sequence[int]) -> None:
        self._steady = self._steady + 1 if self._tables.missing(versions) is None else 0
        if self._steady >= STEADY:
            self._steady = 0
            if self._announcement.bring_back():
                log("announcing the VIPs again: the tables of this node are back")


def log(message: str) -> None:
    """To the journal, by systemd."""
    print(message, file=sys.stderr, flush=True)


def shutting_down(tool: Run = run) -> bool:
    """Whether it is the machine that stops, and not only this unit."""
    try:
        return tool(["systemctl", "is-system-running"]).stdout.strip() == "stopping"
    except Unknown:
        return False


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    """Make the file anew; a link that stands in its place is not followed."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)


def main() -> None:
    """Until a signal comes; if the machine shuts down then, withdraw and stay until the routers know."""
    parser = argparse.ArgumentParser(description="Withdraw this node's VIPs while its tables are gone.")
    parser.add_argument("--vips", type=Path, required=True)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--drained", type=Path, required=True)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two checks")
    parser.add_argument("--linger", type=float, default=2.0, help="seconds to stay after the withdrawal at shutdown")
    given = parser.parse_args()
    os.environ.update(LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    announcement = Announcement(given.vips, given.kept, given.socket)
    guard = Guard(Tables(changed=Notices().any), announcement, given.drained)
    while not stop.is_set():
        guard.check()
        stop.wait(given.interval)
    if families(announcement.text()) and shutting_down():
        log("withdrawing all VIPs: the machine shuts down")
        for _try in range(3):
            if announcement.hold_back():
                break
        time.sleep(given.linger)


if __name__ == "__main__":
    main()
