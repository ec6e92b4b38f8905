# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import yaml
from hands import REPOSITORY, Node, inventory, known_nodes

ALL = {"11", "12", "13"}
"""Last parts of the nodes' addresses."""
VIPS = ("203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2")
OUTSIDE = {"r1": ("198.51.100.1", "2001:db8:c::1"), "r2": ("198.51.100.2", "2001:db8:c::2")}
GATEWAY = "198.51.100.254"


@pytest.fixture(scope="session")
def vips() -> tuple[str, ...]:
    """The announced ones."""
    return VIPS


@pytest.fixture(scope="session")
def password() -> str:
    """Of the BGP sessions."""
    text = (REPOSITORY / "inventories/lab_two_routers/two_routers.yml").read_text()
    return str(yaml.safe_load(text)["all"]["vars"]["dsr_bgp_password"])


@pytest.fixture
def through(machine) -> Callable[[str], AbstractContextManager[None]]:
    """`with through("r2"):` the client sends what is for a VIP to this router, whoever has the gateway."""

    @contextmanager
    def steer(router: str) -> Iterator[None]:
        routes = [
            f"ip -{6 if ':' in pool else 4} route {{}} {pool} via {OUTSIDE[router][':' in pool]}"
            for pool in inventory()["dsr_vip_pools"]
        ]
        machine("client").check_output("; ".join(route.format("replace") for route in routes))
        try:
            yield
        finally:
            machine("client").check_output("; ".join(route.format("del") for route in routes))

    return steer


@pytest.fixture
def peering(providers, password) -> Callable[..., dict[str, Any]]:
    """peering("r1", max_prefixes=77): the options that site.yml gives the module bgp_router, and changes to them."""

    def options(router: str, **changes: Any) -> dict[str, Any]:
        cluster = inventory()
        return {
            "provider": providers[router],
            "name": router,
            "asn": cluster["dsr_router_asn"],
            "node_asn": cluster["dsr_node_asn"],
            "router_id": f"192.0.2.{router[1:]}",
            "nodes": [{"name": name, "addresses": node["addresses"]} for name, node in known_nodes().items()],
            "vip_pools": cluster["dsr_vip_pools"],
            "connect": 5,
            "bfd_interval": cluster["dsr_bfd_interval"],
            "password": password,
            **changes,
        }

    return options


@pytest.fixture
def routers(ssh: list[str], providers) -> Iterator[dict[str, Node]]:
    """The routers, on which modules of this checkout can be run."""
    nodes = {name: Node(name, ssh) for name in providers}
    yield nodes
    for node in nodes.values():
        node.run("rm -rf /tmp/dsr-tables")
        node.end()


@pytest.fixture
def bgp_router(routers) -> Callable[..., dict[str, Any]]:
    """bgp_router("r1", state="confirmed"): run that module on a router; what it returned."""

    def run(router: str, **options: Any) -> dict[str, Any]:
        (result,) = routers[router].modules(("bgp_router", options))
        return result

    return run


@pytest.fixture
def unbroken(routers, providers, until) -> Callable[[str], AbstractContextManager[None]]:
    """`with unbroken("r1"):` each of the six sessions with the nodes is up before, and the same one is afterwards."""
    age, slack = 20, 10

    def uptimes(router: str) -> dict[str, int]:
        (told,) = routers[router].modules(("bgp_info", {"provider": providers[router]}))
        return {each["name"]: each["uptime"] or 0 for each in told["sessions"] if each["state"] == "established"}

    def old_enough(router: str) -> bool:
        found = uptimes(router).values()
        return len(found) == 6 and min(found) >= age

    @contextmanager
    def watch(router: str) -> Iterator[None]:
        until(lambda: old_enough(router), 90)
        before = uptimes(router)
        start = time.monotonic()
        yield
        after = uptimes(router)
        # One that came up again since the start is `slack` seconds short of this, however long the question took.
        least = time.monotonic() - start + slack
        assert {name: up for name, up in after.items() if name in before and up >= least}.keys() == before.keys(), (
            before,
            after,
            least,
        )

    return watch


class Power:
    """The mains of the machines."""

    def __init__(self, guest, ssh: list[str]) -> None:
        self._guest = guest
        self._ssh = ssh
        self.dark: set[str] = set()

    def off(self, name: str) -> None:
        # The shared connection would hang in a machine that says nothing any more.
        subprocess.run([*self._ssh, "-O", "exit", name], capture_output=True, check=False)
        self._guest.check_output(f"python3 /opt/dsrlab/machines.py cut {name}")
        self.dark.add(name)

    def on(self, name: str) -> None:
        """Returns when the machine has booted."""
        self._guest.check_output(f"systemctl start machine@{name}")
        self.dark.remove(name)


@pytest.fixture(scope="session")
def power(machine, ssh: list[str]) -> Power:
    return Power(machine("guest"), ssh)


@pytest.fixture
def active(machine, providers, power) -> Callable[[], set[str]]:
    """The routers that have the gateway of the client."""

    def ask() -> set[str]:
        return {
            name
            for name in set(providers) - power.dark
            if f'"{GATEWAY}"' in machine(name).check_output("ip -json address show outside")
        }

    return ask


@pytest.fixture
def peered(sessions, providers, hops, vips, until) -> Callable[..., None]:
    """Wait until both routers have every session and every next hop. families: of the addresses of the sessions."""

    def wait(families: Sequence[int] = (4, 6)) -> None:
        for router in providers:
            for version in families:
                until(lambda at=(router, version): [*sessions(*at).values()] == ["Established"] * 3)
            until(lambda router=router: all(hops(vip, router) == ALL for vip in vips))

    return wait
