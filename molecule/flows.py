# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the client: keeps TCP connections to VIPs open and asks on each of them, one after the other, over and over.

Usage: flows.py [--idle] COUNT VIP...   With --idle it asks only when a connection opens and once more at the end.

When all are open it prints "ready" and in the same line as JSON what they are: [{"vip", "port", "pod", "node"}, ...].
When its input ends it prints a line of JSON:
{"rounds", "alive", "broken": ["VIP from port at pod: reason"], "longest_gap": seconds between two answers of one flow}.
A connection that answers from another pod than before, or whose pod saw another peer, counts as broken.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

PATIENCE = 15.0
REQUEST = b"GET / HTTP/1.1\r\nHost: flow\r\n\r\n"


class Flow:
    """One connection and what its pod said of it first."""

    def __init__(self, vip: str) -> None:
        self.socket = socket.create_connection((vip, 80), PATIENCE)
        self.stream = self.socket.makefile("rb")
        self.longest_gap = 0.0
        self.answer = self.ask()
        self.end = {"vip": vip, "port": self.socket.getsockname()[1], **self.answer}
        self.name = f"{vip} from port {self.end['port']} at {self.answer['pod']}"
        self.answered = time.monotonic()

    def ask(self) -> dict[str, object]:
        self.socket.sendall(REQUEST)
        length = 0
        while (line := self.stream.readline()) != b"\r\n":
            if not line:
                raise ConnectionError("closed by the pod")
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return dict(json.loads(self.stream.read(length)))

    def check(self) -> None:
        answer = self.ask()
        if answer != self.answer:
            raise ConnectionError(f"answered {answer} after {self.answer}")
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self.answered)
        self.answered = now


def main(count: int, vips: list[str], idle: bool) -> None:
    flows = [Flow(vip) for vip in vips for _number in range(count)]
    gaps = flows[:]
    broken: list[str] = []
    rounds = 0
    print("ready", json.dumps([flow.end for flow in flows]), flush=True)
    over = False
    while not over:
        over = bool(select.select([sys.stdin], [], [], None if idle else 0)[0])
        for flow in flows[:]:
            try:
                flow.check()
            except (OSError, ValueError) as error:
                broken.append(f"{flow.name}: {error}")
                flows.remove(flow)
        rounds += 1
        time.sleep(0.2)
    longest = max(flow.longest_gap for flow in gaps)
    print(json.dumps({"rounds": rounds, "alive": len(flows), "broken": broken, "longest_gap": round(longest, 2)}))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--idle"]
    main(int(words[0]), words[1:], "--idle" in sys.argv)
