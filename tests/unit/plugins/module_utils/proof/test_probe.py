# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against real sockets on the loopback interface."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.probe import Flow, _read_answer, probe
from hypothesis import given
from hypothesis import strategies as st

Peer = tuple[str, int]


def said(peer: Peer) -> bytes:
    return json.dumps({"peer": peer[0], "peer_port": peer[1], "pod": "web-1", "node": "n1"}).encode()


def http(peer: Peer) -> bytes:
    return b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + said(peer)


@contextmanager
def tcp_server(answer: Callable[[Peer], bytes]) -> Iterator[int]:
    """Answers every connection and closes it; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer(peer[:2]))

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def udp_server(answers: Callable[[int], bool]) -> Iterator[int]:
    """Answers the n-th datagram if answers(n); yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        over = threading.Event()
        sock.settimeout(0.05)

        def serve() -> None:
            number = 0
            while not over.is_set():
                try:
                    _data, peer = sock.recvfrom(65536)
                except socket.timeout:
                    continue
                if answers(number):
                    sock.sendto(said(peer), peer)
                number += 1

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        over.set()
        thread.join()


def run(port: int, protocol: str = "tcp", connections: int = 20, timeout: float = 2, vip: str = "127.0.0.1") -> Any:
    targets = [{"vip": vip, "protocol": protocol, "port": port}]
    return probe({"targets": targets, "connections": connections, "timeout": timeout})[0]


def unused_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_tcp_is_answered_from_as_many_ports() -> None:
    with tcp_server(http) as port:
        found = run(port)
    assert (found["sent"], found["answered"], found["errors"]) == (20, 20, {})
    assert len({flow["port"] for flow in found["flows"]}) == 20
    assert {(flow["address"], flow["peer"], flow["pod"], flow["node"]) for flow in found["flows"]} == {
        ("127.0.0.1", "127.0.0.1", "web-1", "n1")
    }


def test_udp_is_answered_from_as_many_ports() -> None:
    with udp_server(lambda number: True) as port:
        found = run(port, "udp")
    assert (found["answered"], len({flow["port"] for flow in found["flows"]})) == (20, 20)
    assert {flow["pod"] for flow in found["flows"]} == {"web-1"}


def test_udp_tries_again() -> None:
    with udp_server(lambda number: number == 2) as port:
        assert run(port, "udp", connections=1, timeout=1.5)["answered"] == 1


def test_udp_without_answer() -> None:
    with udp_server(lambda number: False) as port:
        found = run(port, "udp", connections=2, timeout=0.3)
    assert (found["answered"], found["errors"]) == (0, {"no answer within 0.3 s": 2})
    assert all(flow["port"] for flow in found["flows"])


def test_a_handshake_is_answer_enough() -> None:
    with tcp_server(lambda peer: b"") as port:
        found = run(port, connections=3)
    assert found["answered"] == 3
    assert {flow["peer"] for flow in found["flows"]} == {""}


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_closed_port(protocol: str, kind: int) -> None:
    found = run(unused_port(kind), protocol, connections=2)
    assert found["errors"] == {"connection refused": 2}
    assert [flow["answered"] for flow in found["flows"]] == [False, False]


def test_ipv6_targets_are_spoken_to_over_ipv6() -> None:
    found = run(unused_port(socket.SOCK_STREAM), vip="::0001", connections=1)
    assert found["vip"] == "::1"
    assert found["answered"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": [{"vip": "web", "protocol": "tcp", "port": 80}]}, "target 'web': is not an IP address"),
        ({"targets": [{"vip": "::1", "protocol": "tcp", "port": 65536}]}, "target ::1: port 65536 is out of range"),
        ({"connections": 0}, "option connections: 0 is out of range"),
        ({"connections": 501}, "Give a value from 1 to 500"),
        ({"timeout": 0}, "option timeout: 0 is out of range"),
        ({"timeout": 61}, "at most 60"),
    ],
)
def test_bad_options(change: dict[str, Any], message: str) -> None:
    good = {"targets": [{"vip": "127.0.0.1", "protocol": "tcp", "port": 80}], "connections": 1, "timeout": 1}
    with pytest.raises(DsrError) as error:
        probe({**good, **change})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("answer", "peer"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"peer": "198.51.100.10", "pod": "web-1"}\n', "198.51.100.10"),
        (b'{"peer": "::ffff:198.51.100.10"}', "198.51.100.10"),
        (b'{"peer": "2001:DB8:C::10"}', "2001:db8:c::10"),
        (b"HTTP/1.1 200 OK\r\n\r\nHostname: x\nRemoteAddr: 198.51.100.10:4711\n", "198.51.100.10"),
        (b"client_address=198.51.100.10\n", "198.51.100.10"),
        (b"remote address: [2001:db8:c::10]:4711", "2001:db8:c::10"),
        (b"peer: somebody", ""),
        (b"{peer}", ""),
        (b"[1, 2]", ""),
        (b"SSH-2.0-OpenSSH_10.0\r\n", ""),
    ],
)
def test_what_the_application_says_of_its_peer(answer: bytes, peer: str) -> None:
    flow = Flow()
    _read_answer(flow, answer)
    assert flow.peer == peer


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: b'{"peer": ' + text.encode()))
def test_no_answer_makes_the_probe_stumble(answer: bytes) -> None:
    flow = Flow()
    _read_answer(flow, answer)
    assert isinstance(flow.peer, str)
