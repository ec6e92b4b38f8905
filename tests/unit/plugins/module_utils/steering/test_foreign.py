# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other tools' rules and settings: what stops a run before its first write, what is only told, what is neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.apply import reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.check import obstacles
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import FakeDirector
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import entry, options

VIP = "203.0.113.1"
RULESET = """table inet fw {
\tchain in {
\t\ttype filter hook input priority filter; policy accept;
%s\t}
}
"""
WISH = options([VIP], entry(VIP, 80))
PREFLIGHT = ("vips", "ping", "mark_base", "mark_mask", "table", "refuse_table", "mtu_table", "rule_priority")


def running() -> FakeDirector:
    director = FakeDirector()
    reconcile(director, WISH, check_mode=False)
    return director


def warnings(director: FakeDirector) -> list[str]:
    return reconcile(director, WISH, check_mode=True)["warnings"]


def clash(director: FakeDirector) -> str | None:
    """The error of a run, which must not have written anything."""
    director.read_only = True
    try:
        reconcile(director, WISH, check_mode=False)
    except DsrError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("rule", "clashes"),
    [
        ({"priority": 900, "fwmark": "0xd00010"}, True),
        ({"priority": 30000, "fwmark": "0xd00000", "fwmask": "0xff0000"}, True),
        ({"priority": 9, "fwmark": "0x200", "fwmask": "0xf00"}, True),
        ({"priority": 781, "fwmark": "0x1", "fwmask": "0x1", "iif": "eth0"}, True),
        ({"priority": 1024, "fwmark": "0x80", "fwmask": "0x80"}, False),
        ({"priority": 9, "fwmark": "0x200"}, False),
        ({"priority": 5210, "fwmark": "0x80000", "fwmask": "0xff0000"}, False),
        ({"priority": 9, "not": None, "fwmark": "0xd00002"}, False),
        ({"priority": 9, "fwmark": "what"}, False),
        ({"priority": 9, "fwmark": "0xd00000", "fwmask": "0xfff00000", "protocol": "78", "iif": "eth0"}, True),
    ],
)
def test_ip_rules(rule: dict[str, Any], clashes: bool) -> None:
    director = running()
    director.rules[4].append({"src": "all", "table": "99", **rule})
    assert clash(director) is None or clashes
    if clashes:
        assert "mark range 0x00d00000/0xfff00000: overlaps another tool's: ip rule '" in str(clash(director))
        assert "Choose another mark_base and mark_mask" in str(clash(director))


@pytest.mark.parametrize(
    ("table", "rule", "clashes"),
    [
        ("mangle", "-j MARK --set-xmark 0xd00005/0xffffffff", True),
        ("raw", "-p tcp -j MARK --set-xmark 0xd00000/0xf00000", True),
        ("mangle", "-j CONNMARK --set-xmark 0xd00002/0xffffffff", True),
        ("mangle", "-j MARK --set-xmark 0x4000/0x4000", False),
        ("mangle", "-j MARK --set-xmark 0xe00000/0xffffffff", False),
        ("mangle", '-m comment --comment "-j MARK --set-xmark 0xd00005/0xffffffff" -j ACCEPT', False),
    ],
)
def test_rules_that_set_marks_of_ours(table: str, rule: str, clashes: bool) -> None:
    director = running()
    director.tables[6][table]["OUTPUT"].append(rule)
    assert clash(director) is None
    director = running()
    director.tables[4][table]["X"] = [rule]
    found = clash(director)
    assert (found is not None) == clashes
    assert found is None or f"overlaps another tool's: iptables {table} X '-" in found


def test_own_rules_are_no_trouble() -> None:
    everything = {
        "mss": {"ipv4": 1400, "ipv6": None},
        "ping": True,
        "guard": {"sources": [], "pods": ["10.244.1.2"], "pools": [], "tunnels": ["gre", "gue", "ipip"]},
    }
    wish = options([VIP], entry(VIP, 80), entry(VIP, 443, 0xD00004), **everything)
    director = FakeDirector()
    for _each in range(2):
        assert reconcile(director, wish, check_mode=False)["warnings"] == []


@pytest.mark.parametrize(
    "rule",
    [
        "-j MARK --set-xmark 0x40000/0x40000",
        "-j MARK --set-xmark 0x0/0xff",
        "-p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0x1",
        "-d 203.0.113.0/24 -j MARK --set-xmark 0x1/0xffffffff",
        "-m mark --mark 0x0/0xff -j MARK --set-xmark 0x1/0x1",
        "-j SET --map-set theirs dst --map-mark",
        "-p tcp -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x200/0xffffffff",
        "-j HMARK --hmark-tuple src --hmark-mod 7 --hmark-rnd 0x0",
    ],
)
@pytest.mark.parametrize("chain", ["PREROUTING", "INPUT", "THEIRS"])
def test_rules_that_change_marks_are_told(rule: str, chain: str) -> None:
    director = running()
    mangle = director.tables[4]["mangle"]
    if chain == "THEIRS":
        mangle["PREROUTING"].append("-m addrtype --dst-type LOCAL -j MORE")
        mangle["MORE"] = ["-g THEIRS", "-j MORE"]
    mangle.setdefault(chain, []).append(rule)
    found = warnings(director)
    assert len(found) == 1
    assert f"mangle {chain} '{rule}'" in found[0]
    assert found[0].startswith("iptables: IPVS may not know the marks")


@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        ("FORWARD", "-j MARK --set-xmark 0x1/0x1"),
        ("NOWHERE", "-j MARK --set-xmark 0x1/0x1"),
        ("PREROUTING", "-d 203.0.113.2/32 -j MARK --set-xmark 0x1/0x1"),
        ("PREROUTING", "-p esp -j MARK --set-xmark 0x1/0x1"),
        ("PREROUTING", "-m conntrack --ctstate RELATED,ESTABLISHED -j MARK --set-xmark 0x1/0x1"),
        ("PREROUTING", "-m mark --mark 0x200/0xffffffff -j MARK --set-xmark 0x1/0x1"),
        ("PREROUTING", "-j CONNMARK --restore-mark --nfmask 0xffff --ctmask 0xffff"),
        ("INPUT", "-j MARK --set-xmark 0x0/0x0"),
        ("PREROUTING", "-p tcp -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0"),
    ],
)
def test_rules_that_do_not_touch_our_packets(chain: str, rule: str) -> None:
    director = running()
    director.tables[4]["mangle"].setdefault(chain, []).append(rule)
    assert warnings(director) == []


def test_what_stands_before_us_and_ends_the_way_is_told_and_left_there() -> None:
    director = running()
    for table in ("raw", "mangle"):
        director.tables[4][table]["PREROUTING"].insert(0, "-j cali-PREROUTING")
        director.tables[4][table]["cali-PREROUTING"] = ["-m mark --mark 0x1/0x1 -j ACCEPT", "-i cali+ -j ACCEPT"]
    before = director.snapshot()
    found = warnings(director)
    assert [line.split(",", maxsplit=1)[0] for line in found] == [
        "iptables: packets to VIPs may never come to DSR-RAW",
        "iptables: packets to VIPs may never come to DSR-MARK",
    ]
    assert "raw PREROUTING '-j cali-PREROUTING'" in found[0]
    assert not reconcile(director, WISH, check_mode=False)["changed"]
    assert director.snapshot() == before


@pytest.mark.parametrize(
    "rule",
    [
        "-j LOG",
        "-d 10.0.0.0/8 -j DROP",
        "-m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-m mark --mark 0x10000/0x10000 -j ACCEPT",
        "-j HARMLESS",
    ],
)
def test_what_stands_before_us_and_lets_pass(rule: str) -> None:
    director = running()
    director.tables[4]["mangle"]["HARMLESS"] = ["-j RETURN", "-j HARMLESS"]
    director.tables[4]["mangle"]["PREROUTING"].insert(0, rule)
    assert warnings(director) == []


def test_a_long_list_is_cut_short() -> None:
    director = running()
    director.tables[4]["mangle"]["INPUT"] += [f"-p tcp -j MARK --set-xmark {number:#x}/0xff" for number in range(9)]
    assert warnings(director)[0].count("mangle INPUT") == 2
    assert "and 7 more" in warnings(director)[0]


def test_src_valid_mark() -> None:
    director = running()
    director.marked_sources = ["default", "wg0"]
    assert warnings(director) == [
        "net.ipv4.conf.*.src_valid_mark is on, and packets to IPv4 VIPs that come in there are lost: wg0."
    ]
    director.marked_sources = ["all", "wg0"]
    assert "sysctl net.ipv4.conf.all.src_valid_mark: is on" in str(clash(director))
    six = options(["2001:db8:f::1"], entry("2001:db8:f::1", 80))
    director.read_only = False
    assert reconcile(director, six, check_mode=False)["warnings"] == []


def test_native_rules_of_nft() -> None:
    director = running()
    director.nft = RULESET % ("\t\tmeta mark set 0x00000001\n" * 3)
    assert warnings(director) == []
    director.commands.add("nft")
    rule = "table inet fw chain in 'meta mark set 0x00000001'"
    assert warnings(director) == [
        f"nft: IPVS may not know the marks of packets to VIPs, as others may change them after us: {rule}, {rule}"
        " and 1 more. Exempt the VIPs from these rules."
    ]
    director.nft = None
    assert warnings(director) == []


def test_without_vips_nft_is_not_asked() -> None:
    director = FakeDirector()
    director.commands.add("nft")
    director.observe_read = lambda words: words[0] == "nft" and pytest.fail("asked")
    assert reconcile(director, options([]), check_mode=False)["warnings"] == []


@pytest.mark.parametrize("start", [FakeDirector, running])
def test_obstacles_are_what_would_stop_a_run_all_at_once(start: Callable[[], FakeDirector]) -> None:
    director = start()
    director.read_only = True
    given = {name: WISH[name] for name in PREFLIGHT}
    assert obstacles(director, given) == []
    director.addresses[VIP] = "lo"
    director.routes[4][79] = [*director.routes[4].get(79, []), {"dst": "192.0.2.0/24", "dev": "eth0"}]
    director.rules[4].append({"priority": 900, "src": "all", "fwmark": "0xd00010", "table": "99"})
    director.marked_sources = ["all"]
    found = [error.item for error in obstacles(director, given)]
    assert found == [
        f"VIP {VIP}",
        "IPv4 routing table 79",
        "mark range 0x00d00000/0xfff00000",
        "sysctl net.ipv4.conf.all.src_valid_mark",
    ]
    assert str(clash(director)).startswith(f"VIP {VIP}: ")


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"table": 254}, "table"),
        ({"mark_mask": "0xff"}, "dsr_mark_mask"),
        ({"vips": ["web"]}, "vips"),
        ({"vips": ["2001:db8:f::1"]}, "IPv6"),
    ],
)
def test_obstacles_are_also_impossible_options(changes: dict[str, Any], item: str) -> None:
    director = FakeDirector()
    del director.rules[6]
    director.read_only = True
    given = {name: WISH[name] for name in PREFLIGHT}
    assert [error.item for error in obstacles(director, {**given, **changes})] == [item]
