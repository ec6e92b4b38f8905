# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Contents, Namespace
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.capture import Frame, NamespaceGone, inside, watch
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import address_bytes
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.job import Pod, collect, find_pods, start
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.packets import UDP, ip, udp

VIP = "203.0.113.1"
REQUEST = ip("198.51.100.10", VIP, UDP, udp(40000, 53))


class FakeSource:
    """A packet socket fed by hand; readable as long as something waits."""

    def __init__(self, dropped: int = 0) -> None:
        self._signal, self._reader = os.pipe()[::-1]
        self._waiting: list[Frame] = []
        self._dropped = dropped

    def feed(self, count: int = 1, interface: str = "eth0") -> None:
        self._waiting += [Frame(interface, 0, REQUEST)] * count
        os.write(self._signal, b"x")

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> Frame | None:
        if not self._waiting:
            os.read(self._reader, 65536)
            return None
        return self._waiting.pop(0)

    def dropped(self) -> int:
        return self._dropped

    def close(self) -> None:
        os.close(self._signal)
        os.close(self._reader)


@pytest.fixture
def sources() -> Iterator[dict[str, FakeSource]]:
    made = {HOST: FakeSource(dropped=2), "10.244.1.2": FakeSource(dropped=1)}
    yield made
    for source in made.values():
        source.close()


def counted(tally: Tally) -> dict[str, int]:
    return {entry["place"]: entry["packets"] for entry in tally.entries()}


def test_watch_counts_every_place_until_told_to_stop(sources: dict[str, FakeSource]) -> None:
    tally = Tally(frozenset((address_bytes(VIP),)))
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            sources["10.244.1.2"].feed(2)
        return looks == 4

    sources[HOST].feed(3)
    assert watch(sources, tally, stop, seconds=60, tick=0.01) == 3
    assert counted(tally) == {HOST: 3, "10.244.1.2": 2}


def test_what_waits_when_told_to_stop_is_still_counted(sources: dict[str, FakeSource]) -> None:
    tally = Tally(frozenset((address_bytes(VIP),)))
    sources[HOST].feed(2000)
    watch(sources, tally, lambda: True, seconds=60)
    assert counted(tally) == {HOST: 2000}


def test_watch_ends_by_itself(sources: dict[str, FakeSource]) -> None:
    tally = Tally(frozenset((address_bytes(VIP),)))
    watch(sources, tally, lambda: False, seconds=0.05, tick=0.01)
    assert counted(tally) == {}


def test_a_namespace_that_is_gone() -> None:
    with pytest.raises(NamespaceGone, match="run again"), inside("/proc/self/no-such-namespace"):
        pytest.fail("was entered")


def test_what_is_no_namespace_cannot_be_entered() -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(DsrError, match="cannot be entered"), inside(os.devnull):
        pytest.fail("was entered")
    assert os.readlink("/proc/thread-self/ns/net") == before


def namespace(inode: int, *addresses: str) -> Namespace:
    return Namespace(inode, (f"/proc/{inode}/ns/net",), Contents(frozenset(addresses), {}))


def test_a_pod_is_one_place_for_all_its_addresses() -> None:
    one, two = namespace(1, "10.244.1.2", "2001:db8:244:1::2"), namespace(2, "10.244.1.3", "203.0.113.1")
    wanted = ["10.244.1.3", "10.244.1.2", "10.244.1.9", "2001:db8:244:1::2", "10.244.1.2"]
    assert find_pods(wanted, [one, two]) == (
        [Pod("10.244.1.3", ("10.244.1.3",), two), Pod("10.244.1.2", ("10.244.1.2", "2001:db8:244:1::2"), one)],
        ["10.244.1.9"],
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vips": ["203.0.113.0/24"]}, "option vips: '203.0.113.0/24' is not an IP address"),
        ({"pods": ["web-1"]}, "option pods: 'web-1' is not an IP address"),
        ({"seconds": 0}, "option seconds: 0 is out of range"),
        ({"seconds": 3601}, "Give a value from 1 to 3600"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(DsrError) as error:
        start({"vips": [VIP], "pods": [], "seconds": 60, **options})
    assert message in str(error.value)


def test_a_real_capture_of_the_loopback_interface(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packet sockets are permitted it counts what was sent; elsewhere it says what it lacks."""
    monkeypatch.setattr("ansible_collections.baremetal.dsr.plugins.module_utils.proof.job.FOLDER", tmp_path / "capture")
    options = {"vips": ["127.0.0.1", "::1"], "pods": [], "seconds": 60, "routes": False, "drained": str(tmp_path)}
    try:
        start(options)
    except DsrError as error:
        assert "Run the task as root" in str(error)
        assert not (tmp_path / "capture").exists()
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, socket.socket(socket.AF_INET) as peer:
        peer.bind(("127.0.0.1", 0))
        port = peer.getsockname()[1]
        for _again in range(3):
            sender.sendto(b"four", ("127.0.0.1", port))
        own = sender.getsockname()[1]
    found = collect(options)
    seen = {
        (entry["interface"], entry["direction"], entry["packets"], entry["bytes"])
        for entry in found["packets"]
        if (entry["protocol"], entry["sport"], entry["dport"]) == ("udp", own, port)
    }
    assert seen == {("lo", "out", 3, 96), ("lo", "in", 3, 96)}
    assert (found["places"], found["missing"], found["dropped"], found["left_out"]) == ({"host": []}, [], 0, 0)
    assert found["drained"] is True
    assert not (tmp_path / "capture").exists()
