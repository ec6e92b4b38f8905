# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet sockets on all interfaces of this machine and of its pods' network namespaces."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof import bpf
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally

_ETH_P_ALL = 0x0003
_IP_PROTOCOLS = (0x0800, 0x86DD)
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_CLONE_NEWNET = 0x40000000

_RECEIVE_BUFFER = 16 * 1024 * 1024
_SNAP = 256
_BATCH = 512


class Frame(NamedTuple):
    """A packet from its outermost IP header on, and what the kernel said about it."""

    interface: str
    packet_type: int
    data: bytes


class Source(Protocol):
    """Where frames come from; selectable by its file descriptor."""

    def fileno(self) -> int: ...

    def receive(self) -> Frame | None:
        """The next frame waiting, or None when there is none."""

    def dropped(self) -> int:
        """Frames the kernel dropped since the last call, because nobody read them in time."""

    def close(self) -> None: ...


class PacketSocket:
    """AF_PACKET socket on every interface of the network namespace it is opened in; needs root.

    Cooked (SOCK_DGRAM): every kind of interface, Ethernet or tunnel, hands out the packet from its IP header on.
    """

    def __init__(self, vips: frozenset[bytes]) -> None:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        except PermissionError:
            raise DsrError("packet capture", "not permitted", "Run the task as root (become: true)") from None
        except (OSError, AttributeError) as error:
            raise DsrError(
                "packet capture", f"no packet socket: {error}", "Use a Linux kernel with AF_PACKET (module af_packet)"
            ) from None
        self._socket.setblocking(False)
        self._prepare(vips)

    def _prepare(self, vips: frozenset[bytes]) -> None:
        """Room for bursts, and a filter in the kernel: they only spare work, so a refusal is no error."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        instructions = bpf.program(vips)
        if instructions is None:
            return
        code = ctypes.create_string_buffer(bpf.pack(instructions))
        filter_program = struct.pack("HP", len(instructions), ctypes.addressof(code))
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_program)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Frame | None:
        while True:
            try:
                data, (interface, protocol, packet_type, *_link) = self._socket.recvfrom(_SNAP)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                continue
            if protocol in _IP_PROTOCOLS:
                return Frame(interface, packet_type, data)

    def dropped(self) -> int:
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("II", statistics)[1])

    def close(self) -> None:
        self._socket.close()


class NamespaceGone(DsrError):
    """A network namespace that is no longer there."""


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread in the network namespace with that path, such as /proc/4711/ns/net; back in its own afterwards."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            other = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NamespaceGone(
                f"network namespace {namespace}",
                f"cannot be opened: {error.strerror}",
                "The pod may just have ended: run again",
            ) from None
        try:
            _set_namespace(other, namespace)
        finally:
            os.close(other)
        try:
            yield
        finally:
            _set_namespace(home, "of the machine itself")
    finally:
        os.close(home)


def _set_namespace(descriptor: int, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise DsrError(
            f"network namespace {name}",
            f"cannot be entered: {reason}",
            "Run as root on the machine itself, not in a container without CAP_SYS_ADMIN",
        )


def open_sources(vips: frozenset[bytes], namespaces: Mapping[str, str]) -> dict[str, Source]:
    """A packet socket per place: the machine itself, and each pod of namespaces ({place: namespace path}).

    Places whose namespace has gone in the meantime are left out.
    """
    sources: dict[str, Source] = {HOST: PacketSocket(vips)}
    for place, path in namespaces.items():
        try:
            with inside(path):
                sources[place] = PacketSocket(vips)
        except NamespaceGone:
            continue
    return sources


def watch(
    sources: Mapping[str, Source], tally: Tally, stop: Callable[[], bool], seconds: float, tick: float = 0.1
) -> int:
    """Count what the sources deliver until stop() is true (looked at every tick seconds) or the time is over.

    What has arrived by then is still counted. Returns the number of packets that the kernel dropped.
    """
    places = {source.fileno(): (place, source) for place, source in sources.items()}
    poll = select.poll()
    for descriptor in places:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + seconds
    over = False
    while not over:
        over = stop() or time.monotonic() >= deadline
        ready = [places[descriptor] for descriptor, _event in poll.poll(0 if over else tick * 1000)]
        # At the end only what was waiting then: on a busy machine new packets never stop coming.
        _count(ready, tally, rounds=8 if over else 1)
    return sum(source.dropped() for source in sources.values())


def _count(ready: Sequence[tuple[str, Source]], tally: Tally, rounds: int) -> None:
    for place, source in ready:
        for _frame in range(rounds * _BATCH):
            frame = source.receive()
            if frame is None:
                break
            tally.add(place, frame.interface, frame.packet_type, frame.data)
