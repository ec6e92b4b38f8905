# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a namespace's state to the wanted one, in steps that may be cut off anywhere.

What a packet needs to be taken comes first and the VIP last, after the ARP sysctls that keep it silent and after the
guard; what goes, goes after what replaces it. The former sysctl values, and the claims to the GUE port and the guard,
are on the device before the thing itself and leave after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.desired import restored
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    GUE,
    GUE_MODULE,
    NO_GUARD,
    RECEIVERS,
    Device,
    Family,
    Guard,
    Memory,
    Receiver,
    State,
    Vip,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import added, aliased, by_address
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.step import Step, ip_batch, sysctl


def needed_modules(current: State, target: State) -> tuple[str, ...]:
    """Kernel modules without which the steps would fail, in the order of the families."""
    found = []
    for family in FAMILIES:
        for receiver in family.receivers:
            device = target.devices.get(receiver.name)
            if device is not None and not _kept(current.devices.get(receiver.name), device):
                found.append(receiver.module)
        if family.version in target.ports and family.version not in current.ports:
            found.append(GUE_MODULE)
    return tuple(dict.fromkeys(found))


def _kept(current: Device | None, target: Device | None) -> bool:
    return current is not None and target is not None and current.carries(target)


def steps(current: State, target: State) -> tuple[Step, ...]:
    """Commands that lead from current to target; none if they are equal."""
    cleared, now = _clearing(current, target)
    grown, extra = _growth(now, target)
    shrunk = _shrinkage(now, target)
    placed = ip_batch([*extra, *shrunk.lines])
    return (*cleared, *grown, *placed, *shrunk.steps)


def _clearing(current: State, target: State) -> tuple[list[Step], State]:
    """Take away what cannot stay until the new is there: a family that leaves, a device that ends elsewhere, a guard
    that would refuse new VIPs. Also the state after that."""
    gone = [family for family in FAMILIES if _is_cleared(current, target, family.main)]
    versions = {family.version for family in gone}
    devices = [
        receiver
        for family in FAMILIES
        for receiver in family.receivers
        if _is_cleared(current, target, receiver) and (family in gone or receiver.name in target.devices)
    ]
    vips = {vip for vip in current.vips if vip.version in versions or _on_any(vip, devices)}
    silenced = [f"addr del {vip.address} dev {vip.device}" for vip in by_address(vips)]
    silenced += [f"link set {each.name} down" for each in devices if current.devices[each.name].up]
    sysctls, values, closed, ports = dict(current.sysctls), {}, [], dict(current.ports)
    for family in gone:
        memory = current.memory(family)
        values.update(restored(memory, family, sysctls))
        if memory is not None and memory.port and ports.pop(family.version, None) == GUE:
            closed.append(Step(family.port_command("del")))
    unguarded = [family for family in FAMILIES if family.version in current.guards.keys() - target.guards.keys()]
    guards = {version: held for version, held in current.guards.items() if version in target.guards}
    sysctls.update(values)
    for receiver in devices:
        for key in receiver.sysctls:
            sysctls.pop(key, None)
    names = {receiver.name for receiver in devices}
    left = {name: device for name, device in current.devices.items() if name not in names}
    done = [*ip_batch(silenced), *sysctl(values), *closed]
    done += [step for family in unguarded for step in guard.removal(family, current.guards[family.version])]
    done += ip_batch(f"link del {receiver.name}" for receiver in devices)
    return done, State(left, current.vips - vips, sysctls, ports, guards, current.addresses)


def _is_cleared(current: State, target: State, receiver: Receiver) -> bool:
    device = current.devices.get(receiver.name)
    return device is not None and device.owned and not _kept(device, target.devices.get(receiver.name))


def _on_any(vip: Vip, devices: list[Receiver]) -> bool:
    return any(vip.device == receiver.name for receiver in devices)


def _growth(now: State, target: State) -> tuple[list[Step], list[str]]:
    """Steps that make everything but the VIPs; and the `ip` lines that add those and switch the devices on."""
    links: list[str] = []
    ups: list[str] = []
    for name, device in _ours(target):
        family, receiver = RECEIVERS[name]
        held = now.devices.get(name)
        links += [] if held is not None else [receiver.created(device.local)]
        memory = _claims(held, device)
        if held is None or held.memory != memory:
            links.append(aliased(receiver, family, memory))
        if device.up and (held is None or not held.up):
            ups.append(f"link set {name} up")
    changed = {key: value for key, value in target.sysctls.items() if now.sysctls.get(key) != value}
    grown = [*ip_batch(links), *sysctl(changed)]
    for family in FAMILIES:
        if family.version in target.guards:
            grown += guard.growth(family, *_guards(now, target, family))
        if family.version in target.ports and family.version not in now.ports:
            grown.append(Step(family.port_command("add")))
    return grown, [*(added(vip) for vip in by_address(target.vips - now.vips)), *ups]


@dataclass(frozen=True)
class _Shrinkage:
    """lines: of `ip`, first of all. steps: after them."""

    lines: list[str]
    steps: list[Step]


def _shrinkage(now: State, target: State) -> _Shrinkage:
    """Takes away what has been replaced."""
    surplus = [name for name, _device in _ours(now) if name not in target.devices]
    lines = [
        f"addr del {vip.address} dev {vip.device}"
        for vip in by_address(now.vips - target.vips)
        if vip.device not in surplus
    ]
    lines += [f"link del {name}" for name in surplus]
    shrunk = [
        Step(family.port_command("del"))
        for family in FAMILIES
        if family.version in now.ports and family.version not in target.ports
    ]
    for family in FAMILIES:
        if family.version in target.guards:
            shrunk += guard.shrinkage(family, *_guards(now, target, family))
    forgotten = [
        aliased(receiver, family, device.memory)
        for name, device in _ours(target)
        for family, receiver in (RECEIVERS[name],)
        if device.memory is not None and _claims(now.devices.get(name), device) != device.memory
    ]
    return _Shrinkage(lines, [*shrunk, *ip_batch(forgotten)])


def _ours(state: State) -> list[tuple[str, Device]]:
    return [(name, state.devices[name]) for name in RECEIVERS if name in state.devices and state.devices[name].owned]


def _claims(held: Device | None, device: Device) -> Memory:
    """What a device has to remember on the way: the claims of before and after."""
    before = held.memory if held is not None and held.memory is not None else Memory()
    after = device.memory or Memory()
    return replace(after, port=before.port or after.port, guard=before.guard or after.guard)


def _guards(now: State, target: State, family: Family) -> tuple[Guard, Guard]:
    return now.guards.get(family.version, NO_GUARD), target.guards[family.version]
