# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that the speaker needs, and who else holds them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

BFD_PORT = 3784
UNIT = "baremetal-dsr-bird.service"
_LISTEN = "0A"
_WITHOUT_BFD = "Set dsr_bfd: false for all nodes and routers, or let that process end"
_ANOTHER_PORT = "Set another speaker_listen_port for this node, or let that process end"


class Bound(NamedTuple):
    """A socket bound to a port. inode: by which its process is found."""

    address: str
    port: int
    state: str
    inode: int


def port_problems(proc: str, *, bfd: bool, listen_port: int | None, addresses: Collection[str]) -> list[DsrError]:
    """What other processes than the speaker's own hold of its ports. Changes nothing.

    bfd: whether it serves BFD. listen_port: of TCP, on these addresses; None if that does not matter.
    """
    taken: list[tuple[str, str, int]] = []
    if bfd:
        taken += [
            (f"UDP port {BFD_PORT}", _WITHOUT_BFD, each.inode) for each in _bound(proc, "udp") if each.port == BFD_PORT
        ]
    if listen_port is not None:
        taken += [
            (f"TCP port {listen_port}", _ANOTHER_PORT, each.inode)
            for each in _bound(proc, "tcp")
            if each.port == listen_port and each.state == _LISTEN and _meets(each.address, addresses)
        ]
    if not taken:
        return []
    ours = {inode for pid in _pids(proc) if _is_ours(proc, pid) for inode in _sockets(proc, pid)}
    foreign = {inode for _what, _cure, inode in taken} - ours
    owners = _owners(proc, foreign) if foreign else {}
    return list(
        {
            what: DsrError(
                what,
                f"{owners.get(inode, 'a process that cannot be seen here')} holds it, and the speaker needs it",
                cure,
            )
            for what, cure, inode in taken
            if inode in foreign
        }.values()
    )


def parse_sockets(text: str) -> list[Bound]:
    """The lines of /proc/net/tcp, tcp6, udp or udp6."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10:
            continue
        address, _colon, port = words[1].partition(":")
        with contextlib.suppress(ValueError, struct.error):
            found.append(Bound(_address(address), int(port, 16), words[3], int(words[9])))
    return found


def _address(text: str) -> str:
    """The kernel prints words of four bytes, each in the byte order of the machine."""
    packed = b"".join(struct.pack("=I", int(text[start : start + 8], 16)) for start in range(0, len(text), 8))
    return str(ipaddress.ip_address(packed))


def _meets(bound: str, addresses: Collection[str]) -> bool:
    return bound in addresses or ipaddress.ip_address(bound).is_unspecified


def _bound(proc: str, protocol: str) -> list[Bound]:
    return [each for name in (protocol, f"{protocol}6") for each in parse_sockets(_text(f"{proc}/net/{name}"))]


def _pids(proc: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from (name for name in os.listdir(proc) if name.isdecimal())


def _is_ours(proc: str, pid: str) -> bool:
    return any(line.endswith(f"/{UNIT}") for line in _text(f"{proc}/{pid}/cgroup").splitlines())


def _sockets(proc: str, pid: str) -> Iterator[int]:
    """Inodes of the sockets that a process holds."""
    folder = f"{proc}/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError, ValueError):
                kind, _bracket, inode = os.readlink(f"{folder}/{name}").partition(":[")
                if kind == "socket":
                    yield int(inode.rstrip("]"))


def _owners(proc: str, inodes: Collection[int]) -> dict[int, str]:
    """Who holds these sockets: "bird (process 812)"."""
    return {
        inode: f"{_text(f'{proc}/{pid}/comm').strip() or 'a process'} (process {pid})"
        for pid in _pids(proc)
        for inode in _sockets(proc, pid)
        if inode in inodes
    }


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
