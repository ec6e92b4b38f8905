# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest writes on the disks of the machines, and how it takes their power away."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from virtual_dc.topology import LAB, TOPOLOGY

MACHINES: dict[str, dict[str, Any]] = json.loads(TOPOLOGY.read_text())["machines"]
GATEWAYS: dict[str, list[str]] = json.loads(TOPOLOGY.read_text())["gateways"]
ROUTERS = [name for name, machine in MACHINES.items() if machine["role"] == "router"]


@pytest.fixture
def guest(tmp_path: Path) -> ModuleType:
    """machines.py as it lies in the guest, beside what it reads."""
    folder = tmp_path / "dsrlab"
    folder.mkdir()
    for path in (TOPOLOGY, LAB / "guest/machines.py", LAB / "guest/module_bytecode.py"):
        shutil.copy(path, folder)
    spec = importlib.util.spec_from_file_location("machines", folder / "machines.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def disk(guest: ModuleType, name: str, tmp_path: Path) -> Path:
    upper = tmp_path / name / "upper"
    guest.prepare_disk(name, MACHINES[name], upper)
    return upper


def started(upper: Path) -> list[str]:
    """Units that start at boot."""
    return sorted(path.name for path in (upper / "etc/systemd/system/multi-user.target.wants").iterdir())


def test_each_router_starts_its_own_daemon_and_leaves_vrrp_to_others(guest: ModuleType, tmp_path: Path) -> None:
    assert {name: started(disk(guest, name, tmp_path)) for name in ROUTERS} == {
        "r1": ["frr.service"],
        "r2": ["bird.service"],
    }


def test_machines_that_forward(guest: ModuleType, tmp_path: Path) -> None:
    texts = {}
    for name in MACHINES:
        file = disk(guest, name, tmp_path) / "etc/sysctl.d/10-lab.conf"
        texts[name] = file.read_text() if file.exists() else ""
    assert {name for name, text in texts.items() if text} == {"r1", "r2", "n1", "n2", "n3"}
    assert len({texts[name] for name in ("r1", "n1", "n2", "n3")}) == 1
    # They share a kernel; two real routers would not spread flows alike either.
    assert texts["r2"] == texts["r1"] + "net.ipv4.fib_multipath_hash_seed = 2\n"


def test_only_routers_have_a_configuration_of_keepalived(guest: ModuleType, tmp_path: Path) -> None:
    file = "etc/keepalived/keepalived.conf"
    assert [name for name in MACHINES if (disk(guest, name, tmp_path) / file).exists()] == ROUTERS


def blocks(text: str) -> dict[str, list[str]]:
    """Head of each block -> the words in it, line by line."""
    found: dict[str, list[str]] = {}
    for head, body in re.findall(r"^(\S.*?) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        found[head] = [line.strip() for line in body.splitlines()]
    return found


def value(lines: Iterable[str], key: str) -> str:
    (found,) = [line.removeprefix(f"{key} ") for line in lines if line.startswith(f"{key} ")]
    return found


def test_routers_share_the_gateways_of_every_network_and_family(guest: ModuleType) -> None:
    first, second = (blocks(guest.vrrp(name)) for name in ROUTERS)
    instances = [head.split()[1] for head in first if head.startswith("vrrp_instance")]
    assert instances == ["outside4", "outside6", "fabric4", "fabric6"]
    assert value(first["vrrp_sync_group gateways"], "group") == f"{{ {' '.join(instances)} }}"
    addresses = [address for pair in GATEWAYS.values() for address in pair]
    for instance, address in zip(instances, addresses):
        one, other = (config[f"vrrp_instance {instance}"] for config in (first, second))
        assert value(one, "interface") == instance[:-1]
        assert address in one
        assert int(value(one, "priority")) > int(value(other, "priority"))
        assert [line for line in one if "priority" not in line] == [line for line in other if "priority" not in line]
        # Without this a router that boots takes flows to VIPs that it has no route to yet.
        assert {"state BACKUP", "nopreempt"} <= set(one)
    assert len({value(first[f"vrrp_instance {each}"], "virtual_router_id") for each in instances}) == len(instances)


def test_gateways_are_free_addresses_of_their_networks() -> None:
    taken = [
        ipaddress.ip_interface(address)
        for machine in MACHINES.values()
        for link in machine["links"].values()
        for address in link
    ]
    for network, gateways in GATEWAYS.items():
        for gateway in map(ipaddress.ip_address, gateways):
            assert gateway not in [interface.ip for interface in taken]
            for router in ROUTERS:
                links = map(ipaddress.ip_interface, MACHINES[router]["links"][network])
                assert any(gateway in interface.network for interface in links), router


def test_power_goes_after_the_cables(guest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(guest, "run", lambda *argv: done.append(" ".join(argv)))
    guest.main(["cut", "r1"])
    assert done == [
        "ip link set r1-outside down",
        "ip link set r1-fabric down",
        "systemctl kill --signal=KILL machine@r1.service",
        "systemctl stop machine@r1.service",
    ]
