# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod holds to be a real server: tunnel devices, VIPs, a few sysctls, a GUE port, a guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

TAG: Final = "baremetal.dsr"
OWNED: Final = 0x00D00000
"""Link group of our devices, and metric of our VIPs on devices that are not ours.

The kernel takes the group with the creation of a device (an alias it silently drops there) and the metric with an
address of either family, so that nothing of ours ever exists unmarked, wherever a run was killed."""
GUE_PORT: Final = 6080
GUE: Final = "gue"
GUE_MODULE: Final = "fou"
"""Receives GUE over both families; fou6 is only needed to send it."""
TUNNELS: Final = ("ipip", GUE, "gre")
PLACES: Final = ("tunnel", "lo", "interface")
"""Where the VIPs stand: on the IPIP device, on lo, on the device that holds the pod's address."""


@dataclass(frozen=True)
class Receiver:
    """A device in which packets come out of a tunnel. Sysctl values are text, as sysctl prints them.

    tunnel: "ipip" or "gre"; what comes out of GUE is IPIP again.
    """

    name: str
    tunnel: str
    kind: str
    mode: str
    module: str
    sysctls: Mapping[str, str]

    def created(self, local: str, remote: str = "any") -> str:
        """The `ip` line that creates the device for the pod address `local`."""
        mode = f" mode {self.mode}" if self.mode else ""
        return f"link add {self.name} group {OWNED} type {self.kind}{mode} local {local} remote {remote}"


@dataclass(frozen=True)
class Family:
    """How one address family is tunnelled. Sysctl values are text.

    receivers: the IPIP device, which is always there and whose alias keeps our memory, then the others.
    protocols: IP protocol number of a tunnelled packet by receiver's tunnel.
    """

    version: int
    prefix: int
    receivers: tuple[Receiver, ...]
    protocols: Mapping[str, int]
    address_options: str
    alias_options: str
    mark_options: str
    """Of a VIP on a device that is not ours."""
    filler: str
    """Stands on a receiver that holds no VIP: even a loose rp_filter refuses all that comes out of a device without
    any IPv4 address. Empty where none is needed."""
    remembered: Mapping[str, str]
    """Sysctls of the whole namespace, by the short name under which the alias keeps the former value."""
    namespace_sysctls: Mapping[str, str]

    @property
    def main(self) -> Receiver:
        return self.receivers[0]

    @property
    def inet(self) -> str:
        """ipset's word for the family."""
        return "inet" if self.version == 4 else "inet6"

    @property
    def sysctls(self) -> dict[str, str]:
        """Every sysctl of a pod with all receivers."""
        return self.sysctls_with(self.receivers)

    def sysctls_with(self, receivers: tuple[Receiver, ...]) -> dict[str, str]:
        values = dict(self.namespace_sysctls)
        for receiver in receivers:
            values.update(receiver.sysctls)
        return values

    def port_command(self, action: str) -> tuple[str, ...]:
        """Opens ("add") or closes ("del") the GUE port."""
        family = () if self.version == 4 else ("-6",)
        return ("ip", *family, "fou", action, "port", str(GUE_PORT), *((GUE,) if action == "add" else ()))


FAMILIES: Final = (
    Family(
        version=4,
        prefix=32,
        receivers=(
            Receiver("dsr4", "ipip", "ipip", "ipip", "ipip", {"net.ipv4.conf.dsr4.rp_filter": "2"}),
            Receiver("dsr4gre", "gre", "gre", "", "ip_gre", {"net.ipv4.conf.dsr4gre.rp_filter": "2"}),
        ),
        protocols={"ipip": 4, "gre": 47},
        address_options="",
        alias_options="",
        mark_options=f" metric {OWNED}",
        filler="192.0.0.8/32",  # the dummy address of RFC 7600
        remembered={
            "arp_ignore": "net.ipv4.conf.all.arp_ignore",
            "arp_announce": "net.ipv4.conf.all.arp_announce",
        },
        namespace_sysctls={"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"},
    ),
    # Neighbour discovery answers only for addresses of the interface asked on, so IPv6 needs no arp_* twin.
    # Without a link-local address a device sends no router solicitations into the tunnel.
    # A deprecated address is no source of connections the pod opens itself; on its own interface it could become one.
    Family(
        version=6,
        prefix=128,
        receivers=(
            Receiver("dsr6", "ipip", "ip6tnl", "ip6ip6", "ip6_tunnel", {"net.ipv6.conf.dsr6.disable_ipv6": "0"}),
            Receiver("dsr6gre", "gre", "ip6gre", "", "ip6_gre", {"net.ipv6.conf.dsr6gre.disable_ipv6": "0"}),
        ),
        protocols={"ipip": 41, "gre": 47},
        address_options=" nodad",
        alias_options=" addrgenmode none",
        mark_options=f" metric {OWNED} preferred_lft 0",
        filler="",
        remembered={},
        namespace_sysctls={},
    ),
)
RECEIVERS: Final[Mapping[str, tuple[Family, Receiver]]] = {
    receiver.name: (family, receiver) for family in FAMILIES for receiver in family.receivers
}
"""Our devices by name."""
DEVICES: Final = frozenset(RECEIVERS)
SYSCTL_KEYS: Final = tuple(key for family in FAMILIES for key in family.sysctls)


class Vip(NamedTuple):
    """An address of ours. address: with its prefix length."""

    device: str
    address: str

    @property
    def version(self) -> int:
        return 6 if ":" in self.address else 4

    @property
    def plain(self) -> str:
        return self.address.split("/", 1)[0]


@dataclass(frozen=True)
class Pod:
    """One pod address and the VIPs it answers for, all of one family, in canonical form. draining: it takes no new
    connections and may be gone at any moment."""

    address: str
    version: int
    vips: frozenset[str]
    tunnels: frozenset[str] = frozenset({"ipip"})
    draining: bool = False


@dataclass(frozen=True)
class Wish:
    """What all pods shall be. place: one of PLACES.

    sources: for each pod address the addresses tunnelled packets to it may come from; None: no guard.
    """

    place: str = "tunnel"
    sources: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True)
class Memory:
    """What the alias of a family's IPIP device tells: former values of the remembered sysctls, by short name, and
    whether the GUE port and the guard are of our making."""

    previous: Mapping[str, str] = field(default_factory=dict)
    port: bool = False
    guard: bool = False


@dataclass(frozen=True)
class Device:
    """A device named like ours. owned: marked by our group and of our type."""

    local: str
    remote: str
    mode: str
    owned: bool
    up: bool
    memory: Memory | None
    """None while the device is only half made."""

    def carries(self, other: Device) -> bool:
        """Whether both are the same tunnel."""
        return (self.local, self.remote, self.mode) == (other.local, other.remote, other.mode)


@dataclass(frozen=True)
class Guard:
    """Our part of a family's raw table, and the sets it asks.

    rules: of our chain, in order; None if there is no such chain. jumps: (chain, rule) of every rule that leads into
    it. sources, vips: members of the sets; None if there is no such set.
    """

    rules: tuple[str, ...] | None = None
    jumps: tuple[tuple[str, str], ...] = ()
    sources: frozenset[str] | None = None
    vips: frozenset[str] | None = None


NO_GUARD: Final = Guard()


@dataclass(frozen=True)
class State:
    """One network namespace as far as it concerns us."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    """By name."""
    vips: frozenset[Vip] = frozenset()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Those of SYSCTL_KEYS that exist."""
    ports: Mapping[int, str] = field(default_factory=dict)
    """What takes the GUE port, by IP version: "gue", or how it is used otherwise."""
    guards: Mapping[int, Guard] = field(default_factory=dict)
    """By IP version; one that is not there at all is left out."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Device by address of all addresses that are not ours."""

    def same(self, other: State) -> bool:
        """Whether all that we manage is equal."""
        return self.ours() == other.ours()

    def ours(self) -> tuple[object, ...]:
        return self.devices, self.vips, self.sysctls, self.ports, self.guards

    def memory(self, family: Family) -> Memory | None:
        """What our device of the family remembers; None if there is none, or a half-made one."""
        device = self.devices.get(family.main.name)
        return device.memory if device is not None and device.owned else None
