# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import copy
import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.apply import Outcome, reconcile
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import (
    FakeDirector,
    FakeSet,
    Killed,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import (
    DEFAULTS,
    SOURCES,
    VIPS,
    entry,
    options,
    wishes,
)
from hypothesis import given, settings

V4, OTHER, IDLE, V6, _V6 = VIPS
WISH = options(
    [V4, OTHER, IDLE, V6],
    entry(V4, 80),
    entry(V4, 53, protocol="udp"),
    entry(OTHER, 80, 0xD00004),
    entry(OTHER, 443, 0xD00006),
    entry(V6, 80, 0xD00008),
)
ABSENT = {**DEFAULTS, "state": "absent", "vips": None, "entries": None}


def run(director: FakeDirector, wish: dict[str, Any]) -> Outcome:
    """Predict without a write, then do it; both must say the same. A second run must be without a write."""
    director.read_only = True
    predicted = reconcile(director, wish, check_mode=True)
    director.read_only = False
    done = reconcile(director, wish, check_mode=False)
    assert predicted == done
    director.read_only = True
    again = reconcile(director, wish, check_mode=False)
    director.read_only = False
    assert not again["changed"]
    assert again["diff"] == {"before": done["diff"]["after"], "after": done["diff"]["after"]}
    return done


def crowded() -> FakeDirector:
    """A director on which others have rules, sets and routes of their own."""
    director = FakeDirector()
    for version in (4, 6):
        director.rules[version].insert(1, {"priority": 780, "src": "10.3.3.3", "table": "99"})
        director.rules[version].insert(1, {"priority": 99, "src": "all", "fwmark": "0x200", "table": "98"})
        director.rules[version].insert(1, {"priority": 98, "not": None, "src": "all", "fwmark": "0x1", "table": "79"})
        director.rules[version].append(
            {"priority": 32767, "src": "all", "fwmark": "0x80", "fwmask": "0x80", "table": "79"}
        )
        director.routes[version][99] = [{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}]
        mangle = director.tables[version]["mangle"]
        mangle["KUBE-X"] = ["-p udp -m udp --dport 9 -j MARK --set-xmark 0x4000/0x4000"]
        mangle["PREROUTING"] += ["-j KUBE-X", '-m comment --comment "about DSR-MARK" -j ACCEPT']
    director.sets["other"] = FakeSet("hash:ip family inet maxelem 65536", {"10.9.9.9": ""})
    return director


@pytest.mark.parametrize("form", ["ipset", "iptables"])
def test_packets(form: str) -> None:
    director = crowded()
    assert run(director, {**WISH, "form": form})["changed"]
    assert {
        (vip, what): director.fate(vip, what)
        for vip, what in [
            (V4, "tcp:80"), (V4, "udp:53"), (V4, "tcp:53"), (V4, "tcp:81"), (V4, "icmp:3"), (V4, "icmp:11"),
            (V4, "icmp:8"), (V4, "fragment"), (OTHER, "tcp:80"), (OTHER, "tcp:443"), (OTHER, "icmp:3"),
            (OTHER, "icmp:3 tcp:80"), (OTHER, "icmp:11 tcp:443"), (OTHER, "icmp:3 udp:443"), (OTHER, "icmp:3 tcp:81"),
            (OTHER, "fragment"), (IDLE, "tcp:80"), (IDLE, "icmp:3"), (IDLE, "fragment"), ("203.0.113.9", "tcp:80"),
            (V6, "tcp:80"), (V6, "tcp:81"), (V6, "icmp:2"), (V6, "icmp:128"), ("2001:db8::9", "tcp:80"),
        ]
    } == {
        (V4, "tcp:80"): "local 0xd00002",
        (V4, "udp:53"): "local 0xd00002",
        (V4, "tcp:53"): "refused",
        (V4, "tcp:81"): "refused",
        (V4, "icmp:3"): "local 0xd00002",
        (V4, "icmp:11"): "local 0xd00002",
        (V4, "icmp:8"): "refused",
        (V4, "fragment"): "local 0xd00002",
        (OTHER, "tcp:80"): "local 0xd00004",
        (OTHER, "tcp:443"): "local 0xd00006",
        (OTHER, "icmp:3"): "local 0xd00001",
        (OTHER, "icmp:3 tcp:80"): "local 0xd00004",
        (OTHER, "icmp:11 tcp:443"): "local 0xd00006",
        (OTHER, "icmp:3 udp:443"): "local 0xd00001",
        (OTHER, "icmp:3 tcp:81"): "local 0xd00001",
        (OTHER, "fragment"): "local 0xd00001",
        (IDLE, "tcp:80"): "refused",
        (IDLE, "icmp:3"): "refused",
        (IDLE, "fragment"): "refused",
        ("203.0.113.9", "tcp:80"): "forwarded tracked",
        (V6, "tcp:80"): "local 0xd00008",
        (V6, "tcp:81"): "refused",
        (V6, "icmp:2"): "local 0xd00008",
        (V6, "icmp:128"): "refused",
        ("2001:db8::9", "tcp:80"): "forwarded tracked",
    }  # fmt: skip


def test_others_come_after_us() -> None:
    director = crowded()
    run(director, WISH)
    assert director.tables[4]["mangle"]["PREROUTING"][0].endswith("-j DSR-MARK")


def test_few_commands() -> None:
    director = FakeDirector()
    reconcile(director, WISH, check_mode=False)
    assert len(director.writes) == 5
    director.writes.clear()
    more = {**WISH, "entries": [*WISH["entries"], entry(IDLE, 80, 0xD0000A)]}
    reconcile(director, more, check_mode=False)
    assert director.writes == [["ipset", "restore", "-exist"]]


@pytest.mark.parametrize("form", ["ipset", "iptables"])
def test_absent_leaves_what_was_there(form: str) -> None:
    director = crowded()
    before = director.snapshot()
    run(director, {**WISH, "form": form})
    assert director.snapshot() != before
    run(director, ABSENT)
    assert director.snapshot() == before


def test_family_without_vips_holds_nothing() -> None:
    director, fresh = crowded(), crowded()
    run(director, WISH)
    run(director, options([V4], entry(V4, 80)))
    assert director.rules[6] == fresh.rules[6]
    assert director.tables[6] == fresh.tables[6]
    assert set(director.sets) == {"other", "dsr-map4", "dsr-vip4", "dsr-limit4", "dsr-allow4"}


@settings(max_examples=60, deadline=None)
@given(wishes(), wishes())
def test_any_wish_from_any_other(first: dict[str, Any], second: dict[str, Any]) -> None:
    director, fresh = crowded(), crowded()
    before = director.snapshot()
    run(director, first)
    run(director, second)
    run(fresh, second)
    assert reconcile(director, second, check_mode=True) == reconcile(fresh, second, check_mode=True)
    run(director, {**second, "state": "absent"})
    assert director.snapshot() == before


def served(wish: dict[str, Any], vip: str, what: str, source: str) -> str | None:
    """What the wish says of such a packet, None if it is not of the VIP's family."""
    if (":" in source) != (":" in vip):
        return None
    for one in wish["entries"]:
        ranges = one["source_ranges"]
        if (one["vip"], f"{one['protocol']}:{one['port']}") == (vip, what):
            held = not ranges or any(ip_address(source) in ip_network(each) for each in ranges)
            return f"local {one['mark']:#x}" if held else "refused"
    return "refused"


def steady(director: FakeDirector, first: dict[str, Any], second: dict[str, Any]) -> None:
    """To a source happens what one of the wishes says: so whom both serve is served, and nobody is served by a service
    that does not admit it by that wish. No rule leads into an empty table."""
    for vip in {*first["vips"]} & {*second["vips"]}:
        for what in ("tcp:80", "tcp:443", "udp:53", "tcp:9"):
            for source in SOURCES:
                wanted = {served(first, vip, what, source), served(second, vip, what, source)}
                assert None in wanted or director.fate(vip, what, source) in wanted
    for version, rules in director.rules.items():
        ours = [rule["table"] for rule in rules if "protocol" in rule]
        assert all(director.routes[version].get(int(table)) for table in ours)


@settings(max_examples=40, deadline=None)
@given(wishes(), wishes())
def test_killed_at_any_write(first: dict[str, Any], second: dict[str, Any]) -> None:
    start = crowded()
    reconcile(start, first, check_mode=False)
    for number in range(1000):
        director = copy.deepcopy(start)
        director.die_after = number
        try:
            reconcile(director, second, check_mode=False)
            break
        except Killed:
            director.die_after = None
        steady(director, first, second)
        run(director, second)
        steady(director, second, second)
    assert number < 999


RANGES = (None, ["192.0.2.0/24"], ["192.0.2.0/25"], ["192.0.2.0/25", "198.51.100.7/32"], ["198.51.100.0/24"])
STEPS = [(mark, ranges) for mark in (None, 0xD00002, 0xD00004) for ranges in RANGES if mark or not ranges]


@pytest.mark.parametrize("second", STEPS)
@pytest.mark.parametrize("first", STEPS)
def test_a_port_passes_between_services_and_limits(
    first: tuple[int | None, list[str] | None], second: tuple[int | None, list[str] | None]
) -> None:
    """Cut after any write: nobody gets to a service that did not and will not admit it, and whom both admit gets on."""
    before, after = (
        options([V4], *([entry(V4, 80, mark, source_ranges=ranges)] if mark else []), entry(V4, 443, 0xD00006))
        for mark, ranges in (first, second)
    )
    director = FakeDirector()
    reconcile(director, before, check_mode=False)
    director.observe = lambda: steady(director, before, after)
    reconcile(director, after, check_mode=False)
    steady(director, after, after)


def test_a_change_that_needs_no_rule_is_one_command() -> None:
    """With limits too: what comes before the marks and what comes after them is one batch."""
    director = FakeDirector()
    run(director, options([V4], entry(V4, 80, source_ranges=["192.0.2.0/24"]), entry(V4, 443)))
    director.writes.clear()
    wish = options([V4], entry(V4, 80), entry(V4, 443, source_ranges=["192.0.2.0/24"]), entry(V4, 53, protocol="udp"))
    reconcile(director, wish, check_mode=False)
    assert director.writes == [["ipset", "restore", "-exist"]]


def test_limits_are_there_before_an_older_map_is_looked_up() -> None:
    """The rules of an older release know the map but no limits: they go before a limited entry gets its mark."""
    director = FakeDirector()
    run(director, options([V4], entry(V4, 443)))
    chain = director.tables[4]["mangle"]["DSR-MARK"]
    chain[:] = [rule for rule in chain if "dsr-limit4" not in rule]
    for name in ("dsr-limit4", "dsr-allow4"):
        del director.sets[name]
    fates: set[str] = set()
    director.observe = lambda: fates.add(director.fate(V4, "tcp:80", "198.51.100.9"))
    run(director, options([V4], entry(V4, 443), entry(V4, 80, source_ranges=["192.0.2.0/24"])))
    assert fates == {"refused"}


@pytest.mark.parametrize("cut", range(12))
def test_ping_leaves_nothing_in_nat_wherever_its_removal_was_cut(cut: int) -> None:
    director = crowded()
    run(director, {**WISH, "ping": True})
    director.die_after = cut
    with contextlib.suppress(Killed):
        reconcile(director, WISH, check_mode=False)
    director.die_after = None
    run(director, WISH)
    assert "DSR-PING" not in json.dumps(director.tables)


def test_nat_is_not_read_for_nothing() -> None:
    director = FakeDirector()
    director.tables[4]["nat"]["PREROUTING"] = ["-j KUBE-SERVICES"] * 3
    read = []
    director.observe_read = read.append
    run(director, WISH)
    assert not [words for words in read if "nat" in words]
    run(director, ABSENT)
    assert [words for words in read if "nat" in words]


def test_leftovers_of_a_killed_run_go() -> None:
    director = FakeDirector()
    run(director, WISH)
    director.sets["dsr-map4-new"] = FakeSet("hash:ip,port family inet maxelem 65536")
    director.tables[4]["mangle"]["PREROUTING"] *= 2
    run(director, WISH)
    assert "dsr-map4-new" not in director.sets
    assert len(director.tables[4]["mangle"]["PREROUTING"]) == 1


def test_set_of_another_shape_is_swapped() -> None:
    director = FakeDirector()
    run(director, WISH)
    director.sets["dsr-map4"].header = "hash:ip,port family inet maxelem 9"
    director.observe = lambda: steady(director, WISH, WISH)
    run(director, WISH)
    assert director.sets["dsr-map4"].header.endswith("maxelem 1048576 skbinfo")


def test_damage_is_mended() -> None:
    director = FakeDirector()
    run(director, WISH)
    healthy = director.snapshot()
    director.sets["dsr-map4"].entries[f"{V4},tcp:80"] = "skbmark 0x2/0xff"
    director.sets["dsr-vip6"].entries["2001:db8:f::9"] = ""
    director.tables[4]["mangle"]["DSR-MARK"].insert(0, "")
    director.tables[6]["raw"]["OUTPUT"].clear()
    director.rules[4] = [rule for rule in director.rules[4] if rule.get("table") != "78"]
    director.routes[6][79].clear()
    run(director, WISH)
    assert director.snapshot() == healthy


def test_a_set_still_used_by_a_dying_rule_is_waited_for() -> None:
    director = FakeDirector()
    run(director, WISH)
    director.lingering = 2
    run(director, ABSENT)
    assert not director.sets


def test_a_set_someone_else_uses_stays_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    director = FakeDirector()
    run(director, WISH)
    director.tables[4]["mangle"]["INPUT"].append("-m set --match-set dsr-vip4 dst -j ACCEPT")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(DsrError, match="in use by a kernel component"):
        reconcile(director, ABSENT, check_mode=False)


def test_absent_without_the_tools() -> None:
    director = FakeDirector()
    director.commands = {"ip"}
    director.read_only = True
    assert not reconcile(director, ABSENT, check_mode=False)["changed"]


def test_kernel_without_ipv6() -> None:
    director = FakeDirector()
    del director.rules[6]
    run(director, options([V4], entry(V4, 80)))
    with pytest.raises(DsrError, match="IPv6: is switched off"):
        reconcile(director, WISH, check_mode=False)


def refused(director: FakeDirector, wish: dict[str, Any], message: str) -> None:
    director.read_only = True
    with pytest.raises(DsrError, match=message):
        reconcile(director, wish, check_mode=False)


def test_vip_on_an_own_interface() -> None:
    director = FakeDirector()
    director.addresses[V6] = "eth0"
    refused(director, WISH, f"VIP {V6}: is an address of this node's own interface eth0.*ip address del {V6} dev eth0")


@pytest.mark.parametrize("command", ["ipset", "iptables-save", "ip6tables-restore", "ip"])
def test_missing_command(command: str) -> None:
    director = FakeDirector()
    director.commands.remove(command)
    refused(director, WISH, f"command {command}: not found")


def test_ipset_without_skbinfo() -> None:
    director = FakeDirector()
    director.set_help = "create SETNAME hash:ip,port\n   [counters]\n"
    refused(director, WISH, "skbinfo")


def test_table_of_someone_else() -> None:
    director = FakeDirector()
    director.routes[6][79] = [{"dst": "2001:db8:5::/64", "dev": "eth0"}]
    refused(director, WISH, "IPv6 routing table 79: holds routes of someone else: 2001:db8:5::/64. Set refuse_table")


def test_set_of_another_kind() -> None:
    director = FakeDirector()
    director.sets["dsr-vip4"] = FakeSet("hash:net family inet maxelem 65536")
    refused(director, WISH, "ipset dsr-vip4: is a set of another kind")


def test_a_write_the_kernel_does_not_take() -> None:
    director = FakeDirector()
    director.observe = lambda: director.sets["dsr-vip4"].entries.clear() if "dsr-vip4" in director.sets else None
    with pytest.raises(DsrError, match=f"missing: add dsr-vip4 {V4}"):
        reconcile(director, WISH, check_mode=False)
