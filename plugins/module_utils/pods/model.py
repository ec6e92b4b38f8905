# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod holds to be a real server: one named tunnel device per address family, VIPs on it, a few sysctls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

TAG = "baremetal.dsr"
DEVICE_GROUP = 0x00D00000
"""Link group of our devices. The kernel takes the group with the creation itself (an alias it silently drops there), so
that no device of ours ever exists unmarked, wherever a run was killed."""


@dataclass(frozen=True)
class Family:
    """How one address family is tunnelled. All sysctl values are text, as sysctl prints them."""

    version: int
    device: str
    kind: str
    mode: str
    module: str
    prefix: int
    address_options: str
    alias_options: str
    remembered: Mapping[str, str]
    """Sysctls of the whole namespace, by the short name under which the device's alias keeps the former value."""
    sysctls: Mapping[str, str]
    """Every sysctl of a configured pod."""

    def created(self, local: str) -> str:
        """The `ip` line that creates the device for the pod address `local`."""
        return f"link add {self.device} group {DEVICE_GROUP} type {self.kind} mode {self.mode} local {local} remote any"


FAMILIES = (
    Family(
        version=4,
        device="dsr4",
        kind="ipip",
        mode="ipip",
        module="ipip",
        prefix=32,
        address_options="",
        alias_options="",
        remembered={
            "arp_ignore": "net.ipv4.conf.all.arp_ignore",
            "arp_announce": "net.ipv4.conf.all.arp_announce",
        },
        sysctls={
            "net.ipv4.conf.all.arp_ignore": "1",
            "net.ipv4.conf.all.arp_announce": "2",
            "net.ipv4.conf.dsr4.rp_filter": "2",
        },
    ),
    # Neighbour discovery answers only for addresses of the interface asked on, so IPv6 needs no arp_* twin.
    # Without a link-local address the device sends no router solicitations into the tunnel.
    Family(
        version=6,
        device="dsr6",
        kind="ip6tnl",
        mode="ip6ip6",
        module="ip6_tunnel",
        prefix=128,
        address_options=" nodad",
        alias_options=" addrgenmode none",
        remembered={},
        sysctls={"net.ipv6.conf.dsr6.disable_ipv6": "0"},
    ),
)
DEVICES = frozenset(family.device for family in FAMILIES)
SYSCTL_KEYS = tuple(key for family in FAMILIES for key in family.sysctls)


@dataclass(frozen=True)
class Pod:
    """One pod address and the VIPs it answers for, all of one family, in canonical form."""

    address: str
    version: int
    vips: frozenset[str]


@dataclass(frozen=True)
class Device:
    """A device named like ours. owned: marked by our group and of our type. vips: "address/prefix length"."""

    local: str
    remote: str
    mode: str
    owned: bool
    up: bool
    previous: Mapping[str, str] | None
    """Former values of the family's remembered sysctls; None while the device is only half made."""
    vips: frozenset[str]

    def carries(self, other: Device) -> bool:
        """Whether both are the same tunnel, whatever stands on them."""
        return (self.local, self.remote, self.mode) == (other.local, other.remote, other.mode)


@dataclass(frozen=True)
class State:
    """One network namespace as far as it concerns us."""

    devices: Mapping[int, Device] = field(default_factory=dict)
    """By IP version."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Those of SYSCTL_KEYS that exist."""
    addresses: frozenset[str] = frozenset()
    """On all other devices."""

    def same(self, other: State) -> bool:
        """Whether all that we manage is equal."""
        return self.devices == other.devices and self.sysctls == other.sysctls


def pods_from(items: Iterable[Mapping[str, object]]) -> tuple[Pod, ...]:
    """Pods from [{"address": str, "vips": [str, ...]}]; DsrError names the entry that cannot be."""
    pods: dict[str, Pod] = {}
    for item in items:
        pod = _pod(item)
        if pod.address in pods:
            raise DsrError(f"pod {pod.address}", "is listed twice", "List each pod address once with all its VIPs")
        pods[pod.address] = pod
    for pod in pods.values():
        for vip in sorted(pod.vips & pods.keys()):
            raise DsrError(f"pod {pod.address}", f"VIP {vip} is a pod's own address", "Choose another VIP")
    return tuple(sorted(pods.values(), key=lambda pod: parse_address("pod", pod.address)))


def _pod(item: Mapping[str, object]) -> Pod:
    address = parse_address("pod", item.get("address"))
    vips = item.get("vips")
    if not isinstance(vips, (list, tuple)) or not vips:
        raise DsrError(f"pod {address.text}", "has no VIPs", "Give it at least one VIP or leave it out of the list")
    parsed = [parse_address(f"pod {address.text}: VIP", vip) for vip in vips]
    for vip in parsed:
        if vip.version != address.version:
            raise DsrError(
                f"pod {address.text}",
                f"VIP {vip.text} is of the other address family",
                "Give the pod's address of that family its own entry",
            )
    return Pod(address.text, address.version, frozenset(vip.text for vip in parsed))
