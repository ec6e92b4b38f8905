# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of one namespace: read from it, written as lines an operator can paste."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from ansible_collections.baremetal.dsr.plugins.module_utils._iproute import parse_objects
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    DEVICE_GROUP,
    FAMILIES,
    SYSCTL_KEYS,
    TAG,
    Device,
    Family,
    State,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_SYSCTL = re.compile(r"^(net\.[\w.-]+) = (-?\d+)\s*$")


def read_state(runner: Runner, entry: str) -> State:
    """State of the namespace behind the path `entry`, in two commands."""
    nsenter = ["nsenter", f"--net={entry}"]
    links = runner.read([*nsenter, "ip", "-json", "-details", "addr", "show"])
    return parse_state(links, runner.read([*nsenter, "sysctl", "-e", *SYSCTL_KEYS]))


def parse_state(links: str, sysctls: str) -> State:
    """State from `ip -json -details addr show` and `sysctl`; DsrError if the first is no JSON list."""
    by_name = {family.device: family for family in FAMILIES}
    devices: dict[int, Device] = {}
    addresses: set[str] = set()
    for link in parse_objects("ip -json -details addr show", links):
        family = by_name.get(str(link.get("ifname")))
        if family is None:
            addresses.update(text.split("/")[0] for text in _addresses(link))
        else:
            devices[family.version] = _device(link, family)
    return State(devices, parse_sysctls(sysctls), frozenset(addresses))


def parse_sysctls(text: str) -> dict[str, str]:
    """Numeric network sysctls by key; other lines are skipped."""
    found = (_SYSCTL.match(line) for line in text.splitlines())
    return {match.group(1): match.group(2) for match in found if match and match.group(1) in SYSCTL_KEYS}


def _device(link: Mapping[str, object], family: Family) -> Device:
    info = _mapping(link.get("linkinfo"))
    data = _mapping(info.get("info_data"))
    flags = link.get("flags")
    owned = str(link.get("group")) == str(DEVICE_GROUP) and info.get("info_kind") == family.kind
    return Device(
        local=_canonical(data.get("local")),
        remote=_canonical(data.get("remote")),
        mode=str(data.get("proto")),
        owned=owned,
        up=isinstance(flags, list) and "UP" in flags,
        previous=parse_alias(link.get("ifalias"), family),
        vips=frozenset(_addresses(link)),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _canonical(value: object) -> str:
    """A tunnel endpoint; both spellings of "any peer" become "any"."""
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        return str(value)
    return "any" if address.is_unspecified else str(address)


def _addresses(link: Mapping[str, object]) -> Iterable[str]:
    """Addresses with prefix length, without the link-local ones, which the kernel gives by itself."""
    entries = link.get("addr_info")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        try:
            address = ipaddress.ip_interface(f"{entry.get('local')}/{entry.get('prefixlen')}")
        except ValueError:
            continue
        if not (address.version == 6 and address.ip.is_link_local):
            yield str(address)


def alias(previous: Mapping[str, str]) -> str:
    """The alias that remembers former sysctl values: "baremetal.dsr,arp_ignore=0,arp_announce=0"."""
    return ",".join([TAG, *(f"{name}={value}" for name, value in previous.items())])


def parse_alias(text: object, family: Family) -> dict[str, str] | None:
    """What alias() remembered, or None if this is not such an alias."""
    tag, *parts = str(text).split(",")
    found = [re.match(r"^([a-z_]+)=(\d+)$", part) for part in parts]
    previous = {match.group(1): match.group(2) for match in found if match}
    if tag != TAG or len(previous) != len(parts) or list(previous) != list(family.remembered):
        return None
    return previous


def lines(state: State) -> list[str]:
    """The namespace's state as commands, in the order that builds it. Foreign devices are not shown."""
    ours = [(family, state.devices[family.version]) for family in FAMILIES if family.version in state.devices]
    ours = [(family, device) for family, device in ours if device.owned]
    return [
        *(line for family, device in ours for line in _link_lines(device, family)),
        *(f"sysctl -w {key}={state.sysctls[key]}" for key in SYSCTL_KEYS if key in state.sysctls),
        *(line for family, device in ours for line in _address_lines(device, family)),
    ]


def _link_lines(device: Device, family: Family) -> list[str]:
    name = family.device
    made = (
        f"ip link add {name} group {DEVICE_GROUP} type {family.kind} mode {device.mode}"
        f" local {device.local} remote {device.remote}"
    )
    if device.previous is None:
        return [made]
    return [made, f"ip link set {name} alias {alias(device.previous)}{family.alias_options}"]


def _address_lines(device: Device, family: Family) -> list[str]:
    name = family.device
    placed = [f"ip addr add {vip} dev {name}{family.address_options}" for vip in by_address(device.vips)]
    return [*placed, f"ip link set {name} up"] if device.up else placed


def by_address(vips: Iterable[str]) -> list[str]:
    """Numeric order."""
    return sorted(vips, key=lambda vip: (ipaddress.ip_interface(vip).packed, vip))
