# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import counting
from bench.counting import Counter, is_write
from bench.place import BenchmarkError


@pytest.mark.parametrize(
    "call",
    [
        "ipvsadm -Ln --nosort --tun-info",
        "ipvsadm -S -n",
        "ipvsadm --version",
        "sysctl -n net.ipv4.vs.sloppy_tcp",
        "modprobe -n -q ip_vs",
        "iptables-save -t raw",
        "ip6tables-save",
        "iptables-restore --test --noflush",
        "iptables -S DSR-MARK",
        "ipset save",
        "ipset help hash:ip,port",
        "ip -json address",
        "ip -4 -N -json rule",
        "ip -4 -json route show table 78",
        "nsenter --net=/run/netns/x cat /proc/net/dev",
        "nsenter --net=/run/netns/x ip -json address",
    ],
)
def test_looking_is_no_write(call: str) -> None:
    assert not is_write(call.split())


@pytest.mark.parametrize(
    "call",
    [
        "ipvsadm -R",
        "ipvsadm --restore",
        "ipvsadm -A -f 1 -s rr",
        "ipvsadm",
        "sysctl -q -w net.ipv4.vs.sloppy_tcp=1",
        "sysctl net.ipv4.vs.sloppy_tcp=1",
        "modprobe ip_vs",
        "iptables-restore --noflush --wait=10",
        "iptables -A FORWARD -j ACCEPT",
        "ipset restore -exist",
        "ip -4 -batch -",
        "ip link add x type dummy",
        "nft -f -",
        "nsenter --net=/run/netns/x ip -batch -",
        "nsenter --net=/run/netns/x -- sysctl -w a.b=1",
        "unheard-of",
    ],
)
def test_what_is_not_known_to_look_is_a_write(call: str) -> None:
    assert is_write(call.split())


def test_calls_are_counted_and_their_input_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "ipvsadm").write_text('#!/bin/sh\n[ "$1" = -R ] && exec cat\necho "$@"; exit 3\n')
    (real / "ipvsadm").chmod(0o755)
    monkeypatch.setattr(counting, "_SYSTEM_PATH", f"{real}:/usr/bin:/bin")
    counter = Counter(tmp_path / "counting")

    def call(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, input=text, capture_output=True, text=True, env=dict(counter.env), check=False)

    assert call("sh", "-c", "ipvsadm -R", text="-A -f 2\n-a -f 2\n").stdout == "-A -f 2\n-a -f 2\n"
    listed = call("sh", "-c", "ipvsadm -Ln --nosort")
    assert (listed.stdout, listed.returncode) == ("-Ln --nosort\n", 3)
    counted = counter.take()
    assert counted.writes == ["ipvsadm -R"]
    assert len(counted.calls) == 2
    assert counted.lines == {"ipvsadm": ["-A -f 2", "-a -f 2"]}


def test_a_count_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nothing was counted"):
        Counter(tmp_path / "counting").take()
