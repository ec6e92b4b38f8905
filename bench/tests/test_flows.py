# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's connections against the pods' own application, and against pods that fail in each way."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
FLOWS = REPOSITORY / "bench/failover/flows.py"
ANSWERS = 3
"""How many of them a connection gets before its pod does what it does."""

Misdeed = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


def answer(writer: asyncio.StreamWriter, size: int, pod: str = "web-1", **more: Any) -> None:
    peer, peer_port = writer.get_extra_info("peername")[:2]
    told = {"peer": peer, "peer_port": peer_port, "pod": pod, "node": "n1", "received": size, **more}
    body = json.dumps(told).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _size: int) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _size: int) -> None:
    writer.close()


async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _size: int) -> None:
    await asyncio.sleep(30)


async def be_another_pod(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    answer(writer, size, pod="web-2")


async def answer_another_question(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    answer(writer, size + 1)


async def see_another_port(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    answer(writer, size, peer_port=1)


async def talk_nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")


async def answer_late(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    await asyncio.sleep(0.7)
    answer(writer, size)


class Pod:
    """A server on 127.0.0.1; every `bad`-th connection ends in the misdeed."""

    def __init__(self, misdeed: Misdeed | None = None, bad: int = 2) -> None:
        self.misdeed, self.bad = misdeed, bad
        self.served = self.port = 0
        self.listening: asyncio.base_events.Server | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        bad, answers = self.served % self.bad == 0, 0
        try:
            while await reader.readuntil(b"Content-Length: "):
                size = int(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(size)
                answers += 1
                if bad and self.misdeed and answers > ANSWERS:
                    await self.misdeed(reader, writer, size)
                else:
                    answer(writer, size)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def start(self) -> None:
        self.listening = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.listening.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """Every connection taken so far is served: asyncio loses those it took in the turn of the close."""
        assert self.listening
        asyncio.get_running_loop().remove_reader(self.listening.sockets[0].fileno())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.listening.close()


@contextmanager
def running(pod: Pod) -> Iterator[Pod]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(pod.start(), loop).result(5)
    yield pod
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


@contextmanager
def kept(port: int, *words: str) -> Iterator[dict[str, Any]]:
    """Connections to 127.0.0.1 while the block lasts; afterwards the dict is their result."""
    command = [sys.executable, "-I", str(FLOWS), "--port", str(port), *words, "127.0.0.1"]
    result: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ready, _space, word = process.stdout.readline().partition(" ")
        assert ready == "ready"
        result["ends"] = json.loads(word)
        yield result
        result.update(json.loads(process.communicate(timeout=30)[0]))


def test_connections_that_live_have_all_their_answers_and_none_is_broken() -> None:
    with running(Pod()) as pod, kept(pod.port, "--every=0.2", "--new=20", "10") as result:
        assert [end["pod"] for end in result["ends"]] == ["web-1"] * 10
        time.sleep(1)
    assert result["broken"] == [] and result["alive"] == 10
    assert result["rounds"] >= 4
    assert 0 < result["longest_wait"] < result["longest_gap"] >= 0.2
    assert result["new"]["opened"] >= 15 and result["new"]["failed"] == []
    assert pod.served == 10 + result["new"]["opened"]


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        (reset, "Connection reset by peer"),
        (close, "closed by the pod"),
        (say_nothing, "no answer within 1 s"),
        (be_another_pod, "answered {"),
        (answer_another_question, "the answer to another question"),
        (see_another_port, "answered {"),
        (talk_nonsense, "an answer that is none"),
    ],
)
def test_every_kind_of_break_is_seen_on_the_connections_that_have_it(misdeed: Misdeed, reason: str) -> None:
    with running(Pod(misdeed)) as pod, kept(pod.port, "--every=0.1", "--patience=1", "10") as result:
        time.sleep(1)
    assert len(result["broken"]) == 5 == result["alive"]
    assert all(f": {reason}" in text and text.startswith("127.0.0.1 from port") for text in result["broken"]), result
    marked = [flow for flow in result["flows"] if flow["broken"]]
    assert len(marked) == 5 and all(flow["broke_at"] > 0 and flow["answers"] == ANSWERS for flow in marked)


def test_a_late_answer_is_a_wait_and_no_break() -> None:
    with running(Pod(answer_late, bad=10)) as pod, kept(pod.port, "--every=0.1", "10") as result:
        time.sleep(1.2)
    assert result["broken"] == []
    assert 0.7 <= result["longest_wait"] < 5
    assert sorted(flow["longest_wait"] > 0.6 for flow in result["flows"]) == [False] * 9 + [True]


def test_new_connections_that_nobody_takes_fail_and_the_old_ones_live_on() -> None:
    with running(Pod()) as pod, kept(pod.port, "--every=0.1", "--new=20", "4") as result:
        assert pod.listening
        time.sleep(0.3)
        asyncio.run_coroutine_threadsafe(pod.stop_listening(), pod.listening.get_loop()).result(5)
        time.sleep(0.7)
    assert result["broken"] == [] and result["alive"] == 4
    failed = result["new"]["failed"]
    assert 5 <= len(failed) < result["new"]["opened"]
    reasons = [each["reason"] for each in failed]
    assert reasons.count("Connection refused") >= 5
    # What the kernel had taken for the pod when it closed is reset.
    assert set(reasons) <= {"Connection refused", "Connection reset by peer"}


def test_idle_connections_ask_in_the_beginning_and_in_the_end() -> None:
    with running(Pod()) as pod, kept(pod.port, "--idle", "3") as result:
        time.sleep(1)
    assert [flow["answers"] for flow in result["flows"]] == [2, 2, 2]


def test_the_last_question_is_asked_after_the_event() -> None:
    """On connections that were not asked while it lasted."""
    with running(Pod()) as pod, kept(pod.port, "--every=2", "3") as result:
        pass
    assert result["alive"] == 3 and [flow["answers"] for flow in result["flows"]] == [2, 2, 2]


def test_nobody_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-I", str(FLOWS), "--port", str(port), "2", "127.0.0.1"]
    done = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert "127.0.0.1: no connection: Connection refused" in done.stderr


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the lab's pods run, on a port of this test."""
    spec = importlib.util.spec_from_file_location("pod_application", REPOSITORY / "lab/guest/pod_application.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("POD_NAME", "web-1")
    monkeypatch.setenv("NODE_NAME", "n1")
    return module


def test_the_application_of_the_labs_pods_answers_these_questions(application: Any) -> None:
    class Real(Pod):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await application.serve_http(reader, writer)

    with running(Real()) as pod, kept(pod.port, "--every=0.1", "--new=10", "5") as result:
        time.sleep(0.5)
    assert result["broken"] == [] and result["new"]["failed"] == []
    assert {flow["node"] for flow in result["flows"]} == {"n1"}
