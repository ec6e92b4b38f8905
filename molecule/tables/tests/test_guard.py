# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 11: only the nodes of the cluster can send a pod anything through its tunnel, and only for VIPs."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable

import pytest
from hands import Cluster, known_nodes

POD = "n1/dns-1"
ADDRESS = {4: "10.244.1.3", 6: "2001:db8:244:1::3"}
VIP = {4: "203.0.113.2", 6: "2001:db8:f::2"}
CLIENT = {4: "198.51.100.10", 6: "2001:db8:c::10"}
ATTACKER = {4: ("192.0.2.66", "198.51.100.66"), 6: ("2001:db8:fab::66", "2001:db8:c::66")}
SAVE = {4: "iptables-save", 6: "ip6tables-save"}
IN_POD = "nsenter --net=/proc/$(ctr task ls | awk '$1 == \"dns-1\" {print $2}')/ns/net"
TIMES = 3

Attack = Callable[..., set[str]]


@pytest.fixture
def attack(packets, sniff) -> Attack:
    """Send datagrams of a forged client through the pod's tunnel; which of the texts its application answered."""

    def send(version: int, attempts: dict[str, tuple[str, str]], attacker: str = "attacker") -> set[str]:
        """attempts: the outer source and the inner target by the text that is sent."""
        with sniff("client", VIP[version], ADDRESS[version]) as seen:
            for text, (source, target) in attempts.items():
                words = [source, ADDRESS[version], CLIENT[version], target, "7007", *[text] * TIMES]
                packets(attacker, "tunnelled", *words)
            time.sleep(2)
        answers = " ".join(packet.get("text", "") for packet in seen)
        return {text for text in attempts if text in answers}

    return send


def from_everywhere(version: int) -> dict[str, tuple[str, str]]:
    ways = itertools.product(ATTACKER[version], (VIP[version], ADDRESS[version]))
    return {f"forged-{number}": way for number, way in enumerate(ways)}


def refused(cluster: Cluster, version: int, place: str) -> int:
    """Packets that the guard of n1, or of the pod on it, has dropped so far. place: "" or IN_POD."""
    (saved,) = cluster["n1"].run(f"{place} {SAVE[version]} -c -t raw")
    drops = re.findall(r"^\[(\d+):\d+\] -A DSR-GUARD .*-j DROP", saved, re.MULTILINE)
    assert drops, saved
    return sum(map(int, drops))


def assert_served(machine, version: int) -> None:
    kind = "socket.AF_INET6" if version == 6 else "socket.AF_INET"
    script = (
        f"import socket; s = socket.socket({kind}, socket.SOCK_DGRAM); s.settimeout(10);"
        f' s.connect(("{VIP[version]}", 7007)); s.send(b"real"); print(s.recv(4096).decode())'
    )
    for _time in range(6):  # by way of more than one director
        answer = json.loads(machine("client").check_output(f"python3 -c '{script}'"))
        assert (answer["peer"], answer["echo"]) == (CLIENT[version], "real")
    host = f"[{VIP[version]}]" if version == 6 else VIP[version]
    machine("client").check_output(f"curl -gsS -m 10 http://{host}/")


@pytest.mark.parametrize("version", [4, 6])
def test_node_refuses_forged_packets(cluster, machine, attack: Attack, version: int) -> None:
    attempts = from_everywhere(version)
    before = refused(cluster, version, "")
    assert attack(version, attempts) == set()
    assert refused(cluster, version, "") - before == TIMES * len(attempts)
    assert_served(machine, version)


@pytest.mark.parametrize("version", [4, 6])
def test_pod_refuses_what_its_node_let_through(tables, machine, attack: Attack, version: int) -> None:
    attempts = from_everywhere(version)
    tables["n1"].run("iptables -t raw -F DSR-GUARD", "ip6tables -t raw -F DSR-GUARD")
    before = refused(tables, version, IN_POD)
    assert attack(version, attempts) == set()
    assert refused(tables, version, IN_POD) - before == TIMES * len(attempts)
    assert_served(machine, version)
    assert any(result["changed"] for result in tables.bring()["n1"]), "the node's guard was not mended"
    assert refused(tables, version, "") == 0


@pytest.mark.parametrize("version", [4, 6])
def test_node_of_the_cluster_may_tunnel_to_vips_only(cluster, attack: Attack, version: int) -> None:
    """And the attack itself works: what comes from a node's address is answered."""
    (source,) = [address for address in known_nodes()["n2"]["addresses"] if (":" in address) == (version == 6)]
    attempts = {"to-a-vip": (source, VIP[version]), "to-the-pod": (source, ADDRESS[version])}
    assert attack(version, attempts, attacker="n2") == {"to-a-vip"}
