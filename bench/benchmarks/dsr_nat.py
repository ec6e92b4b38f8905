# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same download through Direct Server Return and through IPVS masquerading: what the director has to carry.

    client --- router --+-- director          one segment joins router, director and node
                        +-- node --- pod

One pod serves two VIPs, both of which the router sends to the director. One is set up by this project's modules. The
other is an IPVS service that masquerades, for which the pod's answers from its own address are routed back through the
director. Segments on the wire are real: no device puts several into one.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.harness import Figures, Finding, Goal, interleaved, middle, ratio, rounded
from bench.payload import payload
from bench.place import PYTHON, BenchmarkError, Place, traffic
from bench.tables import MH_FLAGS, mark

TITLE = "a download through DSR and through IPVS masquerading, the same pod behind the same director"
VIPS: Final = {"dsr": "203.0.113.1", "nat": "203.0.113.2"}
_POD: Final = "10.250.9.2"
_DIRECTOR_PROCESSOR: Final = 1
_IDLE_SECONDS: Final = 3.0

# (namespace, device), (namespace, device): in `fabric` there is only a bridge.
_LINKS: Final = (
    (("client", "out"), ("router", "outside")),
    (("router", "fab"), ("fabric", "router")),
    (("director", "fab"), ("fabric", "director")),
    (("node", "fab"), ("fabric", "node")),
    (("node", "pod"), ("pod", "eth0")),
)
_SETUP: Final = {
    "client": ["address add 198.51.100.10/24 dev out", "route add default via 198.51.100.1"],
    "router": [
        "address add 198.51.100.1/24 dev outside",
        "address add 192.0.2.1/24 dev fab",
        *(f"route add {vip}/32 via 192.0.2.11" for vip in VIPS.values()),
        f"route add {_POD}/32 via 192.0.2.12",
    ],
    "director": [
        "address add 192.0.2.11/24 dev fab",
        "route add default via 192.0.2.1",
        f"route add {_POD}/32 via 192.0.2.12",
        f"address add {VIPS['nat']}/32 dev lo",
    ],
    "node": [
        "address add 192.0.2.12/24 dev fab",
        "address add 10.250.9.1/24 dev pod",
        "route add default via 192.0.2.1",
        "route add default via 192.0.2.11 table 100",
        f"rule add from {_POD} lookup 100",
    ],
    "pod": [f"address add {_POD}/24 dev eth0", "route add default via 10.250.9.1"],
}
_FORWARDING: Final = (
    "net.ipv4.ip_forward=1",
    *(f"net.ipv4.conf.{name}.{key}=0" for name in ("all", "default") for key in ("rp_filter", "send_redirects")),
)
_COUNTER: Final = re.compile(r"^\[(\d+):\d+\].*--comment \"?bench-(\w+)-replies")


@dataclass
class Lab:
    """namespaces by their short names. watched: a process in the director's."""

    place: Place
    namespaces: Mapping[str, str]
    watched: subprocess.Popen[str]
    client: subprocess.Popen[str]
    idle: float = 0.0
    seen: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def files() -> dict[str, bytes]:
    service = {
        "mark": mark(0),
        "family": "ipv4",
        "scheduler": "mh",
        "scheduler_flags": MH_FLAGS,
        "destinations": [{"address": _POD, "weight": 1}],
    }
    entry = {"vip": VIPS["dsr"], "protocol": "tcp", "port": 80, "mark": mark(0)}
    return {
        # Without purge: the pods module looks at all network namespaces of the guest.
        "pods.payload": payload("pods", {"pods": [{"address": _POD, "vips": [VIPS["dsr"]]}], "purge": False}),
        "ipvs.payload": payload("ipvs", {"services": [service]}),
        "steering.payload": payload("steering", {"vips": [VIPS["dsr"]], "entries": [entry]}),
    }


def measure(place: Place, rounds: int, options: Mapping[str, int]) -> Figures:
    place.load("ip_vs", "ip_vs_mh", "ip_vs_rr", "ipip")
    lab = _build(place)
    size = options["megabytes"] * 1_000_000
    for vip in VIPS.values():
        _fetch(lab, vip, 100_000)
    lab.idle = _idle()
    lab.seen = {side: {} for side in VIPS}
    seconds = interleaved("dsr_nat", {side: partial(_download, lab, side, size) for side in VIPS}, rounds)
    replies_at_node = _replies(lab, "node")["dsr"]
    if not replies_at_node:
        raise BenchmarkError("dsr_nat: the counter of replies saw none on the pod's own node")
    figures: Figures = {"bytes": size, "dsr_replies_at_the_pods_node": replies_at_node}
    for side in VIPS:
        figures[side] = {"seconds": seconds[side], **lab.seen[side]}
    return figures


def findings(figures: Figures) -> list[Finding]:
    def each(key: str) -> dict[str, float]:
        return {side: middle(figures[side][key]) for side in VIPS}

    megabytes = figures["bytes"] / 1e6
    packets, carried = each("director_packets"), each("director_bytes")
    found: list[Finding] = [
        Goal("reply packets through the director, DSR", sum(figures["dsr"]["replies"]), "packets", "=", 0),
        Finding("reply packets through the director, NAT, per MB", rounded(each("replies")["nat"] / megabytes), ""),
        Finding("packets through the director, DSR / NAT", rounded(packets["dsr"] / packets["nat"])),
        Finding("bytes through the director, DSR / NAT", rounded(carried["dsr"] / carried["nat"])),
    ]
    for side in VIPS:
        per_byte, per_megabyte = carried[side] / figures["bytes"], packets[side] / megabytes
        found.append(Finding(f"bytes through the director per byte delivered, {side.upper()}", rounded(per_byte), ""))
        found.append(Finding(f"packets through the director per MB, {side.upper()}", rounded(per_megabyte), ""))
    if figures["dsr"]["director_cpu_s"]:
        for side, busy in each("director_cpu_s").items():
            milliseconds = rounded(busy / megabytes * 1000)
            found.append(Finding(f"director's processor per MB, {side.upper()}", milliseconds, "ms"))
    found.append(Finding("throughput, DSR / NAT", ratio(figures["nat"]["seconds"], figures["dsr"]["seconds"])))
    return found


def _build(place: Place) -> Lab:
    names = ("client", "router", "fabric", "director", "node", "pod")
    spaces = {name: place.namespace(name) for name in names}
    place.run(["ip", "-n", spaces["fabric"], *"link add bridge type bridge".split()])
    place.run(["ip", "-n", spaces["fabric"], *"link set bridge up".split()])
    for one, other in _LINKS:
        place.link((spaces[one[0]], one[1]), (spaces[other[0]], other[1]))
        for name, device in (one, other):
            place.run(["ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off"], spaces[name])
            place.receive_on(spaces[name], device, _DIRECTOR_PROCESSOR if name == "director" else 0)
            if name == "fabric":
                place.run(["ip", "-n", spaces[name], "link", "set", device, "master", "bridge"])
    for name in ("router", "director", "node"):
        place.run(["sysctl", "-q", "-w", *_FORWARDING], spaces[name])
    for name, lines in _SETUP.items():
        for line in lines:
            place.run(["ip", "-n", spaces[name], *line.split()])
    _serve(place, spaces)
    for name in ("director", "node"):
        for side, source in (("dsr", VIPS["dsr"]), ("nat", _POD)):
            rule = ["-s", source, "-p", "tcp", "-m", "comment", "--comment", f"bench-{side}-replies"]
            place.run(["iptables", "-t", "raw", "-A", "PREROUTING", *rule], spaces[name])
    watched = place.background(["sleep", "infinity"], spaces["director"])
    return Lab(place, spaces, watched, place.background([PYTHON, "-m", "bench.download", "fetch"], spaces["client"]))


def _serve(place: Place, spaces: Mapping[str, str]) -> None:
    """The pod's application, and both ways to it."""
    server = place.background([PYTHON, "-m", "bench.download", "serve"], spaces["pod"])
    place.module("pods", spaces["node"])
    place.module("ipvs", spaces["director"])
    place.module("steering", spaces["director"])
    masquerading = f"-A -t {VIPS['nat']}:80 -s rr\n-a -t {VIPS['nat']}:80 -r {_POD}:80 -m -w 1\n"
    place.run(["ipvsadm", "-R"], spaces["director"], masquerading)
    if not server.stdout or server.stdout.readline() != "ready\n":
        raise BenchmarkError("dsr_nat: the pod's application did not start")


def _download(lab: Lab, side: str, size: int) -> float:
    before, replies, busy = traffic(lab.watched, "fab"), _replies(lab, "director")[side], _busy()
    begin = time.perf_counter()
    seconds = _fetch(lab, VIPS[side], size)
    elapsed, worked, after = time.perf_counter() - begin, _busy(), traffic(lab.watched, "fab")
    seen: dict[str, float | None] = {
        "replies": _replies(lab, "director")[side] - replies,
        "director_packets": after.received + after.sent - before.received - before.sent,
        "director_bytes": after.received_bytes + after.sent_bytes - before.received_bytes - before.sent_bytes,
        "director_cpu_s": None if busy is None or worked is None else max(worked - busy - lab.idle * elapsed, 0),
    }
    for key, value in seen.items():
        values = lab.seen[side].setdefault(key, [])
        if value is not None:
            values.append(rounded(value))
    return seconds


def _fetch(lab: Lab, vip: str, size: int) -> float:
    assert lab.client.stdin and lab.client.stdout
    lab.client.stdin.write(f"{vip} {size}\n")
    answer = lab.client.stdout.readline()
    if not answer:
        raise BenchmarkError(f"dsr_nat: the download from {vip} failed")
    return float(answer)


def _replies(lab: Lab, name: str) -> dict[str, int]:
    """Packets from the pod that came in to a machine, by the way they belong to."""
    saved = lab.place.run(["iptables-save", "-c", "-t", "raw"], lab.namespaces[name])
    found = [match for line in saved.splitlines() if (match := _COUNTER.match(line))]
    return {match[2]: int(match[1]) for match in found}


def _busy() -> float | None:
    """Seconds that the director's processor has worked for the kernel; None where all share one processor."""
    if (os.cpu_count() or 1) < 2:
        return None
    lines = Path("/proc/stat").read_text().splitlines()
    words = next(line for line in lines if line.startswith(f"cpu{_DIRECTOR_PROCESSOR} ")).split()
    return (int(words[3]) + int(words[6]) + int(words[7])) / os.sysconf("SC_CLK_TCK")


def _idle() -> float:
    """Part of its time for which that processor works when nothing is downloaded."""
    before = _busy()
    time.sleep(_IDLE_SECONDS)
    return 0.0 if before is None else ((_busy() or 0) - before) / _IDLE_SECONDS
