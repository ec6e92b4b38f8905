# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node, as a part of on_node.py: kills what site.yml does to the tables at every write and every line of it.

The node goes to and fro between two states. On each way the run is killed at the next point that was not tried yet.
Then nothing may be sent where it cannot be taken, and a run that is not disturbed must bring the very tables that it
brings when none was killed before.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import FAULT, WRITES
from on_node import Failed, Options, in_child, run, site

State = Mapping[str, Options]
SHOWN = 5
RECEIVERS = {"ipip": ("dsr4", "dsr6"), "gre": ("dsr4gre", "dsr6gre")}
"""Devices by the tunnel whose packets they take."""
NOISE = re.compile(
    r"^\d+: | (hashsize|bucketsize|initval) \S+| permaddr \S+| expires \d+sec|(valid|preferred)_lft \S+| \[\d+:\d+\]"
)
IN_POD = """
ip -details address; ip -4 route show table all; ip -6 route show table all
ipset save | sort; iptables-save; ip6tables-save
ip fou show; cd /proc/sys/net/ipv4/conf; grep . */arp_ignore */arp_announce */rp_filter
"""


def drill(states: Mapping[str, State], vips: Mapping[str, str], share: Sequence[int]) -> dict[str, Any]:
    """Try share[0] of every share[1] faults on the ways between states["start"] and states["goal"].

    vips: VIP by mark. Returns {"faults": how many runs were killed, "points": how many there are on both ways,
    "writes": {state: how many the way to it has}, "failures": [text]}.
    """
    pods = namespaces()
    complete(states["start"])
    first = snapshot(pods)
    points, tables, writes = {}, {}, {}
    for name in ("goal", "start"):
        writes[name] = complete(states[name])
        points[name] = [*faults(writes[name])]
        tables[name] = snapshot(pods)
    failures = differences(first, tables["start"], "undisturbed way to and fro")
    mine = {name: points[name][share[0] :: share[1]] for name in points}
    tried, towards = 0, "goal"
    while any(mine.values()) and len(failures) < SHOWN:
        if mine[towards]:
            fault = mine[towards].pop(0)
            failures += [
                f"{fault} on the way to {towards}: {text}" for text in strike(states[towards], fault, vips, pods)
            ]
            tried += 1
            after = f"way to {towards} after a death at {fault}"
        else:
            after = f"way to {towards}"
        try:
            complete(states[towards])
            failures += differences(tables[towards], snapshot(pods), after)
        except Failed as failed:
            failures.append(f"{after}: {failed}")
        towards = "start" if towards == "goal" else "goal"
    counts = {name: len(made) for name, made in writes.items()}
    return {"faults": tried, "points": sum(map(len, points.values())), "writes": counts, "failures": failures}


def complete(state: State) -> list[dict[str, Any]]:
    """Bring the node to a state without disturbance; the writes it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "writes"
        path.touch()
        in_child(lambda: site(state), {WRITES: str(path)})
        return [json.loads(line) for line in path.read_text().splitlines()]


def faults(writes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Every point at which the tables are different from the point before."""
    yield "1:0"
    for write in writes:
        number, lines = write["number"], write["lines"]
        if not lines:
            yield str(number)
        for count, line in enumerate(lines, 1):
            # What iptables-restore is given becomes true at the line that ends it.
            if not any(word.endswith("tables-restore") for word in write["argv"]) or line.strip() == "COMMIT":
                yield f"{number}:{count}"


def strike(state: State, fault: str, vips: Mapping[str, str], pods: Mapping[str, str]) -> list[str]:
    """Start on the way to a state and be killed; what is wrong then."""
    try:
        ended = in_child(lambda: site(state), {FAULT: fault})
    except Failed as failed:
        return [str(failed)]
    if ended.signal != signal.SIGKILL:
        return ["was not reached"]
    return wrong(vips, pods)


def wrong(vips: Mapping[str, str], pods: Mapping[str, str]) -> list[str]:
    """Destinations that cannot take what IPVS sends them, and marks that IPVS does not serve."""
    served: dict[int, list[tuple[str, str]]] = {}
    for words in map(str.split, run(["ipvsadm", "-S", "-n"]).splitlines()):
        if words[:2] == ["-A", "-f"]:
            served[int(words[2])] = []
        elif words[:2] == ["-a", "-f"] and words[words.index("-w") + 1] != "0":
            address = words[words.index("-r") + 1].rpartition(":")[0].strip("[]")
            kind = words[words.index("--tun-type") + 1] if "--tun-type" in words else "ipip"
            served[int(words[2])].append((address, kind))
    used = {each for destinations in served.values() for each in destinations}
    ready = {each: ready_vips(*each, pods[each[0]]) for each in used if each[0] in pods}
    found = [
        f"IPVS sends {vips[str(mark)]} by {kind} to {address}, which cannot take it"
        for mark, destinations in served.items()
        for address, kind in destinations
        if vips[str(mark)] not in ready.get((address, kind), ())
    ]
    steered = [words for words in map(str.split, run(["ipset", "save"]).splitlines()) if words[:1] == ["add"]]
    for _add, name, element, *extensions in steered:
        if name.startswith("dsr-map") and not name.endswith("-new"):
            mark = int(extensions[extensions.index("skbmark") + 1].partition("/")[0], 0)
            found += [] if served.get(mark) else [f"{element} is steered to mark {mark:#x}, which has no destination"]
    return found


def ready_vips(address: str, kind: str, entry: str) -> set[str]:
    """VIPs whose packets this pod address can take out of such a tunnel, and its guard lets through if it has one."""
    shown = run(["nsenter", f"--net={entry}", "sh", "-c", "ip -json -details address; ipset save"]).splitlines()
    links = [link for link in json.loads(shown[0]) if "UP" in link["flags"]]
    tunnels = [link for link in links if link.get("linkinfo", {}).get("info_data", {}).get("local") == address]
    if not any(link["ifname"] in RECEIVERS[kind] for link in tunnels):
        return set()
    holders = [link for link in tunnels if link["ifname"] in ("dsr4", "dsr6")]
    vips = {info["local"] for link in holders for info in link["addr_info"] if "local" in info}
    admitted = f"dsr-vip{6 if ':' in address else 4}"
    sets = [words for words in map(str.split, shown[1:]) if words[1] == admitted]
    return vips & {words[2] for words in sets if words[0] == "add"} if sets else vips


def namespaces() -> dict[str, str]:
    """The network namespace of each pod address, as a path."""
    found = {}
    for words in map(str.split, run(["ctr", "task", "ls"]).splitlines()[1:]):
        entry = f"/proc/{words[1]}/ns/net"
        for link in json.loads(run(["nsenter", f"--net={entry}", "ip", "-json", "address", "show", "dev", "eth0"])):
            found.update((info["local"], entry) for info in link.get("addr_info", []) if info.get("scope") == "global")
    return found


def snapshot(pods: Mapping[str, str]) -> list[str]:
    """All tables of the node and of its pods, without what changes by itself."""
    texts = [
        "".join(" ".join(words[:-2]) + "\n" if words[0] == "->" else " ".join(words) + "\n" for words in services()),
        "\n".join(sorted(run(["ipset", "save"]).splitlines())),
        *(run([save]) for save in ("iptables-save", "ip6tables-save")),
        *(run(["ip", family, "rule"]) for family in ("-4", "-6")),
        *(run(["ip", family, "route", "show", "table", "all"]) for family in ("-4", "-6")),
        *(
            f"{path.name}={path.read_text()}"
            for path in sorted(Path("/proc/sys/net/ipv4/vs").iterdir())
            if readable(path)
        ),
        *(run(["nsenter", f"--net={entry}", "sh", "-c", IN_POD]) for entry in sorted(set(pods.values()))),
    ]
    lines = [NOISE.sub("", line).strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def services() -> list[list[str]]:
    """Words of each line of the IPVS table, in the kernel's order."""
    return [line.split() for line in run(["ipvsadm", "-Ln", "--nosort", "--tun-info"]).splitlines()[3:]]


def differences(wanted: Sequence[str], found: Sequence[str], where: str) -> list[str]:
    """What tells two snapshots apart, as one text."""
    lines = [line for line in difflib.unified_diff(wanted, found, lineterm="", n=0) if line[:3] not in ("---", "+++")]
    return [f"{where}: {'; '.join(lines)[:1000]}"] if lines else []
