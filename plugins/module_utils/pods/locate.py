# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find network namespaces by the addresses in them: no container runtime is asked, so any runtime will do."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import DEVICES
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_LEAF = re.compile(r"^[\s|+]*\|-- (\d{1,3}(?:\.\d{1,3}){3})\s*$")
_LOCAL = re.compile(r"^\s*/32 host LOCAL\s*$")
_INET6 = re.compile(r"^([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ +(\S+)\s*$")
_COUNTERS = re.compile(r"^\s*([^\s:|]+):\s*(\d+)\s+(\d+)(?:\s+\d+){2,}\s*$")
_FILES = ("fib_trie", "if_inet6", "dev")


@dataclass(frozen=True)
class Paths:
    """Where the machine shows its namespaces; tests point it at a tree of their own."""

    proc: str = "/proc"
    handles: tuple[str, ...] = ("/run/netns", "/var/run/netns")


@dataclass(frozen=True)
class Received:
    """Counters of a device since its creation."""

    bytes: int
    packets: int


@dataclass(frozen=True)
class Contents:
    """What /proc tells of a namespace without entering it."""

    addresses: frozenset[str]
    received: Mapping[str, Received]


@dataclass(frozen=True)
class Namespace:
    """A network namespace. paths: all ways into it, named handles before processes, best first."""

    inode: int
    paths: tuple[str, ...]
    contents: Contents

    @property
    def has_devices(self) -> bool:
        """Whether a device named like ours is in it."""
        return not DEVICES.isdisjoint(self.contents.received)


def parse_contents(text: str) -> Contents:
    """Local host addresses and device counters out of fib_trie, if_inet6 and dev, in any order; the rest is skipped."""
    addresses: set[str] = set()
    received: dict[str, Received] = {}
    leaf = ""
    for line in text.splitlines():
        found = _LEAF.match(line)
        if found:
            leaf = found.group(1)
        elif leaf and _LOCAL.match(line):
            _add(addresses, leaf)
        else:
            _device_line(line, addresses, received)
    return Contents(frozenset(addresses), received)


def _device_line(line: str, addresses: set[str], received: dict[str, Received]) -> None:
    found = _INET6.match(line)
    if found:
        if found.group(2) not in DEVICES:
            _add(addresses, str(ipaddress.IPv6Address(int(found.group(1), 16))))
        return
    found = _COUNTERS.match(line)
    if found:
        received[found.group(1)] = Received(int(found.group(2)), int(found.group(3)))


def _add(addresses: set[str], text: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    if not (address.is_loopback or address.is_link_local):
        addresses.add(str(address))


def scan(runner: Runner, paths: Paths) -> tuple[Namespace, ...]:
    """Every network namespace of this machine except our own, by inode. What vanishes meanwhile is left out."""
    own = os.stat(os.path.join(paths.proc, "self", "ns", "net"))
    handles = {inode: ways for inode, ways in _handles(paths.handles, own.st_dev).items() if inode != own.st_ino}
    processes = {inode: pids for inode, pids in _processes(paths.proc).items() if inode != own.st_ino}
    found = []
    for inode in sorted(handles.keys() | processes.keys()):
        ways, pids = handles.get(inode, []), processes.get(inode, [])
        contents = _read_process(paths.proc, pids) or _read_handle(runner, ways)
        if contents is not None:
            entries = [os.path.join(paths.proc, str(pid), "ns", "net") for pid in pids]
            found.append(Namespace(inode, (*ways, *entries), contents))
    return tuple(found)


def _handles(folders: Sequence[str], device: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for folder in dict.fromkeys(os.path.realpath(folder) for folder in folders):
        for name in _listing(folder):
            path = os.path.join(folder, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            if status.st_dev == device:
                found.setdefault(status.st_ino, []).append(path)
    return found


def _processes(proc: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in sorted(int(name) for name in _listing(proc) if name.isdecimal()):
        try:
            inode = os.stat(os.path.join(proc, str(pid), "ns", "net")).st_ino
        except OSError:
            continue
        found.setdefault(inode, []).append(pid)
    return found


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read_process(proc: str, pids: Sequence[int]) -> Contents | None:
    for pid in pids:
        texts = [_text(os.path.join(proc, str(pid), "net", name)) for name in _FILES]
        if any(texts):
            return parse_contents("\n".join(texts))
    return None


def _text(path: str) -> str:
    """Content of a file, empty when it is gone or the kernel has no such table (IPv6 off)."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _read_handle(runner: Runner, handles: Sequence[str]) -> Contents | None:
    for handle in handles:
        argv = ["nsenter", f"--net={handle}", "cat", *(f"/proc/net/{name}" for name in _FILES)]
        text = runner.run(argv, None, writes=False).out
        if text:
            return parse_contents(text)
    return None


@contextmanager
def held_open(namespace: Namespace) -> Iterator[str | None]:
    """A path into the namespace that stays true; None if it is gone.

    The open descriptor pins the namespace: neither a dying process nor a reused pid or handle name can lead a later
    command into another one.
    """
    for path in namespace.paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.fstat(descriptor).st_ino == namespace.inode:
                yield f"/proc/{os.getpid()}/fd/{descriptor}"
                return
        finally:
            os.close(descriptor)
    yield None
