# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets per second through a director, by the number of VIP:port pairs it steers and the form of steering.

The kernel's packet generator hands UDP packets to all pairs, one after the other, to the director's receive path; the
director marks, schedules and tunnels each one; those that leave are counted. One processor does all of that.

All pairs lead to one IPVS service, so that nothing but steering differs: the kernel keeps the services of all
namespaces in 256 hash buckets, and with more services each packet would pay for the search there too. How much that is,
one more director tells that has a service for each of its pairs. It is made first: what came last is searched first.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from bench.harness import Figures, Finding, Goal, interleaved, middle, ratio, say
from bench.payload import payload
from bench.place import BenchmarkError, Place, traffic
from bench.tables import mark, vip_ports

TITLE = "UDP packets per second through a director, by the number of VIP:port pairs"
FORMS: Final = ("ipset", "iptables")
SIZES: Final = {1: (1, 1), 100: (25, 4), 5000: (625, 8)}
"""VIPs and ports that make so many pairs. The generator counts up both with every packet, and comes by all pairs since
the two numbers have no factor in common."""
CEILING: Final = "generator alone"
SERVICES: Final = "ipset, as many services"

_WARM: Final = 0.3
_SECONDS: Final = 0.7
_SLICES: Final = 3
"""A round of short measurements: what else the computer does disturbs fewer of them."""
_MAC: Final = "02:00:00:00:00:01"
_GENERATOR: Final = "/proc/net/pktgen"


def files() -> dict[str, bytes]:
    wanted = {f"{form} {size}": _steering(form, size) for form in FORMS for size in SIZES}
    wanted[SERVICES] = _steering("ipset", max(SIZES), max(SIZES))
    return {f"{name}.payload": payload("steering", options) for name, options in wanted.items()}


def measure(place: Place, rounds: int, _options: Mapping[str, int]) -> Figures:
    place.load("ip_vs", "ip_vs_rr", "dummy", "pktgen")
    sides: dict[str, Callable[[], float]] = {}
    sides[SERVICES] = _director(place, SERVICES, max(SIZES), max(SIZES))
    for form in FORMS:
        for size in SIZES:
            sides[f"{form} {size}"] = _director(place, f"{form} {size}", size, 1)
    alone = _namespace(place, "alone")
    _generator(place, alone, max(SIZES), "02:00:00:00:00:99")  # nobody's address: dropped before anything is done
    sides[CEILING] = partial(_rate, place, alone, partial(_generated, place, alone))
    return {"pps": interleaved("steering", sides, rounds * _SLICES, "packets/s")}


def findings(figures: Figures) -> list[Finding]:
    pps, few, many = figures["pps"], min(SIZES), max(SIZES)
    rate = {side: middle(values) for side, values in pps.items()}
    kept = {form: ratio(pps[f"{form} {many}"], pps[f"{form} {few}"]) for form in FORMS}
    return [
        Goal(f"ipset, rate with {many:,} pairs / with {few}", kept["ipset"], "x", ">=", 0.95),
        Finding(f"iptables, rate with {many:,} pairs / with {few}", kept["iptables"]),
        Finding(
            f"{many:,} pairs, ipset / iptables",
            ratio(pps[f"ipset {many}"], pps[f"iptables {many}"]),
        ),
        *(Finding(f"{form}, {size:,} pairs", rate[f"{form} {size}"], "packets/s") for form in FORMS for size in SIZES),
        Finding(f"ipset, {many:,} pairs, {many:,} services / 1 service", ratio(pps[SERVICES], pps[f"ipset {many}"])),
        Finding("the generator alone, nothing done with its packets", rate[CEILING], "packets/s"),
    ]


def _steering(form: str, size: int, services: int = 1) -> dict[str, object]:
    pairs = vip_ports(*SIZES[size])
    return {
        "form": form,
        "vips": sorted({vip for vip, _port in pairs}),
        "entries": [
            {"vip": vip, "protocol": "udp", "port": port, "mark": mark(number % services)}
            for number, (vip, port) in enumerate(pairs)
        ],
    }


def _namespace(place: Place, name: str) -> str:
    """A namespace with a device by which packets come in and one by which they leave it for good."""
    namespace = place.namespace(name)
    for device, address in (("in", "198.51.100.1/24"), ("out", "192.0.2.1/24")):
        place.run(["ip", "-n", namespace, "link", "add", device, "type", "dummy"])
        place.run(["ip", "-n", namespace, "link", "set", device, "address", _MAC, "up"])
        place.run(["ip", "-n", namespace, "address", "add", address, "dev", device])
    place.run(["sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.in.rp_filter=0"], namespace)
    return namespace


def _director(place: Place, name: str, size: int, services: int) -> Callable[[], float]:
    """A director with so many pairs; what measures the rate through it."""
    namespace = _namespace(place, name.replace(", ", "-").replace(" ", "-"))
    lines = (f"-A -f {mark(each)} -s rr -o\n-a -f {mark(each)} -r 192.0.2.2:0 -i -w 1\n" for each in range(services))
    place.run(["ipvsadm", "-R"], namespace, "".join(lines))
    place.module(name, namespace)
    _generator(place, namespace, size, _MAC)
    watched = place.background(["sleep", "infinity"], namespace)
    say(f"steering: the director of {name} is ready")
    return partial(_rate, place, namespace, partial(_left, watched))


def _generator(place: Place, namespace: str, size: int, mac: str) -> None:
    """Make the last processor's generator ready."""
    pairs = vip_ports(*SIZES[size])
    (first_vip, first_port), (last_vip, last_port) = pairs[0], pairs[-1]
    _write(place, namespace, f"kpktgend_{(os.cpu_count() or 1) - 1}", ["add_device in"])
    settings = [
        "xmit_mode netif_receive",
        "count 0",
        "pkt_size 60",
        f"dst_mac {mac}",
        "src_min 198.51.100.10",
        "src_max 198.51.100.10",
        f"dst_min {first_vip}",
        f"dst_max {last_vip}",
        f"udp_dst_min {first_port}",
        f"udp_dst_max {last_port + 1}",
    ]
    _write(place, namespace, "in", settings)


def _write(place: Place, namespace: str, file: str, lines: Iterable[str]) -> None:
    script = "".join(f"echo {line} >{_GENERATOR}/{file} || exit 1\n" for line in lines)
    place.run(["sh", "-c", script], namespace)


def _rate(place: Place, namespace: str, count: Callable[[], int]) -> float:
    """Packets per second while the generator runs; it stops by itself, whatever becomes of us."""
    seconds = _WARM + _SECONDS + 0.3
    start = ["timeout", "-s", "INT", str(seconds), "sh", "-c", f"echo start >{_GENERATOR}/pgctrl"]
    running = place.background(start, namespace)
    time.sleep(_WARM)
    begin, first = time.perf_counter(), count()
    time.sleep(_SECONDS)
    end, second = time.perf_counter(), count()
    running.communicate()
    if second == first:
        raise BenchmarkError("steering: no packet came through")
    return (second - first) / (end - begin)


def _left(watched: subprocess.Popen[str]) -> int:
    return traffic(watched, "out").sent


def _generated(place: Place, namespace: str) -> int:
    found = re.search(r"pkts-sofar: (\d+)", place.run(["cat", f"{_GENERATOR}/in"], namespace))
    return int(found[1]) if found else 0
