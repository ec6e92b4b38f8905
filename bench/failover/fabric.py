# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a benchmark of failures uses it: its inventory, its machines, the shipped playbooks, and its faults."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from virtual_dc import ssh
from virtual_dc.topology import TOPOLOGY

from bench.place import BenchmarkError

REPOSITORY = Path(__file__).resolve().parent.parent.parent
GUEST: Final = "guest"
DIRECTOR: Final = "n2"
"""The one to which everything happens."""
PORT: Final = 80
PLAYBOOK_TIMEOUT: Final = 900.0
BOOT_TIMEOUT: Final = 240
_RECAP: Final = re.compile(r"^(?:fatal|failed): .*", re.MULTILINE)

Variables = Mapping[str, Any]


@dataclass
class Lab:
    """The machines and what is known of them.

    variables: for every playbook. state: what `bring` has brought the cluster to; "" when that is not known.
    """

    inventory: Path
    nodes: Mapping[str, list[str]]
    routers: list[str]
    services: list[dict[str, Any]]
    hold_s: float
    bfd_interval_ms: int
    bfd_multiplier: int
    daemon: str = "frr"
    """The unit of the first router's routing daemon."""
    variables: dict[str, Any] = field(default_factory=dict)
    state: str = ""

    @property
    def vips(self) -> list[str]:
        """Those of both families that answer on TCP port 80, in turn, so that a share of each has as many."""
        found: dict[bool, list[str]] = {False: [], True: []}
        for service in self.services:
            ports = [(port["port"], port.get("protocol", "tcp")) for port in service["ports"]]
            if service["backends"] and (PORT, "tcp") in ports and service["vip"] not in found[":" in service["vip"]]:
                found[":" in service["vip"]].append(service["vip"])
        return [vip for pair in zip(found[False], found[True]) for vip in pair]

    @property
    def bfd_detection_s(self) -> float:
        return self.bfd_interval_ms * self.bfd_multiplier / 1000

    def run(self, machine: str, line: str) -> str:
        """Output of a shell line; LabError if it fails."""
        return ssh.run(machine, line)

    def strike(self, machine: str, line: str, before: str = "true") -> float:
        """Run a shell line; when it began, in the seconds of CLOCK_BOOTTIME that all machines share with the guest.

        before: a line that only makes ready, and prints nothing.
        """
        return float(self.run(machine, f"{before} && cat /proc/uptime && {{ {line}; }}").split()[0])

    def time(self) -> float:
        return self.strike(GUEST, "true")

    def playbook(self, name: str, **variables: Any) -> None:
        """Run a shipped playbook; BenchmarkError with what it said if it fails."""
        done = self.attempt(name, **variables)
        if done.returncode != 0:
            raise BenchmarkError(f"{name}.yml failed: {complaint(done.stdout + done.stderr)}")

    def attempt(self, name: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = json.dumps({**self.variables, **variables})
        command = ["ansible-playbook", "-i", str(self.inventory), f"playbooks/{name}.yml", "-e", given]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=PLAYBOOK_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{name}.yml did not end within {PLAYBOOK_TIMEOUT:.0f} s") from error

    def freeze(self, machine: str) -> float:
        """Stop every process of a machine at once, and all its packets; when that was.

        Its processes alone would not do: the kernel is the guest's, so a machine without processes goes on to
        forward, to acknowledge and to answer ARP. Its links stay up on both sides, as they do behind a switch.
        """
        return self.strike(GUEST, f"echo 1 >$group/cgroup.freeze && {_cut(machine)}", before=_group(machine))

    def thaw(self, *machines: str) -> None:
        """No error where one is not frozen."""
        for machine in machines:
            self.run(GUEST, f"{_mend(machine)}; {_group(machine)} && echo 0 >$group/cgroup.freeze")

    def active_router(self) -> str:
        """The one that has the client's gateway; BenchmarkError if none has it."""
        gateways = json.loads(TOPOLOGY.read_text())["gateways"]["outside"]
        for router in self.routers:
            held = self.run(router, "ip -json address show dev outside")
            if all(f'"{gateway}"' in held for gateway in gateways):
                return router
        raise BenchmarkError("no router has the client's gateway: run molecule/routers/prepare.yml first")

    def shut_down(self, machine: str) -> float:
        """Have a machine stop as its administrator would; when that was."""
        return self.strike(machine, "systemctl poweroff")

    def start_up(self, machine: str) -> None:
        """Boot a machine that was shut down; returns when its pods run."""
        ssh.hang_up(machine)
        within = f"timeout {BOOT_TIMEOUT} sh -c"
        self.run(GUEST, f"{within} 'while systemctl -q is-active machine@{machine}; do sleep 1; done'")
        self.run(GUEST, f"systemctl start machine@{machine}")
        running = f"systemctl -q -M {machine} is-active lab-pods"
        self.run(GUEST, f"{within} 'until {running}; do sleep 1; done'")

    def blackhole(self, machine: str) -> float:
        """Lose every packet from and to a machine, and nothing else; when that was."""
        return self.strike(GUEST, _cut(machine))

    def mend(self, machine: str) -> None:
        self.run(GUEST, _mend(machine))

    def connections(self) -> dict[str, int]:
        """Established ones in the IPVS table of each director that answers."""
        count = "ipvsadm -Lnc | grep -c ESTABLISHED || true"
        return {node: int(self.run(node, count)) for node in self.nodes}


def load(inventory: str, variables: Variables) -> Lab:
    """The lab as an inventory of this repository has it, with variables before the inventory's."""
    path = REPOSITORY / "inventories" / inventory
    command = ["ansible-inventory", "-i", str(path), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode != 0:
        raise BenchmarkError(f"inventory {inventory}: {done.stderr.strip()[-500:]}")
    return from_inventory(path, json.loads(done.stdout), variables)


def from_inventory(path: Path, listed: Mapping[str, Any], variables: Variables) -> Lab:
    """listed: what `ansible-inventory --list` printed."""
    hosts = listed["_meta"]["hostvars"]
    nodes = listed["dsr_nodes"]["hosts"]
    known = {**hosts[nodes[0]], **variables}
    return Lab(
        inventory=path,
        nodes={name: hosts[name]["dsr_node"]["addresses"] for name in nodes},
        routers=listed["dsr_routers"]["hosts"],
        services=known["dsr_services"],
        hold_s=float(known.get("dsr_bgp_hold", 9)),
        bfd_interval_ms=int(known.get("dsr_bfd_interval", 300)),
        bfd_multiplier=int(known.get("dsr_bfd_multiplier", 3)),
        daemon=hosts[listed["dsr_routers"]["hosts"][0]].get("dsr_router", {}).get("provider", "frr"),
        variables=dict(variables),
    )


def complaint(text: str) -> str:
    """The lines of a playbook's output that tell an error, or its end."""
    return " ".join(_RECAP.findall(text))[-800:] or text.strip()[-500:]


def cables(machine: str) -> list[tuple[str, str]]:
    """(device of the machine, its other end in the guest) for each network but that of management."""
    links = json.loads(TOPOLOGY.read_text())["machines"][machine]["links"]
    # lab/guest/machines.py gives them these names; Linux allows 15 characters.
    return [(network, f"{machine}-{network}"[:15]) for network in links]


def wait_for(condition: Any, seconds: float) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def _cut(machine: str) -> str:
    """Shell line for the guest: netem at both ends, since it works on what leaves a device."""
    return " && ".join(f"tc {where} replace dev {device} root netem loss 100%" for where, device in _ends(machine))


def _mend(machine: str) -> str:
    """No error where nothing is cut."""
    return "; ".join(f"tc {where} del dev {device} root 2>/dev/null || true" for where, device in _ends(machine))


def _ends(machine: str) -> list[tuple[str, str]]:
    """(what `tc` is told before the verb, device) of both ends of each cable."""
    pairs = [((f"-n {machine} qdisc", inner), ("qdisc", outer)) for inner, outer in cables(machine)]
    return [end for pair in pairs for end in pair]


def _group(machine: str) -> str:
    """Shell line for the guest: the cgroup of whatever runs in the machine, the pods' processes too."""
    return f"group=/sys/fs/cgroup$(systemctl show -P ControlGroup machine@{machine}.service)"
