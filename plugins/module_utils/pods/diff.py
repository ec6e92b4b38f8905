# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a namespace's state to the wanted one, in steps that may be cut off anywhere.

The order keeps two promises. A VIP appears only after the ARP sysctls keep it silent and goes before they are taken
back. The former sysctl values are on the device before they are overwritten and leave with it after they are restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import FAMILIES, Device, Family, Pod, State
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import alias, by_address


@dataclass(frozen=True)
class Step:
    """One command to run inside the namespace."""

    argv: tuple[str, ...]
    stdin: str | None = None


def wanted(state: State, pods: Mapping[int, Pod], *, purge: bool) -> State:
    """The state in which the namespace holds exactly `pods` (by IP version); without purge what is more may stay.

    DsrError if a foreign device stands where ours must be.
    """
    devices: dict[int, Device] = {}
    sysctls = dict(state.sysctls)
    for family in FAMILIES:
        current, pod = state.devices.get(family.version), pods.get(family.version)
        if pod is not None:
            devices[family.version] = _wanted_device(state, family, pod, purge=purge)
            sysctls.update(family.sysctls)
        elif current is not None and purge and current.owned:
            sysctls.update(_restored(current, family, sysctls))
            _forget_device(sysctls, family)
        elif current is not None:
            devices[family.version] = current
    return State(devices, sysctls, state.addresses)


def _wanted_device(state: State, family: Family, pod: Pod, *, purge: bool) -> Device:
    current = state.devices.get(family.version)
    if current is not None and not current.owned:
        raise DsrError(
            f"pod {pod.address}",
            f"it has a device {family.device} that this collection did not make",
            f"Rename or delete that device (ip link del {family.device}) and run again",
        )
    vips = frozenset(f"{vip}/{family.prefix}" for vip in pod.vips)
    previous = {name: state.sysctls[key] for name, key in family.remembered.items() if key in state.sysctls}
    if current is not None and current.previous is not None:
        previous = dict(current.previous)
    return Device(
        local=pod.address,
        remote="any",
        mode=family.mode,
        owned=True,
        up=True,
        previous=previous,
        vips=vips if current is None or purge else vips | current.vips,
    )


def _restored(device: Device, family: Family, sysctls: Mapping[str, str]) -> dict[str, str]:
    """Former values to put back; a value that someone has changed since is theirs and stays."""
    remembered = {family.remembered[name]: value for name, value in (device.previous or {}).items()}
    return {
        key: value
        for key, value in remembered.items()
        if sysctls.get(key) == family.sysctls[key] and value != family.sysctls[key]
    }


def _forget_device(sysctls: dict[str, str], family: Family) -> None:
    for key in family.sysctls:
        if key not in family.remembered.values():
            sysctls.pop(key, None)


def created(current: State, target: State) -> tuple[Family, ...]:
    """Families whose device has to be created."""
    return tuple(
        family
        for family in FAMILIES
        if family.version in target.devices
        and not _kept(current.devices.get(family.version), target.devices[family.version])
    )


def _kept(current: Device | None, target: Device | None) -> bool:
    return current is not None and target is not None and current.carries(target)


def steps(current: State, target: State) -> tuple[Step, ...]:
    """Commands that lead from current to target; none if they are equal."""
    gone = [family for family in FAMILIES if _is_removed(current, target, family)]
    sysctls = dict(current.sysctls)
    silenced, restored, links = [], {}, []
    for family in gone:
        device = current.devices[family.version]
        silenced += [f"addr del {vip} dev {family.device}" for vip in by_address(device.vips)]
        restored.update(_restored(device, family, sysctls))
        links.append(f"link del {family.device}")
        _forget_device(sysctls, family)
    sysctls.update(restored)
    placed: list[str] = []
    for family in FAMILIES:
        wish = target.devices.get(family.version)
        if wish is not None and wish.owned:
            device_now = None if family in gone else current.devices.get(family.version)
            links += _device_lines(device_now, wish, family)
            placed += _address_lines(device_now, wish, family)
    changed = {key: value for key, value in target.sysctls.items() if sysctls.get(key) != value}
    return (*_batch(silenced), *_sysctl(restored), *_batch(links), *_sysctl(changed), *_batch(placed))


def _is_removed(current: State, target: State, family: Family) -> bool:
    device = current.devices.get(family.version)
    return device is not None and not _kept(device, target.devices.get(family.version))


def _device_lines(device: Device | None, wish: Device, family: Family) -> list[str]:
    made = [] if device is not None else [family.created(wish.local)]
    if wish.previous is None or (device is not None and device.previous == wish.previous):
        return made
    return [*made, f"link set {family.device} alias {alias(wish.previous)}{family.alias_options}"]


def _address_lines(device: Device | None, wish: Device, family: Family) -> list[str]:
    present = device.vips if device is not None else frozenset()
    made = [f"addr add {vip} dev {family.device}{family.address_options}" for vip in by_address(wish.vips - present)]
    if wish.up and (device is None or not device.up):
        made.append(f"link set {family.device} up")
    return made + [f"addr del {vip} dev {family.device}" for vip in by_address(present - wish.vips)]


def _batch(batch: Iterable[str]) -> list[Step]:
    text = "".join(f"{line}\n" for line in batch)
    return [Step(("ip", "-batch", "-"), text)] if text else []


def _sysctl(values: Mapping[str, str]) -> list[Step]:
    return [Step(("sysctl", "-w", *(f"{key}={value}" for key, value in values.items())))] if values else []
