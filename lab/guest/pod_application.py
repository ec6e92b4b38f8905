# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every pod of the lab runs: HTTP on TCP port 80, an echo on UDP port 7007, both telling whom they saw.

GET /          {"peer", "peer_port", "pod", "node"}
GET /bytes/N   N bytes
PUT, POST      the body is read and thrown away; {"received": N, ...}
UDP datagram   {"peer", "peer_port", "pod", "node", "echo"}
Connections are kept alive until the client closes them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import struct

HTTP_PORT = 80
ECHO_PORT = 7007
CHUNK = bytes(65536)
# Linux numbers that the socket module of every Python version does not name.
IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50


def seen(peer: tuple[str, int], **more: object) -> bytes:
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return json.dumps(
        {
            "peer": str(mapped or address),
            "peer_port": peer[1],
            "pod": os.environ.get("POD_NAME", ""),
            "node": os.environ.get("NODE_NAME", ""),
            **more,
        }
    ).encode()


async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer = writer.get_extra_info("peername")
    try:
        while request := await reader.readline():
            method, path = (request.decode("latin-1").split() + ["", ""])[:2]
            length = 0
            while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
                name, _sep, value = line.decode("latin-1").partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            received = 0
            while received < length:
                part = await reader.read(min(65536, length - received))
                if not part:
                    return
                received += len(part)
            if method == "GET" and path.startswith("/bytes/"):
                await send_bytes(writer, int(path[len("/bytes/") :]))
            else:
                more = {} if method == "GET" else {"received": received}
                body = seen(peer, **more) + b"\n"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
            await writer.drain()
            if b"HTTP/1.0" in request:
                return
    except (ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def send_bytes(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    while size > 0:
        writer.write(CHUNK[: min(size, len(CHUNK))])
        size -= len(CHUNK)
        await writer.drain()


def echo_socket(family: socket.AddressFamily) -> socket.socket:
    """A socket that learns which address a datagram was sent to, so that the answer can leave from it.

    A UDP server on a wildcard address that does not do so answers from the pod's own address, and the
    client drops what it never asked. That is the one thing DSR asks of an application.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        sock.bind(("::", ECHO_PORT))
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind(("0.0.0.0", ECHO_PORT))
    sock.setblocking(False)
    return sock


def answer_echo(sock: socket.socket) -> None:
    data, ancillary, _flags, peer = sock.recvmsg(65536, 256)
    answer_from = []
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _interface, _local, destination = struct.unpack("I4s4s", value[:12])
            answer_from.append((level, kind, struct.pack("I4s4s", 0, destination, bytes(4))))
        elif (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            answer_from.append((level, kind, value[:16] + struct.pack("I", 0)))
    text = data.decode("utf-8", "replace")
    try:
        sock.sendmsg([seen(peer[:2], echo=text)], answer_from, 0, peer)
    except OSError:
        pass


async def main() -> None:
    loop = asyncio.get_running_loop()
    for family in (socket.AF_INET, socket.AF_INET6):
        sock = echo_socket(family)
        loop.add_reader(sock, answer_echo, sock)
    server = await asyncio.start_server(serve_http, ["0.0.0.0", "::"], HTTP_PORT, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
