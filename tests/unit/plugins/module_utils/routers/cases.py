# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two routers that between them have every feature on and off, and the files they were once rendered to and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.routers.render import DIALECTS, Rendered, render

GOLDEN = Path(__file__).parents[3] / "fixtures" / "routers"
SECRET = "s3cr3t.of-the_lab"

NODES = {
    "k8s-1": {"addresses": ["192.0.2.21", "2001:db8:fab::21"], "pod_cidrs": ["10.244.1.0/24"]},
    "k8s-2.example.net": {"addresses": ["192.0.2.22", "2001:db8:fab::22"]},
}
EXPLICIT: dict[str, Any] = {
    "nodes": NODES,
    "vip_pools": ["203.0.113.0/24", "2001:db8:f::/64"],
    "password": SECRET,
}
"""eBGP, neighbors by name, with a password and all that is on by default."""

RANGES: dict[str, Any] = {
    "nodes": NODES,
    "vip_pools": ["203.0.113.0/24", "198.51.100.7/32", "2001:db8:f::/64", "2001:db8:e::7/128"],
    "cluster": "shop-eu-1",
    "router_asn": 4200000001,
    "node_asn": 4200000001,
    "keepalive": 10,
    "hold": 30,
    "max_prefixes": 200,
    "max_paths": 20,
    "bfd_interval": 500,
    "bfd_multiplier": 5,
    "listen_ranges": ["192.0.2.0/25", "192.0.2.128/25", "2001:db8:fab::/64"],
}
"""iBGP, listen ranges, single addresses as pools, no password, other numbers throughout."""

BARE: dict[str, Any] = {**EXPLICIT, "password": "", "bfd": False, "ttl_security": False}

INSIDE: dict[str, Any] = {**EXPLICIT, "router_asn": 64512, "node_asn": 64512, "show_password": True}
"""iBGP, the password written out."""

ONE: dict[str, Any] = {**EXPLICIT, "sessions": "one"}
"""One session with each node, for both families."""

READ: dict[str, dict[str, Any]] = {"explicit": EXPLICIT, "ranges": RANGES, "bare": BARE, "inside": INSIDE, "one": ONE}
READ["one-ranges"] = {**RANGES, "sessions": "one"}
REACHED = {"dual": ["192.0.2.1", "2001:db8:fab::1"], "ipv4": ["192.0.2.1"], "ipv6": ["2001:db8:fab::1"]}
"""Options, and addresses of the router, that the daemons' own checkers are given in every combination."""

CASES = {"edge-1": EXPLICIT, "edge-2": RANGES, "edge-3": ONE}
ADDRESSES = ["192.0.2.1", "2001:db8:fab::1"]


def router(dialect: str, **more: Any) -> dict[str, Any]:
    return {"addresses": ADDRESSES, "dialect": dialect, **more}


def rendered(name: str, dialect: str) -> Rendered:
    return render(name, router(dialect), **CASES[name])


def text(dialect: str, options: dict[str, Any], **router_options: Any) -> str:
    return render("edge-1", router(dialect, **router_options), **options).text


def bird_file(cluster: str) -> str:
    """A file that BIRD can read by itself, with the rendered text in it."""
    return f"router id 192.0.2.1;\nprotocol device {{}}\n{cluster}"


if __name__ == "__main__":
    for _name in CASES:
        for _dialect in DIALECTS:
            _file = rendered(_name, _dialect)
            (GOLDEN / _file.file).write_text(_file.text)
