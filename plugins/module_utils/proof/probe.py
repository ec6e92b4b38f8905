# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to VIPs, as a client makes them, and who answered."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

MAX_CONNECTIONS = 500
_WORKERS = 16
_MAX_ANSWER = 65536
_DATAGRAM = b"baremetal.dsr probe\n"
_PEER_LINE = re.compile(rb"(?im)^\s*(?:peer|remote[ _-]?addr(?:ess)?|client[ _-]?addr(?:ess)?)\s*[:=]\s*(\S+)")


@dataclass(frozen=True)
class Target:
    """A port of a VIP. protocol: tcp or udp."""

    vip: str
    protocol: str
    port: int


@dataclass
class Flow:
    """One connection. address, port: the client's own end. error: empty if it was answered.

    peer: the client's address as the application says it saw it; pod, node: who it says it is. Empty if it does not.
    """

    address: str = ""
    port: int = 0
    error: str = ""
    peer: str = ""
    pod: str = ""
    node: str = ""
    sock: socket.socket | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "port": self.port,
            "answered": not self.error,
            "error": self.error,
            "peer": self.peer,
            "pod": self.pod,
            "node": self.node,
        }


def parse_targets(values: Sequence[dict[str, Any]]) -> list[Target]:
    """Targets from module options; DsrError naming the first that cannot be one."""
    targets = []
    for value in values:
        try:
            vip = str(ipaddress.ip_address(value["vip"]))
        except ValueError:
            raise DsrError(
                f"target '{value['vip']}'", "is not an IP address", "Give the VIP as a plain IPv4 or IPv6 address"
            ) from None
        if not 1 <= value["port"] <= 65535:
            raise DsrError(f"target {vip}", f"port {value['port']} is out of range", "Give a port from 1 to 65535")
        targets.append(Target(vip, value["protocol"], value["port"]))
    return targets


def probe(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Probe each of params["targets"] with params["connections"] connections, each given params["timeout"] seconds."""
    targets = parse_targets(params["targets"])
    connections, timeout = params["connections"], params["timeout"]
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise DsrError(
            "option connections", f"{connections} is out of range", f"Give a value from 1 to {MAX_CONNECTIONS}"
        )
    if not 0 < timeout <= 60:
        raise DsrError("option timeout", f"{timeout} is out of range", "Give seconds, more than 0 and at most 60")
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        return [probe_target(pool, target, connections, timeout) for target in targets]


def probe_target(pool: ThreadPoolExecutor, target: Target, connections: int, timeout: float) -> dict[str, Any]:
    """What became of that many connections to the target.

    Their sockets stay open until all are done, so that no two of them share a source port.
    """
    ask = _ask_tcp if target.protocol == "tcp" else _ask_udp
    flows = list(pool.map(lambda _number: _run(ask, target, timeout), range(connections)))
    for flow in flows:
        if flow.sock is not None:
            flow.sock.close()
    return {
        "vip": target.vip,
        "protocol": target.protocol,
        "port": target.port,
        "sent": len(flows),
        "answered": sum(not flow.error for flow in flows),
        "errors": dict(Counter(flow.error for flow in flows if flow.error)),
        "flows": [flow.as_dict() for flow in flows],
    }


def _run(ask: Any, target: Target, timeout: float) -> Flow:
    flow = Flow()
    kind = socket.SOCK_STREAM if target.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        flow.sock = socket.socket(socket.AF_INET6 if ":" in target.vip else socket.AF_INET, kind)
        flow.sock.settimeout(timeout)
        _read_answer(flow, ask(flow.sock, target, timeout))
    except socket.timeout:
        flow.error = f"no answer within {timeout:g} s"
    except OSError as error:
        flow.error = os.strerror(error.errno).lower() if error.errno else str(error)
    if flow.sock is not None:
        flow.address, flow.port = flow.sock.getsockname()[:2]
    return flow


def _ask_tcp(sock: socket.socket, target: Target, timeout: float) -> bytes:
    """Whatever comes back after a small HTTP request; once connected, nothing that goes wrong is an error."""
    sock.connect((target.vip, target.port))
    answer = b""
    try:
        host = f"[{target.vip}]" if ":" in target.vip else target.vip
        sock.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        deadline = time.monotonic() + timeout
        while len(answer) < _MAX_ANSWER:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            part = sock.recv(_MAX_ANSWER)
            if not part:
                break
            answer += part
    except OSError:
        pass
    return answer


def _ask_udp(sock: socket.socket, target: Target, timeout: float) -> bytes:
    """The reply to a datagram, sent twice more in the time there is."""
    sock.connect((target.vip, target.port))
    tries = 3
    sock.settimeout(timeout / tries)
    for attempt in range(tries):
        sock.send(_DATAGRAM)
        try:
            return sock.recv(_MAX_ANSWER)
        except socket.timeout:
            if attempt == tries - 1:
                raise
    return b""


def _read_answer(flow: Flow, answer: bytes) -> None:
    """Take what the application says about the connection, if it says anything of the kind."""
    said = _json_object(answer)
    if said is not None:
        flow.peer = _plain_address(str(said.get("peer", "")))
        flow.pod = str(said.get("pod", ""))
        flow.node = str(said.get("node", ""))
        return
    line = _PEER_LINE.search(answer)
    if line:
        flow.peer = _plain_address(line.group(1).decode("ascii", "replace"))


def _json_object(answer: bytes) -> dict[str, Any] | None:
    start = answer.find(b"{")
    if start < 0:
        return None
    try:
        said = json.JSONDecoder().raw_decode(answer[start:].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _plain_address(text: str) -> str:
    """The address in "address", "address:port" or "[address]:port"; empty if there is none."""
    bracketed = re.match(r"\[([^\]]+)\]", text)
    for candidate in (bracketed.group(1) if bracketed else text, text.rpartition(":")[0]):
        try:
            address = ipaddress.ip_address(candidate.partition("%")[0])
        except ValueError:
            continue
        return str(getattr(address, "ipv4_mapped", None) or address)
    return ""
