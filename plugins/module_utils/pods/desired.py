# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a namespace shall be, decided from what it is and what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    GUE,
    GUE_PORT,
    NO_GUARD,
    Device,
    Family,
    Guard,
    Memory,
    Pod,
    Receiver,
    State,
    Vip,
    Wish,
)


def wanted(state: State, pods: Mapping[int, Pod], wish: Wish, *, purge: bool) -> State:
    """The state in which the namespace holds exactly `pods` (by IP version); without purge what is more may stay.

    DsrError if something foreign stands where ours must be.
    """
    draft = _Draft(
        state, dict(state.devices), set(state.vips), dict(state.sysctls), dict(state.ports), dict(state.guards)
    )
    for family in FAMILIES:
        pod = pods.get(family.version)
        if pod is not None:
            _refuse_foreign(state, family, pod)
            _Service(draft, family, pod, wish, purge).draw_up()
        elif purge:
            _clear(draft, family)
    return State(draft.devices, frozenset(draft.vips), draft.sysctls, draft.ports, draft.guards, state.addresses)


@dataclass
class _Draft:
    """The wanted state in the making; state is what there is."""

    state: State
    devices: dict[str, Device]
    vips: set[Vip]
    sysctls: dict[str, str]
    ports: dict[int, str]
    guards: dict[int, Guard]

    def drop(self, receiver: Receiver) -> None:
        """Without the device, and what goes with it by itself."""
        del self.devices[receiver.name]
        for key in receiver.sysctls:
            self.sysctls.pop(key, None)


def _refuse_foreign(state: State, family: Family, pod: Pod) -> None:
    for receiver in family.receivers:
        device = state.devices.get(receiver.name)
        if receiver.tunnel in pod.tunnels and device is not None and not device.owned:
            raise DsrError(
                f"pod {pod.address}",
                f"it has a device {receiver.name} that this collection did not make",
                f"Rename or delete that device (ip link del {receiver.name}) and run again",
            )
    for vip in sorted(pod.vips & state.addresses.keys()):
        raise DsrError(
            f"pod {pod.address}",
            f"VIP {vip} stands on its device {state.addresses[vip]}, and this collection did not put it there",
            f"Take it off (ip addr del {vip}/{family.prefix} dev {state.addresses[vip]}) or choose another VIP",
        )
    use = state.ports.get(family.version, GUE)
    if GUE in pod.tunnels and use != GUE:
        raise DsrError(
            f"pod {pod.address}",
            f"its UDP port {GUE_PORT} receives another tunnel ({use})",
            f"Close it (ip fou del port {GUE_PORT}) or choose another tunnel for the services of this pod",
        )


@dataclass(frozen=True)
class _Service:
    """A pod that shall be a real server."""

    draft: _Draft
    family: Family
    pod: Pod
    wish: Wish
    purge: bool

    def draw_up(self) -> None:
        opened = self._port()
        receivers = tuple(one for one in self.family.receivers if self._stays(one))
        self.draft.sysctls.update(self.family.sysctls_with(self._asked()))
        self._addresses(receivers)
        tunnels = {one.tunnel for one in receivers} | ({GUE} if opened or GUE in self.pod.tunnels else set())
        self._guard(tunnels)
        for receiver in self._asked():
            self.draft.devices[receiver.name] = Device(
                local=self.pod.address,
                remote="any",
                mode=receiver.mode,
                owned=True,
                up=True,
                memory=self._memory(opened) if receiver is self.family.main else Memory(),
            )

    def _asked(self) -> tuple[Receiver, ...]:
        return tuple(one for one in self.family.receivers if one.tunnel in self.pod.tunnels)

    def _stays(self, receiver: Receiver) -> bool:
        """Whether the pod is to have the device; drops it from the draft if it is ours and not asked for."""
        held = self.draft.devices.get(receiver.name)
        if receiver in self._asked():
            return True
        if held is None or not held.owned:
            return False
        if self.purge:
            self.draft.drop(receiver)
        return not self.purge

    def _port(self) -> bool:
        """Settle the GUE port; whether it is to be remembered as ours."""
        memory = self.draft.state.memory(self.family) or Memory()
        there = self.family.version in self.draft.ports
        if GUE in self.pod.tunnels:
            self.draft.ports[self.family.version] = GUE
            return memory.port or not there
        if memory.port and there and self.purge:
            del self.draft.ports[self.family.version]
        return memory.port and there and not self.purge

    def _memory(self, opened: bool) -> Memory:
        known = self.draft.state.memory(self.family)
        sysctls = self.draft.state.sysctls
        previous = {name: sysctls[key] for name, key in self.family.remembered.items() if key in sysctls}
        return Memory(
            previous=previous if known is None else known.previous,
            port=opened,
            guard=self.family.version in self.draft.guards,
        )

    def _addresses(self, receivers: tuple[Receiver, ...]) -> None:
        places = {"tunnel": self.family.main.name, "interface": self.draft.state.addresses.get(self.pod.address, "")}
        place = places.get(self.wish.place, self.wish.place)
        vips = {Vip(place, f"{vip}/{self.family.prefix}") for vip in self.pod.vips}
        if self.family.filler:
            vips |= {Vip(one.name, self.family.filler) for one in receivers if one.name != place}
        if self.purge:
            self.draft.vips -= {vip for vip in self.draft.vips if vip.version == self.family.version}
        self.draft.vips |= vips

    def _guard(self, tunnels: set[str]) -> None:
        version = self.family.version
        held = self.draft.guards.get(version, NO_GUARD)
        vips = self.pod.vips if self.purge else self.pod.vips | (held.vips or frozenset())
        if self.wish.sources is not None:
            sources = self.wish.sources[self.pod.address]
            sources = sources if self.purge else sources | (held.sources or frozenset())
            self.draft.guards[version] = guard.complete(self.family, self.pod.address, tunnels, sources, vips)
        elif self.purge:
            self.draft.guards.pop(version, None)
        elif held.vips is not None:
            self.draft.guards[version] = Guard(held.rules, held.jumps, held.sources, vips)


def _clear(draft: _Draft, family: Family) -> None:
    memory = draft.state.memory(family)
    for receiver in family.receivers:
        device = draft.devices.get(receiver.name)
        if device is not None and device.owned:
            if receiver is family.main:
                draft.sysctls.update(restored(memory, family, draft.sysctls))
            draft.drop(receiver)
    draft.vips -= {vip for vip in draft.vips if vip.version == family.version}
    draft.guards.pop(family.version, None)
    if memory is not None and memory.port:
        draft.ports.pop(family.version, None)


def restored(memory: Memory | None, family: Family, sysctls: Mapping[str, str]) -> dict[str, str]:
    """Former values to put back; a value that someone has changed since is theirs and stays."""
    previous = memory.previous if memory is not None else {}
    remembered = {family.remembered[name]: value for name, value in previous.items()}
    return {
        key: value
        for key, value in remembered.items()
        if sysctls.get(key) == family.namespace_sysctls[key] and value != family.namespace_sysctls[key]
    }
