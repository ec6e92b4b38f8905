# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of one namespace: read from it, written as lines an operator can paste."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.documents import parse_documents
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    GUE,
    GUE_PORT,
    NO_GUARD,
    OWNED,
    RECEIVERS,
    SYSCTL_KEYS,
    TAG,
    Device,
    Family,
    Guard,
    Memory,
    Receiver,
    State,
    Vip,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_SYSCTL = re.compile(r"^(net\.[\w.-]+) = (-?\d+)\s*$")
_INET = {"inet": 4, "inet6": 6}
_ADDRESSES = "ip -json -details addr show"
_PORTS = "ip -json fou show"


def read_state(runner: Runner, entry: str, *, ports: bool = False, guards: Collection[int] = ()) -> State:
    """State of the namespace behind the path `entry`, in two to five commands.

    ports: whether to ask for GUE ports; the kernel must know them (module fou). guards: IP versions whose guard to
    look at. What a device remembers as ours is looked at in any case.
    """
    nsenter = ["nsenter", f"--net={entry}"]
    if ports:
        found = runner.read([*nsenter, "ip", "-json", "-details", "-batch", "-"], "addr show\nfou show\n")
    else:
        found = runner.read([*nsenter, *_ADDRESSES.split()])
    state = parse_state(found, runner.read([*nsenter, "sysctl", "-e", *SYSCTL_KEYS]))
    if not ports and any(memory.port for memory in _memories(state).values() if memory):
        state = with_ports(state, runner.read([*nsenter, *_PORTS.split()]))
    families = [family for family in FAMILIES if family.version in guards or _may_be_guarded(runner, state, family)]
    if not families:
        return state
    sets = guard.parse_sets(families, runner.read([*nsenter, "ipset", "save"]))
    return with_guards(
        state, {each.version: guard.parse(each, runner.read([*nsenter, *guard.save(each)]), sets) for each in families}
    )


def _may_be_guarded(runner: Runner, state: State, family: Family) -> bool:
    """Whether our device says so; one that has lost its memory says nothing, then it is looked at if it can be."""
    memories = _memories(state)
    if family.version not in memories:
        return False
    memory = memories[family.version]
    return all(runner.has(name) for name in guard.commands(family)) if memory is None else memory.guard


def _memories(state: State) -> dict[int, Memory | None]:
    """What our devices remember, by IP version; None for one whose memory is not there."""
    owned = [family for family in FAMILIES if (held := state.devices.get(family.main.name)) and held.owned]
    return {family.version: state.memory(family) for family in owned}


def parse_state(links: str, sysctls: str) -> State:
    """State from `ip -json -details addr show`, perhaps followed by `ip -json fou show`, and `sysctl`.

    DsrError if the first is no JSON list.
    """
    documents = parse_documents(_ADDRESSES, links)
    devices: dict[str, Device] = {}
    vips: set[Vip] = set()
    addresses: dict[str, str] = {}
    for link in documents[0] if documents else []:
        name = str(link.get("ifname"))
        if name in RECEIVERS:
            devices[name] = _device(link, *RECEIVERS[name])
        owned = name in devices and devices[name].owned
        for address, marked in _addresses(link):
            if marked or owned:
                vips.add(Vip(name, address))
            else:
                addresses.setdefault(address.split("/")[0], name)
    ports = _ports(documents[1]) if len(documents) > 1 else {}
    return State(devices, frozenset(vips), parse_sysctls(sysctls), ports, {}, addresses)


def with_ports(state: State, text: str) -> State:
    """The state with what `ip -json fou show` tells."""
    documents = parse_documents(_PORTS, text)
    ports = _ports(documents[0]) if documents else {}
    return State(state.devices, state.vips, state.sysctls, ports, state.guards, state.addresses)


def with_guards(state: State, guards: Mapping[int, Guard]) -> State:
    """The state with these guards, by IP version."""
    there = {version: one for version, one in guards.items() if one != NO_GUARD}
    return State(state.devices, state.vips, state.sysctls, state.ports, there, state.addresses)


def _ports(items: Iterable[Mapping[str, object]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for item in items:
        version = _INET.get(str(item.get("family", "inet")))
        if version is not None and item.get("port") == GUE_PORT:
            more = {key: value for key, value in item.items() if key not in ("port", "family", GUE)}
            found[version] = GUE if GUE in item and not more else " ".join(f"{key} {more[key]}" for key in more)
    return found


def parse_sysctls(text: str) -> dict[str, str]:
    """Numeric network sysctls by key; other lines are skipped."""
    found = (_SYSCTL.match(line) for line in text.splitlines())
    return {match.group(1): match.group(2) for match in found if match and match.group(1) in SYSCTL_KEYS}


def _device(link: Mapping[str, object], family: Family, receiver: Receiver) -> Device:
    info = _mapping(link.get("linkinfo"))
    data = _mapping(info.get("info_data"))
    flags = link.get("flags")
    return Device(
        local=_canonical(data.get("local")),
        remote=_canonical(data.get("remote")),
        mode=str(data.get("proto", "")),
        owned=str(link.get("group")) == str(OWNED) and info.get("info_kind") == receiver.kind,
        up=isinstance(flags, list) and "UP" in flags,
        memory=parse_alias(link.get("ifalias"), _remembered(family, receiver)),
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


def _addresses(link: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """(address/prefix length, whether it bears our mark), without the link-local ones, which the kernel gives."""
    entries = link.get("addr_info")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        try:
            address = ipaddress.ip_interface(f"{entry.get('local')}/{entry.get('prefixlen')}")
        except ValueError:
            continue
        if not (address.version == 6 and address.ip.is_link_local):
            yield str(address), entry.get("metric") == OWNED


def _remembered(family: Family, receiver: Receiver) -> Mapping[str, str]:
    return family.remembered if receiver is family.main else {}


def alias(memory: Memory) -> str:
    """The alias that tells the memory: "baremetal.dsr,arp_ignore=0,arp_announce=0,gue,guard"."""
    words = [TAG, *(f"{name}={value}" for name, value in memory.previous.items())]
    return ",".join(words + [GUE] * memory.port + ["guard"] * memory.guard)


def parse_alias(text: object, remembered: Iterable[str]) -> Memory | None:
    """What alias() told, or None if this is no such alias of a device that remembers the sysctls `remembered`."""
    tag, *words = str(text).split(",")
    claims = []
    for claim in ("guard", GUE):
        claims.append(words[-1:] == [claim])
        words = words[:-1] if claims[-1] else words
    found = [re.match(r"^([a-z_]+)=(\d+)$", word) for word in words]
    previous = {match.group(1): match.group(2) for match in found if match}
    if tag != TAG or len(previous) != len(words) or list(previous) != list(remembered):
        return None
    return Memory(previous, port=claims[1], guard=claims[0])


def lines(state: State) -> list[str]:
    """The namespace's state as commands, in the order that builds it. Foreign devices are not shown."""
    ours = [(name, *RECEIVERS[name]) for name in RECEIVERS if name in state.devices and state.devices[name].owned]
    built = [line for name, family, receiver in ours for line in _link_lines(state.devices[name], family, receiver)]
    built += [f"sysctl -w {key}={state.sysctls[key]}" for key in SYSCTL_KEYS if key in state.sysctls]
    for family in FAMILIES:
        if state.ports.get(family.version) == GUE:
            built.append(" ".join(family.port_command("add")))
        built += guard.lines(family, state.guards.get(family.version, NO_GUARD))
    built += [f"ip {added(vip)}" for vip in by_address(state.vips)]
    return built + [f"ip link set {name} up" for name, _family, _receiver in ours if state.devices[name].up]


def _link_lines(device: Device, family: Family, receiver: Receiver) -> list[str]:
    made = receiver.created(device.local, device.remote)
    made = made.replace(f" mode {receiver.mode} ", f" mode {device.mode} ") if receiver.mode else made
    if device.memory is None:
        return [f"ip {made}"]
    return [f"ip {made}", f"ip {aliased(receiver, family, device.memory)}"]


def aliased(receiver: Receiver, family: Family, memory: Memory) -> str:
    """The `ip` line that gives the device its alias."""
    return f"link set {receiver.name} alias {alias(memory)}{family.alias_options}"


def added(vip: Vip) -> str:
    """The `ip` line that adds the address."""
    family = next(family for family in FAMILIES if family.version == vip.version)
    if vip.address == family.filler:
        return f"addr add {vip.address} dev {vip.device} scope host"
    mark = "" if vip.device in RECEIVERS else family.mark_options
    return f"addr add {vip.address} dev {vip.device}{mark}{family.address_options}"


def by_address(vips: Iterable[Vip]) -> list[Vip]:
    """IPv4 first, each family in numeric order."""
    return sorted(vips, key=lambda vip: (vip.version, ipaddress.ip_interface(vip.address).packed, vip))
