# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CLUSTER = Path(__file__).resolve().parents[3] / "inventories/lab/group_vars/all/cluster.yml"

FOREIGN_ON_A_NODE = (
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j MARK --set-mark 7",
    "iptables -t mangle -A PREROUTING -s 198.51.100.99 -j RETURN",
    "iptables -t nat -A PREROUTING -d 198.51.100.94 -j DNAT --to-destination 192.0.2.1",
    "iptables -t raw -N OTHERS",
    "ip6tables -t raw -A PREROUTING -s 2001:db8:c::99 -j ACCEPT",
    "ipset create others hash:ip",
    "ipset add others 198.51.100.98",
    "ipvsadm -A -f 7 -s rr",
    "ipvsadm -a -f 7 -r 192.0.2.1:0 -g -w 3",
    "ip rule add fwmark 7 lookup 7 priority 700",
    "ip route add 198.51.100.97/32 dev lo table 7",
    "ip address add 198.51.100.95/32 dev lo",
    "sysctl -qw net.ipv4.vs.conn_reuse_mode=0",
    "echo '# not ours' >/etc/bird/others.conf",
)
FOREIGN_IN_A_POD = (
    "iptables -t raw -A PREROUTING -s 198.51.100.99 -j ACCEPT",
    "ipset create others hash:ip",
    "ip address add 198.51.100.93/32 dev lo",
)
FOREIGN_ON_THE_ROUTER = (
    "printf '!\\n! not ours\\nip prefix-list others seq 5 permit 198.51.100.0/24\\n' >>/etc/frr/frr.conf",
    "echo 'ip route 198.51.100.96/32 blackhole' >>/etc/frr/frr.conf",
    "systemctl reload frr",
    "sysctl -qw net.ipv6.fib_multipath_hash_policy=2",
)


@pytest.fixture(scope="session")
def pristine(machine, in_pod, dump) -> dict[str, str]:
    """The machines before the first install, with things on them that are not ours."""
    for node in ("n1", "n3"):
        for line in FOREIGN_ON_A_NODE:
            machine(node).check_output(line)
    for line in FOREIGN_IN_A_POD:
        in_pod("n1/web-1", line)
    for line in FOREIGN_ON_THE_ROUTER:
        machine("r1").check_output(line)
    return dict(dump())


@pytest.fixture(scope="session")
def given() -> dict[str, Any]:
    """What is given to each playbook.

    The services for DNS have no backend on n3, so that no connection to them ends with n3. The router gets options of
    its daemon too, which must be predicted and go again like everything else.
    """
    everything: list[dict[str, Any]] = yaml.safe_load(CLUSTER.read_text())["dsr_services"]
    for service in everything:
        if service["name"].startswith("dns"):
            service["backends"] = [backend for backend in service["backends"] if backend["node"] != "n3"]
    return {"dsr_services": everything, "dsr_graceful_restart": True}
