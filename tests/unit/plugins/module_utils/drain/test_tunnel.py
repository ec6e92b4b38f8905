# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real sockets of this machine's loopback; the mark, which only root may set, is noted instead."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.drain.tunnel import parse_targets, probe
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def target(port: int, vip: str = "127.0.0.1", mark: int = 2) -> dict[str, Any]:
    return {"vip": vip, "port": port, "mark": mark}


def test_every_target_is_asked_with_its_mark(port: int) -> None:
    marks: list[int] = []
    given = parse_targets([target(port), target(port, mark=4)])
    assert probe(given, ["2001:db8::1", "127.0.0.2", "127.0.0.1"], 5, lambda _sock, mark: marks.append(mark)) == 2
    assert sorted(marks) == [2, 4]


def test_connections_come_from_the_first_address_of_the_family() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = parse_targets([target(server.getsockname()[1])])
        probe(given, ["127.0.0.2", "127.0.0.3"], 5, lambda _sock, _mark: None)
        assert server.accept()[1][0] == "127.0.0.2"


def test_no_answer_is_told(port: int, closed: int) -> None:
    given = parse_targets([target(port), *[target(closed)] * 7])
    with pytest.raises(DsrError) as told:
        probe(given, ["127.0.0.1"], 5, lambda _sock, _mark: None)
    said = str(told.value)
    assert f"7 of 8 got no answer: 127.0.0.1:{closed}: ECONNREFUSED; " in said
    assert " and 2 more. Run site.yml" in said


def test_mark_that_may_not_be_set_is_told(port: int) -> None:
    def refused(_sock: socket.socket, _mark: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(DsrError, match="EPERM"):
        probe(parse_targets([target(port)]), ["127.0.0.1"], 5, refused)


def test_nothing_to_ask() -> None:
    assert probe([], [], 5) == 0


@pytest.mark.parametrize(
    ("given", "sources", "message"),
    [
        (target(80, vip="web"), [], "'web' is not an IP address"),
        (target(0), [], "target 127.0.0.1, port"),
        (target(80, mark=0), [], "target 127.0.0.1, mark"),
        (target(80), ["node"], "'node' is not an IP address"),
        (target(80, vip="2001:db8:f::1"), ["127.0.0.1"], "is IPv6, but none of the sources is"),
    ],
)
def test_bad_input(given: dict[str, Any], sources: list[str], message: str) -> None:
    with pytest.raises(DsrError, match=message):
        probe(parse_targets([given]), sources, 5, lambda _sock, _mark: None)
