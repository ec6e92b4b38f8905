# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.yml tells a working cluster from a broken one, and says which link of the chain broke."""

from __future__ import annotations

from pathlib import Path

import pytest

IPV4 = {"203.0.113.1:80/tcp", "203.0.113.2:80/tcp", "203.0.113.2:7007/udp"}
IPV6 = {"[2001:db8:f::1]:80/tcp", "[2001:db8:f::2]:80/tcp", "[2001:db8:f::2]:7007/udp"}
SERVED = IPV4 | IPV6

MARK_RULE = (
    # The guard would withdraw the VIPs of a node without marks, and nothing would be broken.
    "n1: systemctl stop baremetal-dsr-guard; iptables-save -t mangle >/root/mangle; iptables -t mangle -F DSR-MARK",
    "n1: iptables-restore </root/mangle; rm /root/mangle; systemctl start baremetal-dsr-guard",
)
POD_VIP = (
    "n2/web-2: ip address del 203.0.113.1/32 dev dsr4",
    "n2/web-2: ip address add 203.0.113.1/32 dev dsr4",
)
TUNNEL = ("n3/dns-3: ip link set dsr4 down", "n3/dns-3: ip link set dsr4 up")
BGP_SESSION = (
    "n2: birdc -s /run/baremetal-dsr/bird.ctl disable dsr_r1_ipv4",
    "n2: birdc -s /run/baremetal-dsr/bird.ctl enable dsr_r1_ipv4",
)


@pytest.fixture
def at(machine, in_pod):
    """Run "machine: shell line" or "node/pod: shell line"."""

    def run(place_and_line: str) -> None:
        place, _colon, line = place_and_line.partition(": ")
        if "/" in place:
            in_pod(place, line)
        else:
            machine(place).check_output(line)

    return run


@pytest.fixture
def verify(playbook, tmp_path: Path):
    """Run verify.yml: (its exit status, the rows with their verdict, its whole table)."""

    def run(**variables: str) -> tuple[int, dict[str, str], str]:
        report = tmp_path / "report"
        done = playbook("verify", dsr_verify_report=str(report), **variables)
        assert report.exists(), done.stdout + done.stderr
        rows = [line.split() for line in report.read_text().splitlines() if line.startswith(("203.", "[2001:"))]
        return done.returncode, {row[0]: row[-1] for row in rows}, report.read_text()

    return run


@pytest.mark.parametrize(
    ("fault", "red", "reason"),
    [
        pytest.param(MARK_RULE, IPV4, "n1 did not tunnel", id="mark rule"),
        pytest.param(POD_VIP, {"203.0.113.1:80/tcp"}, "10.244.2.2", id="pod VIP"),
        pytest.param(TUNNEL, {"203.0.113.2:80/tcp", "203.0.113.2:7007/udp"}, "10.244.3.3", id="tunnel"),
        pytest.param(BGP_SESSION, IPV4, "2 of 3 next hops", id="BGP session"),
    ],
)
def test_broken_link_turns_its_rows_red(verify, at, fault: tuple[str, str], red: set[str], reason: str) -> None:
    at(fault[0])
    try:
        status, rows, table = verify()
    finally:
        at(fault[1])
    assert status != 0
    assert {row for row, verdict in rows.items() if verdict == "FAIL"} == red, table
    assert reason in table


def test_working_cluster_is_green(verify) -> None:
    """After the faults above were mended by hand: nothing of them, and nothing of verify, stays."""
    status, rows, table = verify()
    assert status == 0, table
    assert rows == dict.fromkeys([*SERVED, "203.0.113.3:80/tcp"], "OK"), table


def test_router_of_others_is_not_looked_into(verify) -> None:
    status, rows, table = verify(dsr_router_group="nobody", dsr_other_router_group="dsr_routers")
    assert status == 0, table
    assert {row for row, verdict in rows.items() if verdict == "OK"} >= SERVED, table
    assert "r1" not in table
