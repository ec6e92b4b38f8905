# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the client: keeps COUNT TCP connections to each VIP open and asks on each of them, over and over.

A question is an HTTP POST whose body has as many bytes as the number of the question says; the answer must tell that
size, the same pod as before, and a peer that is this connection. One question at a time is on its way on a connection.
A connection counts as broken when it is reset or closed, when an answer takes longer than --patience, or is wrong.

When all are open it prints "ready" and in the same line as JSON what they are: [{"vip", "port", "pod", "node"}, ...].
When its input ends it asks once more on each connection and prints a line of JSON, times in seconds:

{"rounds": answers of the connection that got the fewest, "alive", "broken": ["VIP from port at pod: reason"],
 "longest_gap": between two answers of one connection, "longest_wait": from a question to its answer,
 "most_retransmissions": of what was sent between a question and its answer, "lag": how late this program itself came,
 "new": {"opened", "failed": [{"at", "vip", "reason"}], "longest_wait"},
 "flows": [{"vip", "port", "pod", "node", "answers", "longest_wait", "waited_at", "most_retransmissions", "broken",
            "broke_at"}]}

Connections that broke do not count in the maxima; "broken" of a flow is "" or the reason. Points in time are seconds of
CLOCK_BOOTTIME, as in /proc/uptime.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

AT_ONCE = 32
"""Connections that are being opened at the same time."""
SIZES = 61
TCP_INFO_BYTES, TOTAL_RETRANSMISSIONS = 104, 100
"""How much of struct tcp_info is read, and where tcpi_total_retrans is in it."""
SAID = ("peer", "peer_port", "pod", "node")


class Broken(Exception):
    """The connection is of no more use; says why."""


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Flow:
    """One connection; nothing of it blocks."""

    def __init__(self, vip: str, port: int) -> None:
        self.vip = vip
        self.socket = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked: float | None = now()
        """When the question was asked, or the connection begun, that has no answer yet."""
        self.connected = False
        self.said: dict[str, Any] = {}
        self.sequence = self.answers = 0
        self.longest_gap = self.longest_wait = self.waited_at = self.answered = 0.0
        self.most_retransmissions = self._retransmissions = 0
        self.broken, self.broke_at = "", 0.0
        self._buffer = b""
        error = self.socket.connect_ex((vip, port))
        if error not in (0, 115):  # EINPROGRESS
            raise Broken(os.strerror(error))

    def begin(self) -> None:
        """The socket is writable: it is connected, or never will be. Ask for the first time."""
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Broken(os.strerror(error))
        self.connected = True
        begun = self.asked
        self.ask()
        self.asked = begun

    def ask(self) -> None:
        self.sequence += 1
        self.asked = now()
        body = b"x" * self._size()
        try:
            self.socket.sendall(b"POST / HTTP/1.1\r\nHost: flow\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except OSError as error:
            raise Broken(error.strerror or str(error)) from error

    def take(self) -> bool:
        """Read what came; whether that was the end of an answer."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Broken(error.strerror or str(error)) from error
        if not data:
            raise Broken("closed by the pod")
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = _content_length(head)
        if not separator or len(rest) < length:
            return False
        self._buffer = rest[length:]
        self._check(rest[:length])
        self._measure()
        return True

    def forget(self) -> None:
        """What was measured so far, which was the opening."""
        self.longest_wait = self.answered = 0.0
        self.most_retransmissions = 0

    def end(self) -> dict[str, Any]:
        """What it is."""
        return {"vip": self.vip, "port": self.said["peer_port"], "pod": self.said["pod"], "node": self.said["node"]}

    def summary(self) -> dict[str, Any]:
        return {
            **self.end(),
            "answers": self.answers,
            "longest_wait": round(self.longest_wait, 3),
            "waited_at": round(self.waited_at, 2),
            "most_retransmissions": self.most_retransmissions,
            "broken": self.broken,
            "broke_at": round(self.broke_at, 2),
        }

    def name(self) -> str:
        return "{vip} from port {port} at {pod}".format(**self.end())

    def _size(self) -> int:
        return 1 + self.sequence % SIZES

    def _check(self, body: bytes) -> None:
        try:
            answer = json.loads(body)
            told = {key: answer[key] for key in SAID}
            size = answer["received"]
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(f"an answer that is none: {body[:80]!r}") from error
        if self.asked is None or size != self._size():
            raise Broken(f"the answer to another question: {size} bytes, not {self._size()}")
        self.said = self.said or told
        if told != self.said:
            raise Broken(f"answered {told} after {self.said}")
        if told["peer_port"] != self.socket.getsockname()[1]:
            raise Broken(f"the pod saw port {told['peer_port']}")

    def _measure(self) -> None:
        assert self.asked is not None
        at = now()
        self.answers += 1
        if at - self.asked > self.longest_wait:
            self.longest_wait, self.waited_at = at - self.asked, self.asked
        if self.answered:
            self.longest_gap = max(self.longest_gap, at - self.answered)
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        total = struct.unpack_from("=I", info, TOTAL_RETRANSMISSIONS)[0]
        self.most_retransmissions = max(self.most_retransmissions, total - self._retransmissions)
        self.answered, self.asked, self._retransmissions = at, None, total


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Pace:
    """Something done once per period; what was missed is made up for."""

    def __init__(self, period: float, action: Callable[[], None]) -> None:
        self.period, self.action = period, action
        self.due = now() + period

    def run(self) -> float:
        """Do what is due; seconds by which that was late."""
        at = now()
        late = max(at - self.due, 0.0)
        while self.due <= at:
            self.due += self.period
            self.action()
        return late


class Client:
    """All connections and the loop that serves them."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.flows: list[Flow] = []
        self.opening: set[Flow] = set()
        self.fresh: set[Flow] = set()
        """Connections that ask once and go."""
        self.failed: list[dict[str, Any]] = []
        self.opened = 0
        self.longest_new = self.lag = 0.0
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._turn = 0

    def main(self) -> None:
        count, vips = self.asked.count, self.asked.vips
        wanted = deque(vip for _number in range(count) for vip in vips)
        self._open(wanted)
        print("ready", json.dumps([flow.end() for flow in self.flows]), flush=True)
        self._ask_until_told()
        self._ask_for_the_last_time()
        print(json.dumps(self._result()), flush=True)

    def _open(self, wanted: deque[str]) -> None:
        sweep = Pace(1.0, self._sweep)
        while wanted or self.opening:
            while wanted and len(self.opening) < AT_ONCE:
                self.opening.add(self._connect(wanted.popleft()))
            self._serve([sweep])
            for flow in [flow for flow in self.opening if flow.broken]:
                raise SystemExit(f"{flow.vip}: no connection: {flow.broken}")

    def _ask_until_told(self) -> None:
        paces = [Pace(1.0, self._sweep)]
        if not self.asked.idle:
            paces.append(Pace(self.asked.every / len(self.flows), self._ask_next))
        if self.asked.new:
            paces.append(Pace(1 / self.asked.new, self._open_fresh))
        while not self._serve(paces):
            pass

    def _ask_for_the_last_time(self) -> None:
        """Spread as before, so that what is measured then is nothing else."""
        self._selector.unregister(sys.stdin)
        left = deque(flow for flow in self.flows if not flow.broken)
        period = (1.0 if self.asked.idle else self.asked.every) / len(self.flows)
        paces = [Pace(1.0, self._sweep), Pace(period, lambda: self._ask_one_of(left))]
        while left or self.fresh or any(flow.asked is not None and not flow.broken for flow in self.flows):
            self._serve(paces)

    def _ask_one_of(self, left: deque[Flow]) -> None:
        while left:
            flow = left.popleft()
            if flow.asked is not None and not flow.broken:
                left.append(flow)
                return
            if not flow.broken:
                self._guarded(flow, Flow.ask)
                return

    def _ask_next(self) -> None:
        flow = self.flows[self._turn % len(self.flows)]
        self._turn += 1
        if not flow.broken and flow.asked is None:
            self._guarded(flow, Flow.ask)

    def _open_fresh(self) -> None:
        vip = self.asked.vips[self.opened % len(self.asked.vips)]
        self.opened += 1
        try:
            self.fresh.add(self._connect(vip))
        except (Broken, OSError) as error:
            self.failed.append({"at": round(now(), 2), "vip": vip, "reason": str(error)})

    def _connect(self, vip: str) -> Flow:
        flow = Flow(vip, self.asked.port)
        self._selector.register(flow.socket, selectors.EVENT_WRITE, flow)
        return flow

    def _serve(self, paces: Sequence[Pace]) -> bool:
        """One turn of the loop; whether it was told to end."""
        timeout = max(min(pace.due for pace in paces) - now(), 0)
        told = False
        for key, _events in self._selector.select(timeout):
            if key.data is None:
                told = True
            else:
                self._guarded(key.data, self._attend)
        self.lag = max([self.lag, *(pace.run() for pace in paces)])
        return told

    def _attend(self, flow: Flow) -> None:
        if not flow.connected:
            flow.begin()
            self._selector.modify(flow.socket, selectors.EVENT_READ, flow)
        elif flow.take():
            if flow in self.opening:
                self.opening.remove(flow)
                self.flows.append(flow)
                flow.forget()
            elif flow in self.fresh:
                self.fresh.remove(flow)
                self.longest_new = max(self.longest_new, flow.longest_wait)
                self._close(flow)

    def _guarded(self, flow: Flow, action: Callable[[Flow], None]) -> None:
        try:
            action(flow)
        except Broken as error:
            self._give_up(flow, str(error))

    def _give_up(self, flow: Flow, reason: str) -> None:
        flow.broken, flow.broke_at = reason, now()
        if flow in self.fresh:
            self.fresh.remove(flow)
            self.failed.append({"at": round(now(), 2), "vip": flow.vip, "reason": reason})
        self._close(flow)

    def _close(self, flow: Flow) -> None:
        self._selector.unregister(flow.socket)
        flow.socket.close()

    def _sweep(self) -> None:
        limit = now() - self.asked.patience
        for flow in [*self.flows, *self.fresh, *self.opening]:
            if not flow.broken and flow.asked is not None and flow.asked < limit:
                self._give_up(flow, f"no answer within {self.asked.patience:g} s")

    def _result(self) -> dict[str, Any]:
        alive = [flow for flow in self.flows if not flow.broken]
        return {
            "rounds": min((flow.answers - 1 for flow in alive), default=0),
            "alive": len(alive),
            "broken": [f"{flow.name()}: {flow.broken}" for flow in self.flows if flow.broken],
            "longest_gap": round(max((flow.longest_gap for flow in alive), default=0), 3),
            "longest_wait": round(max((flow.longest_wait for flow in alive), default=0), 3),
            "most_retransmissions": max((flow.most_retransmissions for flow in alive), default=0),
            "lag": round(self.lag, 3),
            "new": {"opened": self.opened, "failed": self.failed, "longest_wait": round(self.longest_new, 3)},
            "flows": [flow.summary() for flow in self.flows],
        }


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flows.py")
    parser.add_argument("count", type=int, metavar="COUNT", help="connections to each VIP")
    parser.add_argument("vips", nargs="+", metavar="VIP")
    parser.add_argument("--every", type=float, help="seconds between two questions on a connection")
    parser.add_argument("--patience", type=float, default=15.0, help="seconds to wait for an answer")
    parser.add_argument("--new", type=float, default=0.0, help="connections to open each second that ask once")
    parser.add_argument("--idle", action="store_true", help="ask when a connection opens and at the end only")
    parser.add_argument("--port", type=int, default=80)
    asked = parser.parse_args(argv)
    if asked.every is None:
        asked.every = 0.2 + 0.02 * asked.count * len(asked.vips)
    return asked


if __name__ == "__main__":
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        Client(parse(sys.argv[1:])).main()
    except Broken as broken:
        sys.exit(f"no connection: {broken}")
