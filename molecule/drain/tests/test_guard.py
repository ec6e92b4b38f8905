# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 1, between two runs of site.yml: a node whose tables are gone announces nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

VIPS = {"203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2"}
GUARD = "baremetal-dsr-guard"

LOSSES = {
    "mark rules": ("iptables-save -t mangle >/root/kept; iptables -t mangle -F", "iptables-restore </root/kept"),
    "ip rule": (
        "ip rule del priority 781",
        "ip rule add priority 781 fwmark 0xd00000/0xfff00000 lookup 78 protocol 78",
    ),
    "local route": (
        "ip -6 route flush table 78",
        "ip -6 route add local default dev lo table 78 protocol 78",
    ),
    "IPVS": ("ipvsadm -Sn >/root/kept; ipvsadm -C", "ipvsadm -R </root/kept"),
    "VIPs": ("ipset save dsr-vip4 >/root/kept; ipset flush dsr-vip4", "ipset restore -exist </root/kept"),
}


def test_guard_runs_and_finds_nothing(machine) -> None:
    for node in ("n1", "n2", "n3"):
        assert machine(node).check_output(f"systemctl is-active {GUARD}; systemctl is-enabled {GUARD}").split() == [
            "active",
            "enabled",
        ]
        assert "withdrawing" not in machine(node).check_output(f"journalctl -b -u {GUARD} -o cat")


@pytest.mark.parametrize(("lose", "restore"), LOSSES.values(), ids=LOSSES.keys())
def test_tables_go_and_come_back(machine, announced, hops, until, lose: str, restore: str) -> None:
    node = machine("n1")
    node.check_output(lose)
    until(lambda: announced("n1") == set(), 5)
    until(lambda: hops("203.0.113.1") == {"12", "13"}, 5)
    assert "withdrawing all VIPs" in node.check_output(f"journalctl -u {GUARD} -o cat -n 5")
    node.check_output(restore)
    until(lambda: announced("n1") == VIPS, 10)
    until(lambda: hops("203.0.113.1") == {"11", "12", "13"}, 10)


@pytest.fixture
def legacy(machine) -> Iterator[None]:
    """The rules of n1 are in the tables of iptables-legacy, of whose changes the kernel does not tell."""
    move = (
        "for each in iptables ip6tables; do"
        " update-alternatives --quiet --set $each /usr/sbin/$each-{1} && $each-{0}-save | $each-{1}-restore || exit;"
        " for table in raw mangle nat filter; do $each-{0} -t $table -F && $each-{0} -t $table -X || exit; done; done"
    )
    machine("n1").check_output(move.format("nft", "legacy"))
    yield
    machine("n1").check_output(move.format("legacy", "nft"))


def test_rules_of_iptables_legacy_go_and_come_back(legacy, machine, announced, until) -> None:
    node = machine("n1")
    assert "DSR-MARK" in node.check_output("iptables-legacy-save -t mangle")
    assert "DSR-MARK" not in node.check_output("iptables-nft-save -t mangle")
    until(lambda: announced("n1") == VIPS, 20)
    for command in ("iptables", "ip6tables"):
        node.check_output(f"{command}-save -t mangle >/root/kept; {command} -t mangle -F")
        until(lambda: announced("n1") == set(), 20)
        node.check_output(f"{command}-restore </root/kept")
        until(lambda: announced("n1") == VIPS, 20)


def test_connections_live_on_elsewhere(machine, announced, flows, until) -> None:
    with flows(10, *sorted(VIPS)) as result:
        machine("n1").check_output("ip rule del priority 781; ip -6 rule del priority 781")
        until(lambda: announced("n1") == set(), 5)
    # What came to n1 in the second before was lost, and sent again.
    assert result["broken"] == [], result


def test_site_mends_and_takes_over(machine, playbook, announced) -> None:
    done = playbook("site")
    assert done.returncode == 0, done.stdout + done.stderr
    assert announced("n1") == VIPS
    assert machine("n1").run("test -e /run/baremetal-dsr-guard/kept").rc != 0


def test_bird_that_restarts_does_not_announce_what_is_held_back(machine, announced, until) -> None:
    node = machine("n1")
    node.check_output("ip rule del priority 781")
    until(lambda: announced("n1") == set(), 5)
    node.check_output("systemctl restart baremetal-dsr-bird")
    until(lambda: node.run("birdc -s /run/baremetal-dsr/bird.ctl show status").rc == 0, 10)
    assert announced("n1") == set()
    node.check_output("ip rule add priority 781 fwmark 0xd00000/0xfff00000 lookup 78 protocol 78")
    until(lambda: announced("n1") == VIPS, 10)


def test_stop_and_restart_of_the_guard_withdraw_nothing(machine, announced) -> None:
    for order in ("restart", "stop", "start"):
        machine("n1").check_output(f"systemctl {order} {GUARD}")
        assert announced("n1") == VIPS


def test_guard_stops_before_bird_and_the_network(machine) -> None:
    after = machine("n1").check_output(f"systemctl show -p After {GUARD}")
    assert {"baremetal-dsr-bird.service", "network.target", "network-online.target"} <= set(
        after.removeprefix("After=").split()
    )


def test_guard_costs_little(machine) -> None:
    """In ten seconds, with all its tools, it takes less of the processor than 80 starts of ipset do."""
    node = machine("n1")
    ten_starts = "time for _ in 1 2 3 4 5 6 7 8 9 10; do ipset list -terse dsr-vip4 >/dev/null; done"
    spent = f"systemctl show -P CPUUsageNSec {GUARD}"
    shown = node.check_output(f"bash -c 'TIMEFORMAT=\"%U %S\"; {ten_starts}' 2>&1; {spent}; sleep 10; {spent}").split()
    one_start = sum(map(float, shown[:2])) / 10
    before, after = (int(each) for each in shown[2:])
    assert (after - before) / 1e9 < 80 * one_start, shown
