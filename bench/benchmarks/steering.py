# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets per second through a director, by the number of VIP:port pairs it steers and the form of steering.

A source sends UDP to all pairs in turn; the director marks, schedules and tunnels each packet; a sink counts what
arrives. One processor sends, another does all the director's work, so the rate is what the director can do.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.harness import Figures, Finding, Goal, interleaved, middle, rounded, say
from bench.payload import payload
from bench.place import PYTHON, BenchmarkError, Place, traffic
from bench.tables import mark, vip_ports
from bench.traffic import DIRECTOR_MAC

TITLE = "UDP packets per second through a director, a service with a mark of its own for each VIP:port pair"
FORMS: Final = ("ipset", "iptables")
SIZES: Final = (1, 100, 5000)
CEILING: Final = "no director"

_WARM: Final = 0.5
_SECONDS: Final = 2.0
_POD: Final = "192.0.2.2"


@dataclass(frozen=True)
class Way:
    """From the source to where it is counted. device: of the source. counted: the process there, and its device."""

    device: str
    pairs: int
    counted: tuple[subprocess.Popen[str], str]


def files() -> dict[str, bytes]:
    return {f"{form}-{size}.payload": payload("steering", _steering(form, size)) for form in FORMS for size in SIZES}


def measure(place: Place, rounds: int, _options: Mapping[str, int]) -> Figures:
    place.load("ip_vs", "ip_vs_rr")
    source, sink = place.namespace("source"), place.namespace("sink")
    sender = place.background([PYTHON, "-m", "bench.traffic"], source)
    holder = place.background(["sleep", "infinity"], sink)
    ways: dict[str, Way] = {}
    for number, (form, size) in enumerate((form, size) for form in FORMS for size in SIZES):
        _director(place, number, source, sink, form, size)
        ways[f"{form} {size}"] = Way(f"s{number}", size, (holder, f"d{number}"))
        say(f"steering: director with {size} pairs as {form} is ready")
    place.link((source, "none"), (sink, "none"))
    place.receive_on(sink, "none", 1)
    ways[CEILING] = Way("none", SIZES[-1], (holder, "none"))
    sides = {side: partial(_rate, sender, way) for side, way in ways.items()}
    return {"pps": interleaved("steering", sides, rounds, "packets/s")}


def findings(figures: Figures) -> list[Finding]:
    rate = {side: middle(values) for side, values in figures["pps"].items()}
    few, many = SIZES[0], SIZES[-1]
    kept = {form: rounded(rate[f"{form} {many}"] / rate[f"{form} {few}"]) for form in FORMS}
    return [
        Goal(f"ipset, rate with {many} pairs / with {few}", kept["ipset"], "x", ">=", 0.95),
        Finding(f"iptables, rate with {many} pairs / with {few}", kept["iptables"]),
        Finding(f"{many} pairs, ipset / iptables", rounded(rate[f"ipset {many}"] / rate[f"iptables {many}"])),
        *(Finding(f"{form}, {size} pairs", rate[f"{form} {size}"], "packets/s") for form in FORMS for size in SIZES),
        Finding("sent where nothing is done with them", rate[CEILING], "packets/s"),
    ]


def _steering(form: str, size: int) -> dict[str, object]:
    pairs = vip_ports(size)
    return {
        "form": form,
        "vips": sorted({vip for vip, _port in pairs}),
        "entries": [
            {"vip": vip, "protocol": "udp", "port": port, "mark": mark(number)}
            for number, (vip, port) in enumerate(pairs)
        ],
    }


def _director(place: Place, number: int, source: str, sink: str, form: str, size: int) -> None:
    """A director between source and sink. The sink's device has another MAC address than the packets: it drops them."""
    namespace = place.namespace(f"director{number}")
    place.link((source, f"s{number}"), (namespace, "in"))
    place.link((namespace, "out"), (sink, f"d{number}"))
    for line in (
        f"link set in address {DIRECTOR_MAC}",
        "address add 198.51.100.1/24 dev in",
        "address add 192.0.2.1/24 dev out",
        f"neighbour add {_POD} lladdr 02:00:00:00:00:03 dev out nud permanent",
    ):
        place.run(["ip", "-n", namespace, *line.split()])
    place.run(["sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.in.rp_filter=0"], namespace)
    services = [f"-A -f {mark(each)} -s rr -o\n-a -f {mark(each)} -r {_POD}:0 -i -w 1\n" for each in range(size)]
    place.run(["ipvsadm", "-R"], namespace, "".join(services))
    place.module(f"{form}-{size}", namespace)
    place.receive_on(namespace, "in", 1)


def _rate(sender: subprocess.Popen[str], way: Way) -> float:
    """Packets per second that arrive while the source sends."""
    assert sender.stdin and sender.stdout
    sender.stdin.write(f"{way.device} {way.pairs} {_WARM + _SECONDS + 0.5}\n")
    if sender.stdout.readline().strip() != "started":
        raise BenchmarkError("the source of packets died")
    time.sleep(_WARM)
    first, begin = traffic(*way.counted).received, time.perf_counter()
    time.sleep(_SECONDS)
    second, end = traffic(*way.counted).received, time.perf_counter()
    sender.stdout.readline()
    _drain(way)
    return (second - first) / (end - begin)


def _drain(way: Way) -> None:
    """Wait until what is still queued has gone through."""
    seen = -1
    while (now := traffic(*way.counted).received) != seen:
        seen = now
        time.sleep(0.3)
