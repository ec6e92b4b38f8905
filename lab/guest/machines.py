# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the lab guest: plugs, unplugs and boots the machines of the data centre.

A machine is a systemd-nspawn container with a network namespace of its own and an overlay over the
guest's pristine Debian root. `machines.py boot` brings all of them up; the unit machine@NAME.service calls
`plug` and `unplug`, so that its kernel tables are gone when it stops, and its disk stays. Stopping it shuts the
machine down; `machines.py cut` takes its power away.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOPOLOGY = json.loads((HERE / "topology.json").read_text())
STATE = Path("/var/lib/dsrlab")
BASE = Path("/srv/base")
UNITS: dict[str, list[str]] = {
    "client": [],
    "attacker": [],
    "router": [],
    "node": ["containerd.service", "lab-pods.service"],
}
FORWARDS = ("router", "node")
PACKAGES = "usr/lib/python3/dist-packages"
TUNNELS = ("ip_gre", "ip6_gre", "fou", "fou6")
# Seconds between two signs of life of the router that has the gateways; after a little more than three it is lost.
ADVERTISEMENT = 0.25
FORWARDING = "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n"


def run(*argv: str, stdin: str | None = None) -> None:
    subprocess.run(argv, input=stdin, text=True, check=True)


def bridges() -> None:
    """One bridge per test network; the management bridge is made at boot by the image."""
    for name in TOPOLOGY["networks"]:
        if not Path(f"/sys/class/net/{name}").exists():
            run("ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0")
        run("ip", "link", "set", name, "up")


def plug(name: str) -> None:
    """Make the machine's namespace with its cables and addresses, and mount its root."""
    unplug(name)
    machine = TOPOLOGY["machines"][name]
    prefix = ipaddress.ip_network(TOPOLOGY["management"]["network"]).prefixlen
    links = {"mgmt": [f"{machine['management']}/{prefix}"], **machine["links"]}
    run("ip", "netns", "add", name)
    for network, addresses in links.items():
        outer = cable(name, network)
        peer = ("name", network, "address", hardware_address(outer), "netns", name)
        run("ip", "link", "add", outer, "type", "veth", "peer", *peer)
        run("ip", "link", "set", outer, "master", network, "up")
        batch = [f"addr add {address} dev {network}" + (" nodad" if ":" in address else "") for address in addresses]
        run("ip", "-n", name, "-batch", "-", stdin="\n".join([*batch, f"link set {network} up"]))
    run("ip", "-n", name, "link", "set", "lo", "up")
    for family in ("-4", "-6"):
        routes = [*machine["routes"], *pod_routes(name)]
        batch = [f"route add {to} via {via}" for to, via in routes if (":" in via) == (family == "-6")]
        run("ip", family, "-n", name, "-batch", "-", stdin="\n".join(batch))
    mount_root(name, machine)


def cable(name: str, network: str) -> str:
    """The bridge's end of a machine's link, as long as Linux lets it be."""
    return f"{name}-{network}"[:15]


def hardware_address(link: str) -> str:
    """A machine that boots again has the addresses that its neighbours remember."""
    return "02:" + ":".join(f"{byte:02x}" for byte in hashlib.sha256(link.encode()).digest()[:5])


def pod_routes(name: str) -> list[list[str]]:
    """What a CNI would do: every node reaches the other nodes' pods over the fabric."""
    machines = TOPOLOGY["machines"]
    if machines[name]["role"] != "node":
        return []
    routes = []
    for other, machine in machines.items():
        if other != name and machine["role"] == "node":
            for cidr, address in zip(machine["pod_cidrs"], machine["links"]["fabric"]):
                routes.append([cidr, address.split("/")[0]])
    return routes


def mount_root(name: str, machine: dict[str, Any]) -> None:
    if not BASE.is_mount():
        BASE.mkdir(parents=True, exist_ok=True)
        run("mount", "-o", "ro,noload", "/dev/vdb", str(BASE))
    home = STATE / name
    upper, work, root = home / "upper", home / "work", Path("/var/lib/machines") / name
    if not upper.exists():
        prepare_disk(name, machine, upper)
    for folder in (work, root, home / "containerd"):
        folder.mkdir(parents=True, exist_ok=True)
    if not root.is_mount():
        options = f"lowerdir={BASE},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "-o", options, name, str(root))


def prepare_disk(name: str, machine: dict[str, Any], upper: Path) -> None:
    """The few files in which a machine differs from the common image."""
    files = {"etc/hostname": name + "\n", "etc/machine-id": ""}
    # Not for the guest itself, where benchmarks measure modules as others run them.
    files[f"{PACKAGES}/module_bytecode.py"] = (HERE / "module_bytecode.py").read_text()
    files[f"{PACKAGES}/module_bytecode.pth"] = "import module_bytecode\n"
    if machine["role"] in FORWARDS:
        own = "".join(f"{key} = {value}\n" for key, value in machine.get("sysctl", {}).items())
        files["etc/sysctl.d/10-lab.conf"] = FORWARDING + own
    if machine["role"] == "router":
        files["etc/keepalived/keepalived.conf"] = vrrp(name)
    if machine["role"] == "node":
        files["etc/cni/net.d/10-lab.conflist"] = json.dumps(cni_network(machine), indent=2)
        files["etc/lab-pods"] = "\n".join(machine["pods"]) + "\n"
    fresh = upper.with_name("upper.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for path, text in files.items():
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_text(text)
    wanted = fresh / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True)
    daemon = [f"{machine['daemon']}.service"] if "daemon" in machine else []
    for unit in [*UNITS[machine["role"]], *daemon]:
        folder = "/etc/systemd/system" if unit.startswith("lab-") else "/usr/lib/systemd/system"
        (wanted / unit).symlink_to(f"{folder}/{unit}")
    fresh.rename(upper)


def vrrp(name: str) -> str:
    """For keepalived, which nobody starts: with two routers in use, they share the gateways of each network.

    A router that comes back does not take over: it has no route to a VIP before its sessions are up. One that loses
    a network leaves all of them, and so do both families: a router that cannot pass packets on must not get any.
    """
    routers = [other for other, machine in TOPOLOGY["machines"].items() if machine["role"] == "router"]
    instances = {
        f"{network}{6 if ':' in address else 4}": (network, address)
        for network, addresses in TOPOLOGY["gateways"].items()
        for address in addresses
    }
    # Before all else that runs: on a busy guest a router would count as lost for no reason. The kernel kills a process
    # that runs so for as long without a pause; keepalived's own 10 ms are too few to take over in under emulation.
    first = ["    vrrp_rt_priority 1", "    vrrp_rlimit_rttime 2000000"]
    lines = ["global_defs {", f"    router_id {name}", "    vrrp_version 3", *first, "}"]
    lines += ["vrrp_sync_group gateways {", f"    group {{ {' '.join(instances)} }}", "}"]
    for number, (instance, (network, address)) in enumerate(instances.items(), start=1):
        lines += [
            f"vrrp_instance {instance} {{",
            "    state BACKUP",
            "    nopreempt",
            f"    interface {network}",
            f"    virtual_router_id {number}",
            f"    priority {200 - 10 * routers.index(name)}",
            f"    advert_int {ADVERTISEMENT}",
            "    virtual_ipaddress {",
            # VRRP over IPv6 wants a link-local address first.
            *([f"        fe80::{number}:fffe"] if ":" in address else []),
            f"        {address}",
            "    }",
            "}",
        ]
    return "\n".join(lines) + "\n"


def cni_network(machine: dict[str, Any]) -> dict[str, Any]:
    """A bridge per node with one pod range per address family, as CNI's reference plugins do it."""
    ranges = [[{"subnet": cidr}] for cidr in machine["pod_cidrs"]]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
    }
    return {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge]}


def unplug(name: str) -> None:
    # A systemd-nspawn that was killed leaves its mounts, and then does not start again.
    for mounted in (f"/var/lib/machines/{name}", f"/run/systemd/nspawn/unix-export/{name}"):
        subprocess.run(["umount", "-q", mounted], check=False)
    if Path(f"/run/netns/{name}").exists():
        run("ip", "netns", "delete", name)
    for network in ("mgmt", *TOPOLOGY["networks"]):
        subprocess.run(["ip", "link", "delete", cable(name, network)], stderr=subprocess.DEVNULL, check=False)


def cut(name: str) -> None:
    """Power loss: the cables first, so that nothing says goodbye. `systemctl start machine@NAME` boots it again."""
    for network in TOPOLOGY["machines"][name]["links"]:
        run("ip", "link", "set", cable(name, network), "down")
    run("systemctl", "kill", "--signal=KILL", f"machine@{name}.service")
    run("systemctl", "stop", f"machine@{name}.service")


def boot() -> None:
    """Everything up, or an error that names the machine and shows its last words."""
    # The machines share this kernel: what one of them loaded, all would have. So every run finds the same on each.
    run("modprobe", "-a", "overlay", "veth", "bridge", "ip_vs", "ip_vs_mh", "ipip", "ip6_tunnel", *TUNNELS)
    bridges()
    shutil.copy(HERE / "machine@.service", "/run/systemd/system/machine@.service")
    run("systemctl", "daemon-reload")
    units = {f"machine@{name}.service": name for name in TOPOLOGY["machines"]}
    run("systemctl", "start", "--no-block", *units)
    waiting = dict(units)
    while waiting:
        time.sleep(1)
        for unit, name in list(waiting.items()):
            state = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False).stdout
            if state.strip() == "active":
                print(f"{name} is up", flush=True)
                del waiting[unit]
            elif state.strip() == "failed":
                subprocess.run(["journalctl", "-n", "30", "--no-pager", "-u", unit], check=False)
                raise SystemExit(f"machine {name} did not boot")


def pods_ready(timeout: float = 480) -> None:
    """Wait until every node has started its pods."""
    end = time.monotonic() + timeout
    for name, machine in TOPOLOGY["machines"].items():
        while machine["role"] == "node":
            asked = ["systemctl", f"--machine={name}", "is-active", "lab-pods.service"]
            state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
            if state == "active":
                print(f"{name} runs {', '.join(machine['pods'])}", flush=True)
                break
            if state == "failed" or time.monotonic() > end:
                subprocess.run(["journalctl", "-M", name, "-n", "30", "--no-pager", "-u", "lab-pods"], check=False)
                raise SystemExit(f"the pods of {name} did not start")
            time.sleep(1)


def main(argv: list[str]) -> None:
    os.environ["LC_ALL"] = "C"
    if argv == ["boot"]:
        boot()
        pods_ready()
    elif len(argv) == 2 and argv[0] == "plug":
        plug(argv[1])
    elif len(argv) == 2 and argv[0] == "unplug":
        unplug(argv[1])
    elif len(argv) == 2 and argv[0] == "cut":
        cut(argv[1])
    else:
        raise SystemExit("usage: machines.py boot | plug NAME | unplug NAME | cut NAME")


if __name__ == "__main__":
    main(sys.argv[1:])
