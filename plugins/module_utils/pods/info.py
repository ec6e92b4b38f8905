# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of this machine hold at present, for the info module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils import kernel_modules
from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Namespace, Paths, held_open, scan
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    GUE,
    GUE_MODULE,
    RECEIVERS,
    TUNNELS,
    Device,
    Family,
    Receiver,
    State,
    Vip,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import by_address, read_state
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

Refused = Mapping[int, Sequence[guard.Refused]]


def report(runner: Runner, paths: Paths, addresses: Sequence[str]) -> dict[str, Any]:
    """{"pods": [...], "missing": [address, ...]} for the namespaces that hold `addresses`, or have our devices."""
    runner.require("ip", "nsenter", "sysctl")
    asked = {parse_address("address", address).text for address in addresses}
    pods: list[dict[str, Any]] = []
    found: set[str] = set()
    ports = kernel_modules.is_present(runner, GUE_MODULE)
    for namespace in scan(runner, paths):
        if not (asked & namespace.contents.addresses if asked else namespace.has_devices):
            continue
        with held_open(namespace) as entry:
            if not entry:
                continue
            state = read_state(runner, entry, ports=ports)
            refused = _refused(runner, entry, state)
        if not asked or asked & state.addresses.keys():
            found.update(state.addresses)
            pods.append(_namespace(namespace, state, refused))
    return {"pods": pods, "missing": sorted(asked - found)}


def _refused(runner: Runner, entry: str, state: State) -> Refused:
    """Counters of the guards, by IP version."""
    found: dict[int, Sequence[guard.Refused]] = {}
    for family in FAMILIES:
        if family.version in state.guards:
            text = runner.read(["nsenter", f"--net={entry}", *guard.save(family), "-c"])
            found[family.version] = guard.parse_refused(family, text)
    return found


def _namespace(namespace: Namespace, state: State, refused: Refused) -> dict[str, Any]:
    vips = [vip for vip in by_address(state.vips) if not any(vip.address == family.filler for family in FAMILIES)]
    return {
        "namespace": namespace.inode,
        "handle": namespace.paths[0],
        "addresses": sorted(state.addresses.keys() & namespace.contents.addresses),
        "devices": [_device(namespace, name, state.devices[name], vips) for name in RECEIVERS if name in state.devices],
        "vips": [{"address": vip.plain, "device": vip.device} for vip in vips],
        "tunnels": {f"ipv{family.version}": _tunnels(state, family) for family in FAMILIES},
        "guards": [_guard(state, family, refused) for family in FAMILIES if family.version in state.guards],
        "sysctls": dict(state.sysctls),
    }


def _tunnels(state: State, family: Family) -> list[str]:
    """What the namespace can take."""
    ready = {one.tunnel for one in family.receivers if _receives(state, one)}
    if family.main.tunnel in ready and state.ports.get(family.version) == GUE:
        ready.add(GUE)
    return [tunnel for tunnel in TUNNELS if tunnel in ready]


def _receives(state: State, receiver: Receiver) -> bool:
    device = state.devices.get(receiver.name)
    return device is not None and device.owned and device.up


def _guard(state: State, family: Family, refused: Refused) -> dict[str, Any]:
    held = state.guards[family.version]
    return {
        "family": f"ipv{family.version}",
        "active": bool(held.rules and held.jumps),
        "sources": sorted(held.sources or ()),
        "vips": sorted(held.vips or ()),
        "refused": [asdict(one) for one in refused[family.version]],
    }


def _device(namespace: Namespace, name: str, device: Device, vips: Sequence[Vip]) -> dict[str, Any]:
    received = namespace.contents.received.get(name)
    return {
        "name": name,
        "owned": device.owned,
        "up": device.up,
        "local": device.local,
        "vips": [vip.plain for vip in vips if vip.device == name],
        "rx_packets": received.packets if received else 0,
        "rx_bytes": received.bytes if received else 0,
    }
