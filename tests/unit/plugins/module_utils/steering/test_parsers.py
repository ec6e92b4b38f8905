# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset, iptables, nft, route
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import IPV4
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.foreign import ForeignRules
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import recorded

MUTATIONS = 10_000


def others(text: str) -> None:
    rules = ForeignRules(IPV4, text, [parse_address("vip", "203.0.113.1")], MarkRange())
    rules.setting_our_marks()
    rules.warnings()


PARSERS: list[tuple[str, Callable[[str], object]]] = [
    ("iptables-1.8.11-nft-ipset.save", iptables.parse),
    ("ip6tables-1.8.7-legacy-iptables.save", iptables.parse),
    ("iptables-1.8.9-nft-iptables.save", others),
    ("ipset-7.22-ipset.save", ipset.parse),
    ("ip4-rule.json", route.parse_rules),
    ("ip4-rule.json", route.parse_foreign_marks),
    ("ip6-route-78.json", lambda text: route.parse_routes(text, 78)),
    ("nft-1.0.6-ruleset.txt", lambda text: nft.marking(text, (4, 6))),
    ("ip-address.json", route.parse_addresses),
]


@pytest.mark.parametrize(("name", "parse"), PARSERS)
def test_mutated_output_is_parsed_or_refused(name: str, parse: Callable[[str], object]) -> None:
    source = recorded(name)
    chance = random.Random(name)
    for _each in range(MUTATIONS):
        with contextlib.suppress(DsrError):
            parse(mutated(source, chance))


def mutated(text: str, chance: random.Random) -> str:
    """The text with a piece dropped, doubled, moved, or overwritten, up to four times."""
    for _each in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([1, 1, 2, 5, 20, 200]))
        piece, rest = text[start:end], text[:start] + text[end:]
        at = chance.randrange(len(rest) + 1)
        noise = chance.choice(
            ['"', "{", "[", "]", ":", "-", "\n", " ", "\0", "9" * 30, "1e999", "null", "é", "-j DSR-RAW"]
        )
        text = chance.choice(
            [rest, text[:end] + text[start:], rest[:at] + piece + rest[at:], text[:start] + noise + text[end:]]
        )
    return text


@pytest.mark.parametrize(
    "rule",
    [
        "-p icmpv6 -m icmp6 --icmpv6-type 1 -m comment --comment baremetal.dsr -j NOTRACK",
        '-p ipv6-icmp -m icmp6 --icmpv6-type 1 -m comment --comment "baremetal.dsr" -j CT --notrack',
        '[7:420] -A DSR-RAW -p icmpv6 -m icmp6 --icmpv6-type 1 -m comment --comment "baremetal.dsr" -j NOTRACK',
    ],
)
def test_other_spellings_are_the_same_rule(rule: str) -> None:
    line = rule if rule.startswith("[") else f"-A DSR-RAW {rule}"
    assert iptables.parse(f"*raw\n:DSR-RAW - [0:0]\n{line}\nCOMMIT\n")["raw"].chains["DSR-RAW"] == (
        '-p ipv6-icmp -m icmp6 --icmpv6-type 1 -m comment --comment "baremetal.dsr" -j CT --notrack',
    )


@pytest.mark.parametrize(
    ("protocol", "number"), [("ipencap", 4), ("ipv4", 4), ("4", 4), ("ipv6", 41), ("gre", 47), ("47", 47)]
)
def test_protocols_by_name_are_protocols_by_number(protocol: str, number: int) -> None:
    saved = f"*raw\n:DSR-GUARD - [0:0]\n-A PREROUTING -p {protocol} -j DSR-GUARD\n-A DSR-GUARD -p {protocol} -j DROP\n"
    raw = iptables.parse(saved)["raw"]
    assert raw.chains == {"DSR-GUARD": (f"-p {number} -j DROP",)}
    assert raw.jumps == (("PREROUTING", f"-p {number} -j DSR-GUARD"),)


def test_chains_refer_to_each_other_while_they_come_and_go() -> None:
    rules = {"DSR-MARK": ("-p icmp -j DSR-ERROR",), "DSR-ERROR": ("-j RETURN",)}
    both = {**iptables.NO_TABLES, "mangle": iptables.Table(rules, (("PREROUTING", "-j DSR-MARK"),))}
    assert iptables.changes(iptables.NO_TABLES, both) == [
        "*mangle",
        ":DSR-MARK - [0:0]",
        ":DSR-ERROR - [0:0]",
        "-A DSR-MARK -p icmp -j DSR-ERROR",
        "-A DSR-ERROR -j RETURN",
        "-I PREROUTING 1 -j DSR-MARK",
        "COMMIT",
    ]
    assert iptables.changes(both, iptables.NO_TABLES) == [
        "*mangle",
        "-D PREROUTING -j DSR-MARK",
        "-F DSR-MARK",
        "-F DSR-ERROR",
        "-X DSR-MARK",
        "-X DSR-ERROR",
        "COMMIT",
    ]


def test_what_the_kernel_counts_is_no_difference() -> None:
    saved = (
        "create dsr-limit4 hash:ip,port family inet hashsize 1024 maxelem 1048576 counters bucketsize 12\n"
        "add dsr-limit4 203.0.113.1,tcp:80 packets 17 bytes 1020\n"
    )
    wanted = ipset.counted("dsr-limit4", "hash:ip,port", IPV4, ["203.0.113.1,tcp:80"])
    assert ipset.parse(saved) == {"dsr-limit4": wanted}


@pytest.mark.parametrize(
    ("saved", "element"),
    [
        ("203.0.113.1,tcp:80,192.0.2.5/32", "203.0.113.1,tcp:80,192.0.2.5"),
        ("203.0.113.1,tcp:80,192.0.2.0/24", "203.0.113.1,tcp:80,192.0.2.0/24"),
        ("2001:DB8::1,udp:53,2001:db8:0::/32", "2001:db8::1,udp:53,2001:db8::/32"),
        ("203.0.113.1,0x60050", "203.0.113.1,0x00060050"),
        ("203.0.113.1,0x80060050", "203.0.113.1,0x80060050"),
    ],
)
def test_elements_have_one_spelling(saved: str, element: str) -> None:
    held = ipset.parse(f"create dsr-allow4 hash:ip\nadd dsr-allow4 {saved}\n")
    assert list(held["dsr-allow4"].entries) == [element]


def test_set_mark_is_set_xmark_of_all_bits() -> None:
    saved = "*mangle\n:DSR-MARK - [0:0]\n-A DSR-MARK -j MARK --set-mark 0xd00002\n-A DSR-MARK\nCOMMIT\n"
    assert iptables.parse(saved)["mangle"].chains["DSR-MARK"] == ("-j MARK --set-xmark 0xd00002/0xffffffff", "")


def test_every_way_into_a_chain_is_ours() -> None:
    saved = "*raw\n:DSR-RAW - [0:0]\n-A PREROUTING -j DSR-RAW\n-A X -p tcp -g DSR-RAW\n-A X -j DSR-RAWER\nCOMMIT\n"
    assert iptables.parse(saved)["raw"].jumps == (("PREROUTING", "-j DSR-RAW"), ("X", "-p tcp -g DSR-RAW"))


def test_a_table_iptables_cannot_show() -> None:
    with pytest.raises(DsrError, match="iptables table raw: holds rules made by nft"):
        iptables.parse("# Table `raw' is incompatible, use 'nft' tool.\n")
    assert iptables.parse("# Table `filter' is incompatible, use 'nft' tool.\n") == iptables.NO_TABLES


def test_no_chain_and_an_empty_chain_differ() -> None:
    assert iptables.parse("*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")["raw"].chains == {}
    assert iptables.parse("*raw\n:DSR-RAW - [0:0]\nCOMMIT\n")["raw"].chains == {"DSR-RAW": ()}


def test_a_mark_that_leaves_bits_alone_is_not_ours() -> None:
    saved = "create dsr-vip4 hash:ip family inet\nadd dsr-vip4 203.0.113.1 skbmark 0xd00002/0xfffffff0\n"
    held = ipset.parse(saved)
    assert held["dsr-vip4"].entries == {"203.0.113.1": "skbmark 0xd00002/0xfffffff0"}
    wanted = {"dsr-vip4": ipset.IpSet("dsr-vip4", "hash:ip family inet", {"203.0.113.1": "skbmark 0xd00002"})}
    assert ipset.growth(held["dsr-vip4"], wanted["dsr-vip4"]) == ["add dsr-vip4 203.0.113.1 skbmark 0xd00002"]


def test_header_without_what_the_kernel_chooses() -> None:
    saved = (
        "create dsr-vip4 hash:ip family inet hashsize 4096 maxelem 1048576 skbinfo bucketsize 12 initval 0xbe64007f\n"
    )
    assert ipset.parse(saved)["dsr-vip4"] == ipset.marked("dsr-vip4", "hash:ip", IPV4, {})


@pytest.mark.parametrize("text", ["", "[]", "[{}]", "[1, null]"])
def test_empty_json(text: str) -> None:
    assert route.parse_rules(text) == frozenset()
    assert route.parse_addresses(text) == {}


@pytest.mark.parametrize("text", ["{}", "not json", "[" * 100_000, "[1"])
def test_no_json(text: str) -> None:
    with pytest.raises(DsrError, match="other than a JSON list"):
        route.parse_rules(text)
