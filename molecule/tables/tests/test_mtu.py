# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every network has an MTU of 1500 bytes: what is tunnelled must still fit, and what cannot fit is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hands import NODES

WEB = ("203.0.113.1", "2001:db8:f::1")
DNS = {"203.0.113.2": 1480, "2001:db8:f::2": 1460}
"""UDP's VIPs, and the largest IP packet that fits into the tunnel."""
MSS = {"203.0.113.1": 1440, "2001:db8:f::1": 1400}
FULL = bool(os.environ.get("DSR_TEST_FULL"))
TCP = 6


class Load(NamedTuple):
    """size: bytes that are sent each way. largest: bytes of the largest IP packet that the client may see of them."""

    size: int
    largest: int


LOADS = {"segments": Load(10_000_000, 65535), "packets": Load(10_000_000 if FULL else 1_000_000, 1500)}
"""Single packets cost the emulated lab a hundred times what uncut segments do."""
PATIENCE = 600 if FULL else 90
HERE_AND_IN_PODS = (
    "for pid in self $(ctr task ls | awk 'NR > 1 {print $2}'); do nsenter --net=/proc/$pid/ns/net %s; done"
)
COUNTERS = ("ReasmReqds", "FragCreates", "FragOKs")


def fragments(machine) -> dict[str, int]:
    """Fragments made and taken since boot, by every machine with its pods."""
    found = {}
    for name in ("client", "r1", *NODES):
        read = "cat /proc/net/snmp /proc/net/snmp6"
        text = machine(name).check_output(HERE_AND_IN_PODS % read if name in NODES else read)
        lines = [line.split() for line in text.splitlines() if line.strip()]
        pairs = [
            pair
            for names, values in zip(lines, lines[1:])
            if names[0] == values[0] == "Ip:"
            for pair in zip(names, values)
        ]
        pairs += [(words[0].removeprefix("Ip6"), words[1]) for words in lines if words[0].startswith("Ip6")]
        found[name] = sum(int(value) for counter, value in pairs if counter in COUNTERS and value.isdecimal())
    return found


@pytest.fixture(params=LOADS)
def load(request, machine) -> Iterator[Load]:
    """TCP's segments pass the virtual cables uncut, far bigger than the MTU, unless the senders' offloads are off."""
    load = LOADS[request.param]
    machine("client").check_output(f"head -c {load.size} /dev/zero >/tmp/upload")
    if request.param == "segments":
        yield load
        return
    places = [
        ("client", "ethtool -K outside OFFLOADS"),
        *((node, HERE_AND_IN_PODS % "ethtool -K eth0 OFFLOADS 2>/dev/null; true") for node in NODES),
    ]
    for place, line in places:
        machine(place).check_output(line.replace("OFFLOADS", "tso off gso off gro off"))
    yield load
    for place, line in places:
        machine(place).check_output(line.replace("OFFLOADS", "tso on gso on gro on"))


@pytest.mark.parametrize("vip", WEB)
def test_megabytes_pass_both_ways_without_a_fragment(machine, sniff, load: Load, vip: str) -> None:
    url = f"http://[{vip}]" if ":" in vip else f"http://{vip}"
    curl = f"curl -gsS -m {PATIENCE} -H Expect:"
    before = fragments(machine)
    with sniff("client", vip) as seen:
        sent = json.loads(machine("client").check_output(f"{curl} -T /tmp/upload {url}/"))
        got = machine("client").check_output(f"{curl} -o /dev/null -w '%{{size_download}}' {url}/bytes/{load.size}")
    assert (sent["received"], got) == (load.size, str(load.size))
    assert fragments(machine) == before
    for outgoing in (True, False):
        packets = [packet for packet in seen if packet["outgoing"] is outgoing and packet["layers"][0][2] == TCP]
        assert 1400 < max(packet["size"] for packet in packets) <= load.largest
        assert [packet for packet in packets if not packet["df"] or packet["fragment"]] == []


@pytest.mark.parametrize("vip", WEB)
def test_pod_asks_for_segments_that_fit_the_tunnel(sniff, answer, vip: str) -> None:
    with sniff("client", vip) as seen:
        answer(vip)
    offers = {
        packet["mss"] for packet in seen if packet["layers"][0][0] == vip and packet.get("flags", 0) & 0x12 == 0x12
    }
    assert offers == {MSS[vip]}


@pytest.mark.parametrize("vip", DNS)
def test_datagram_too_big_for_the_tunnel_is_told(probe, vip: str) -> None:
    told = probe(vip, 1490)
    assert told["error"], told
    kind = [2, 0] if ":" in vip else [3, 4]
    assert [told["error"]["type"], told["error"]["code"], told["error"]["mtu"]] == [*kind, DNS[vip]], told
    answered = json.loads(probe(vip, DNS[vip])["answer"])
    assert len(answered["echo"]) == DNS[vip] - (48 if ":" in vip else 28)


@pytest.fixture
def probe(machine, packets):
    yield lambda vip, size: json.loads(packets("client", "probe", vip, "7007", str(size)))
    machine("client").check_output("ip route flush cache; ip -6 route flush cache")
