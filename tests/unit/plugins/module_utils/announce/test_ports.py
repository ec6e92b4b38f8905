# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the speaker's ports: of this machine, and of one made of files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.ports import parse_sockets, port_problems

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {}:{:04X} 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 {} 2 0 0\n"
ANY4, ANY6, HERE, LOOPBACK = "00000000", "0" * 32, "0B0200C0", "0100007F"
OURS = "0::/system.slice/baremetal-dsr-bird.service\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    return tmp_path


def bind(proc: Path, protocol: str, address: str, port: int, inode: int, state: str = "0A") -> None:
    file = proc / "net" / protocol
    text = file.read_text(encoding="ascii") if file.exists() else HEAD
    file.write_text(text + LINE.format(address, port, state, inode), encoding="ascii")


def process(proc: Path, pid: int, name: str, inode: int, cgroup: str = "0::/system.slice/bird.service\n") -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")
    (folder / "comm").write_text(f"{name}\n", encoding="ascii")
    (folder / "cgroup").write_text(cgroup, encoding="ascii")


def problems(proc: Path, *, bfd: bool = True, listen_port: int | None = 1790) -> list[str]:
    found = port_problems(str(proc), bfd=bfd, listen_port=listen_port, addresses=["192.0.2.11"])
    return [str(each) for each in found]


def test_free_ports(proc: Path) -> None:
    assert problems(proc) == []


def test_our_own_speaker_is_no_hindrance(proc: Path) -> None:
    bind(proc, "udp", ANY4, 3784, 11, "07")
    bind(proc, "tcp", HERE, 1790, 12)
    process(proc, 812, "bird", 11, OURS)
    process(proc, 813, "bird", 12, OURS)
    assert problems(proc) == []


@pytest.mark.parametrize(("protocol", "address"), [("udp", ANY4), ("udp6", ANY6), ("udp", LOOPBACK)])
def test_another_that_serves_bfd(proc: Path, protocol: str, address: str) -> None:
    bind(proc, protocol, address, 3784, 11, "07")
    process(proc, 700, "bfdd", 11)
    (told,) = problems(proc)
    assert told.startswith("UDP port 3784: bfdd (process 700) holds it")
    assert "dsr_bfd: false" in told
    assert problems(proc, bfd=False) == []


@pytest.mark.parametrize(("protocol", "address"), [("tcp", ANY4), ("tcp6", ANY6), ("tcp", HERE)])
def test_another_that_listens_on_the_port(proc: Path, protocol: str, address: str) -> None:
    bind(proc, protocol, address, 1790, 12)
    (told,) = problems(proc)
    assert told.startswith("TCP port 1790: a process that cannot be seen here holds it")
    assert "speaker_listen_port" in told
    assert problems(proc, listen_port=None) == problems(proc, listen_port=1791) == []


def test_other_addresses_and_connections_do_not_matter(proc: Path) -> None:
    bind(proc, "tcp", LOOPBACK, 1790, 12)
    bind(proc, "tcp", HERE, 1790, 13, "01")
    assert problems(proc) == []


def test_lines_that_make_no_sense(proc: Path) -> None:
    (proc / "net" / "udp").write_text(HEAD + "garbage\n   0: x:y z 07 0 0 0 0 0 0\n", encoding="ascii")
    assert problems(proc) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as one:
        one.bind((address, 0))
        one.listen()
        port = one.getsockname()[1]
        text = Path("/proc/net/tcp6" if ":" in address else "/proc/net/tcp").read_text(encoding="ascii")
        assert (address, port) in {(each.address, each.port) for each in parse_sockets(text)}
        (told,) = port_problems("/proc", bfd=False, listen_port=port, addresses=[address])
        assert f"(process {os.getpid()}) holds it" in str(told)
