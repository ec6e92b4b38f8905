# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms and options of steering, on the kernel and under traffic."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Iterator

import pytest
from hands import Cluster, Node, known_nodes, services

WEB = ("203.0.113.1", "2001:db8:f::1")
DNS = ("203.0.113.2", "2001:db8:f::2")
FORMS = ("ipset", "iptables")
DEFAULT_FORM = FORMS if os.environ.get("DSR_TEST_FULL") else FORMS[:1]
"""And the other one under make test-full."""
RANGES = {"web": {"source_ranges": ["198.51.100.0/28"]}, "web6": {"source_ranges": ["2001:db8:c::10/124"]}}
"""The client is inside, the attacker is not."""
REFUSED = 7
TIMED_OUT = 28
"""What curl says when it could not connect, and when it waited too long."""
TCP, UDP = 6, 17
SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sender.connect((sys.argv[1], int(sys.argv[2])))
try:
    sender.send(b"x")
except OSError as error:
    print(error.errno)
"""
"""Sends a datagram to an address and a port, and tells the error."""


def url(vip: str, port: int = 80) -> str:
    return f"http://[{vip}]:{port}/" if ":" in vip else f"http://{vip}:{port}/"


def test_form_changes_to_and_fro_under_connections(tables, flows) -> None:
    with flows(6, *WEB, *DNS) as result:
        for form in ("iptables", "ipset"):
            tables.bring(form=form)
            for rules, sets in tables.run(
                "iptables-save -t mangle; ip6tables-save -t mangle", "ipset list -n"
            ).values():
                marked = {vip for vip in (*WEB, *DNS) if re.search(rf"-d {vip}/.* --dport 80 .*-j MARK", rules)}
                assert marked == ({*WEB, *DNS} if form == "iptables" else set())
                assert ("dsr-map4" in sets.split()) == (form == "ipset")
            time.sleep(3)
    assert result["broken"] == [] and result["alive"] == 6 * 4, result


def counted(cluster: Cluster) -> int:
    """Packets that were refused for their source: by elements of a set, or by rules behind those that mark."""
    sets = r"^add dsr-limit[46] .* packets (\d+)"
    rules = r"^\[(\d+):\d+\] -A DSR-MARK -d .* --dport \d+ .*-j RETURN"
    found = cluster.run("ipset save; iptables-save -c -t mangle; ip6tables-save -c -t mangle").values()
    text = "".join(saved for (saved,) in found)
    return sum(int(number) for pattern in (sets, rules) for number in re.findall(pattern, text, re.MULTILINE))


def connections(node: Node) -> set[tuple[str, int]]:
    """Address and port of the clients whose connections this director knows."""
    (listing,) = node.run("ipvsadm -Lnc")
    ends = [words[3].rpartition(":") for words in map(str.split, listing.splitlines()[2:])]
    return {(address.strip("[]"), int(port)) for address, _colon, port in ends}


def assert_node_asks_itself(cluster: Cluster, through, sniff) -> None:
    """What starts on a node is served and refused by that node. A datagram that is refused fails at once. A connection
    only times out: connect() heeds no error of the way to OUTPUT but ECONNREFUSED (tcp_connect in
    net/ipv4/tcp_output.c), and Linux says EHOSTUNREACH there."""
    before = counted(cluster)
    for vip in DNS:
        with through(vip, "n2"):  # there it would go if n1 did not take it
            told = cluster["n1"].run(*[f"curl -gsS -m 10 {url(vip)}"] * 4)
        answers = [json.loads(text) for text in told]
        assert {one["peer"] for one in answers} <= set(known_nodes()["n1"]["addresses"]), answers
        clients = {(one["peer"], one["peer_port"]) for one in answers}
        assert clients <= connections(cluster["n1"]) and not clients & connections(cluster["n2"]), clients
    refused = [*(url(vip) for vip in WEB), *(url(vip, 81) for vip in DNS)]
    with sniff("r1", *WEB, *DNS) as passed:
        asked = " & ".join(f"{{ curl -gsS -m 2 {target} 2>/dev/null; echo $?; }}" for target in refused)
        ended, *errors = cluster["n1"].run(f"{asked} & wait", *(f"python3 -c '{SEND}' {vip} 7008" for vip in DNS))
    assert len(ended.split()) == len(refused) and {int(each) for each in ended.split()} <= {REFUSED, TIMED_OUT}, ended
    assert [int(each) for each in errors] == [errno.EHOSTUNREACH] * len(DNS)
    assert [packet for packet in passed if packet["layers"][0][2] in (TCP, UDP)] == []
    assert counted(cluster) - before >= len(WEB)


@pytest.mark.parametrize("form", DEFAULT_FORM)
def test_source_ranges(tables, machine, answer, through, sniff, form: str) -> None:
    tables.bring(services(**RANGES), form=form)
    before = counted(tables)
    for vip in WEB:
        assert answer(vip)["pod"].startswith("web-")
    assert counted(tables) == before
    for vip in WEB:
        started = time.monotonic()
        tried = machine("attacker").run(f"curl -gsS -m 10 {url(vip)}")
        assert tried.rc == REFUSED, tried
        assert time.monotonic() - started < 4, "not refused at once"
    assert counted(tables) - before >= len(WEB)
    for vip in DNS:
        assert answer(vip, "attacker")["pod"].startswith("dns-")
    assert_node_asks_itself(tables, through, sniff)


@pytest.mark.parametrize("form", DEFAULT_FORM)
def test_vip_answers_ping_only_if_asked_to(tables, machine, form: str) -> None:
    pings = [f"ping -c 2 -i 0.2 -W 2 {vip}" for vip in (*WEB, *DNS)]
    tables.bring(form=form, ping=True)
    assert [machine("client").run(ping).rc for ping in pings] == [0] * len(pings)
    tables.bring(form=form)
    assert all(machine("client").run(ping).rc != 0 for ping in pings)


@pytest.fixture
def legacy(tables) -> Iterator[Cluster]:
    """iptables of n2 and its pods is the legacy one, which holds its rules apart from those of the other."""
    choose = "update-alternatives --set {0} /usr/sbin/{0}-{1} >/dev/null"
    gone = (("steering", {"state": "absent"}), ("pods", {"pods": []}))
    for kind in ("legacy", "nft"):
        tables["n2"].modules(*gone)
        tables["n2"].run(*(choose.format(command, kind) for command in ("iptables", "ip6tables")))
        if kind == "legacy":
            yield tables
    assert "DSR-" not in tables["n2"].run("iptables-legacy-save; ip6tables-legacy-save")[0]


@pytest.mark.parametrize("form", DEFAULT_FORM)
def test_iptables_legacy(legacy, answer, through, form: str) -> None:
    legacy.bring(form=form)
    save = "iptables-{0}-save -t mangle; ip6tables-{0}-save -t mangle"
    shown, other = legacy["n2"].run(save.format("legacy"), save.format("nft"))
    assert "-j DSR-MARK" in shown and "DSR-MARK" not in other
    for vip in (*WEB, *DNS):
        with through(vip, "n2"):
            assert answer(vip)["peer"] in ("198.51.100.10", "2001:db8:c::10")
    done = legacy.bring(form=form)
    assert not any(result["changed"] for result in done["n2"]), done["n2"]
