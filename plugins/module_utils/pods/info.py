# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of this machine hold at present, for the info module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Namespace, Paths, held_open, scan
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import FAMILIES, Device, Family, State
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import by_address, read_state
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner


def report(runner: Runner, paths: Paths, addresses: Sequence[str]) -> dict[str, Any]:
    """{"pods": [...], "missing": [address, ...]} for the namespaces that hold `addresses`, or have our devices."""
    runner.require("ip", "nsenter", "sysctl")
    asked = {parse_address("address", address).text for address in addresses}
    pods: list[dict[str, Any]] = []
    found: set[str] = set()
    for namespace in scan(runner, paths):
        if not (asked & namespace.contents.addresses if asked else namespace.has_devices):
            continue
        state = _state(runner, namespace)
        if state is not None and (not asked or asked & state.addresses):
            found.update(state.addresses)
            pods.append(_namespace(namespace, state))
    return {"pods": pods, "missing": sorted(asked - found)}


def _state(runner: Runner, namespace: Namespace) -> State | None:
    with held_open(namespace) as entry:
        return read_state(runner, entry) if entry else None


def _namespace(namespace: Namespace, state: State) -> dict[str, Any]:
    return {
        "namespace": namespace.inode,
        "handle": namespace.paths[0],
        "addresses": sorted(state.addresses & namespace.contents.addresses),
        "devices": [
            _device(namespace, state.devices[family.version], family)
            for family in FAMILIES
            if family.version in state.devices
        ],
        "sysctls": dict(state.sysctls),
    }


def _device(namespace: Namespace, device: Device, family: Family) -> dict[str, Any]:
    received = namespace.contents.received.get(family.device)
    return {
        "name": family.device,
        "owned": device.owned,
        "up": device.up,
        "local": device.local,
        "vips": [vip.split("/")[0] for vip in by_address(device.vips)],
        "rx_packets": received.packets if received else 0,
        "rx_bytes": received.bytes if received else 0,
    }
