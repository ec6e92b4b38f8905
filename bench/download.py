# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a download over TCP.

Usage: python3 -m bench.download serve            (in the pod: sends as many bytes as the client asks for)
       python3 -m bench.download fetch            (in the client: reads lines "ADDRESS BYTES", prints seconds)
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Final

PORT: Final = 80
_CHUNK: Final = bytes(1 << 16)
_PATIENCE: Final = 60.0


def serve() -> None:
    with socket.create_server(("0.0.0.0", PORT)) as listener:
        print("ready", flush=True)
        while True:
            connection, _peer = listener.accept()
            with connection:
                left = int(connection.recv(64))
                while left > 0:
                    left -= connection.send(_CHUNK[: min(left, len(_CHUNK))])


def fetch(address: str, size: int) -> float:
    """Seconds from the first packet to the last byte."""
    begin = time.perf_counter()
    with socket.create_connection((address, PORT), _PATIENCE) as connection:
        connection.sendall(str(size).encode())
        got, buffer = 0, bytearray(1 << 16)
        while count := connection.recv_into(buffer):
            got += count
    seconds = time.perf_counter() - begin
    if got != size:
        raise SystemExit(f"{got} of {size} bytes came")
    return seconds


def main(what: str) -> None:
    os.sched_setaffinity(0, {0})
    if what == "serve":
        serve()
    for line in sys.stdin:
        address, size = line.split()
        print(fetch(address, int(size)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
