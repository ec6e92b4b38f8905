# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.nft import marking
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import recorded
from hypothesis import given
from hypothesis import strategies as st

MARKING = "meta mark set 0x00000001"


def table(*chains: str, name: str = "inet fw") -> str:
    return f"table {name} {{\n" + "\n\n".join(chains) + "\n}\n"


def chain(name: str, *lines: str) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}"


def pre(*rules: str, kind: str = "filter", hook: str = "prerouting", priority: str = "filter") -> str:
    return chain("pre", f"type {kind} hook {hook} priority {priority}; policy accept;", *rules)


def test_a_recorded_ruleset() -> None:
    assert marking(recorded("nft-1.0.6-ruleset.txt"), {4}) == [
        "table inet fw chain in 'iifname \"eth0\" meta mark set ct mark'",
        "table ip old chain p 'meta mark set numgen inc mod 2 map { 0 : 0x00000010, 1 : 0x00000020 }'",
        "table inet fw chain sub 'tcp dport 8080 meta mark set meta mark | 0x00004000 counter packets 0 bytes 0"
        ' comment "meta mark set"\'',
    ]
    assert "table ip6 own chain pre" in marking(recorded("nft-1.0.6-ruleset.txt"), {6})[1]


FOUND = [f"table inet fw chain pre '{MARKING}'"]


@pytest.mark.parametrize(
    ("base", "found"),
    [
        ({}, True),
        ({"priority": "mangle"}, True),
        ({"priority": "mangle + 10"}, True),
        ({"priority": "-140"}, True),
        ({"priority": "300"}, True),
        ({"hook": "input", "priority": "raw"}, True),
        ({"priority": "mangle - 1"}, False),
        ({"priority": "raw"}, False),
        ({"priority": "-151"}, False),
        ({"hook": "postrouting", "priority": "srcnat"}, False),
        ({"hook": 'ingress device "eth0"'}, False),
        ({"kind": "nat", "priority": "dstnat"}, False),
    ],
)
def test_base_chains_after_our_mark(base: dict[str, str], found: bool) -> None:
    assert marking(table(pre(MARKING, **base)), {4}) == (FOUND if found else [])


@pytest.mark.parametrize(
    ("name", "versions", "found"),
    [
        ("inet fw", {6}, True),
        ("ip fw", {4}, True),
        ("ip fw", {6}, False),
        ("ip6 mangle", {6}, False),
        ("inet mangle", {4}, True),
        ("bridge fw", {4, 6}, False),
    ],
)
def test_tables_of_other_families_and_of_iptables_do_not_count(name: str, versions: set[int], found: bool) -> None:
    assert bool(marking(table(pre(MARKING), name=name), versions)) == found


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("ip daddr 203.0.113.0/24 tcp dport 80 meta mark set meta mark | 0x00004000 counter packets 0 bytes 0", True),
        ('iifname "eth0" meta mark set ct mark', True),
        ("ct mark set 0x00000001", False),
        ("meta mark 0x00000001 accept", False),
        ('accept comment "meta mark set 1"', False),
    ],
)
def test_rules(rule: str, found: bool) -> None:
    assert marking(table(pre(rule)), {4}) == ([f"table inet fw chain pre '{rule}'"] if found else [])


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("jump one", True),
        ("tcp dport 80 goto one", True),
        ("tcp dport vmap { 80 : jump one, 443 : accept }", True),
        ("ip daddr . tcp dport vmap @services", False),
        ("jump oneself", False),
    ],
)
def test_chains_that_packets_are_led_to(way: str, found: bool) -> None:
    sets = "\tmap services {\n\t\ttype ipv4_addr . inet_service : verdict\n\t}"
    text = table(sets, chain("two", MARKING, "jump one"), chain("one", "goto two"), pre(way))
    assert marking(text, {4}) == (["table inet fw chain two 'meta mark set 0x00000001'"] if found else [])


def test_a_chain_of_another_table_is_another_chain() -> None:
    assert marking(table(chain("one", MARKING)) + table(pre("jump one"), name="inet other"), {4}) == []


@given(st.lists(st.sampled_from([*table(chain("one", MARKING), pre("jump one"), "\tset x {", "{", "}").splitlines()])))
def test_anything_is_read(lines: list[str]) -> None:
    marking("\n".join(lines), {4, 6})
