# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read `ipvsadm -Ln --nosort --tun-info`: services on marks in kernel order, all but the thresholds.

The other sources will not do: `ipvsadm -S` sorts destinations and leaves thresholds out, and /proc/net/ip_vs of Linux
6.12 was seen to leave out one of a thousand services. Thresholds are in `ipvsadm -Ln --nosort --thresholds` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    DestinationKey,
    Key,
    Service,
    canonical_address,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange

COMMAND = ("ipvsadm", "-Ln", "--nosort", "--tun-info")
THRESHOLDS_COMMAND = ("ipvsadm", "-Ln", "--nosort", "--thresholds")
SAVE_COMMAND = ("ipvsadm", "-S", "-n")
_FORWARDING = {"Masq": "-m", "Route": "-g", "Tunnel": "-i"}
_CHECKSUM = {"-c": "--tun-nocsum", "+c": "--tun-csum", "r+c": "--tun-remcsum"}
_EXTRA = {"mask": "-M", "pe": "--pe"}
_NOT_ON_A_MARK = frozenset(("Prot", "TCP", "UDP", "SCTP", "?"))

Thresholds = Mapping[tuple[Key, DestinationKey], tuple[int, int]]
"""Upper and lower threshold of each destination."""


class Connections(NamedTuple):
    """Connections of one destination: established ones, and those that are opening or closing."""

    mark: int
    family: str
    address: str
    active: int
    inactive: int


class TornListing(DsrError):
    """A listing that cannot be right: it shows a service twice, or two of them show different destinations.

    The kernel hands out the table in parts and finds its place again by counting the services of every network
    namespace (ip_vs_genl_dump_services). A second look is right.
    """


class Listing(NamedTuple):
    """The owned services, and the connections of their destinations in the same order."""

    services: dict[Key, Service]
    connections: tuple[Connections, ...]


def parse_listing(text: str, owned: MarkRange) -> Listing:
    """Owned services of a listing; others are passed over. DsrError when a line about an owned one is strange."""
    services: dict[Key, Service] = {}
    connections: list[Connections] = []
    for header, lines in _owned(text, owned, COMMAND):
        destinations = []
        for line in lines:
            try:
                destination, active, inactive = _destination(line)
            except ValueError as error:
                raise _unreadable(COMMAND, line) from error
            destinations.append(destination)
            connections.append(Connections(header.mark, header.family, destination.address, active, inactive))
        services[header.key] = header._replace(destinations=tuple(destinations))
    return Listing(services, tuple(connections))


def parse_thresholds(text: str, owned: MarkRange) -> Thresholds:
    """Thresholds of the destinations of owned services."""
    found: dict[tuple[Key, DestinationKey], tuple[int, int]] = {}
    for header, lines in _owned(text, owned, THRESHOLDS_COMMAND):
        for line in lines:
            try:
                _arrow, server, upper, lower, _active, _inactive = line.split()
                found[header.key, _server(server)] = _number(upper), _number(lower)
            except ValueError as error:
                raise _unreadable(THRESHOLDS_COMMAND, line) from error
    return found


def with_thresholds(listing: Listing, thresholds: Thresholds) -> Listing:
    """The listing with what the other one told; TornListing when the two do not belong together."""
    services = {}
    for key, service in listing.services.items():
        try:
            destinations = [_with(one, thresholds[key, one.key]) for one in service.destinations]
        except KeyError as error:
            raise TornListing(
                f"output of '{' '.join(THRESHOLDS_COMMAND)}'",
                f"lacks a destination of mark {key[0]} ({key[1]}) that was there a moment before",
                "Stop what changes IPVS services on this machine all the time, and run again",
            ) from error
        services[key] = service._replace(destinations=tuple(destinations))
    return listing._replace(services=services)


def foreign_lines(saved: str, owned: MarkRange) -> list[str]:
    """The lines of `ipvsadm -S -n` that are not about owned services."""
    foreign = []
    for line in saved.splitlines():
        words = line.split()
        try:
            ours = words[1:2] == ["-f"] and owned.owns(_mark(words[2]))
        except (ValueError, IndexError) as error:
            raise _unreadable(SAVE_COMMAND, line) from error
        if not ours:
            foreign.append(line)
    return foreign


def _owned(text: str, owned: MarkRange, command: tuple[str, ...]) -> Iterator[tuple[Service, list[str]]]:
    """Owned services of a listing without their destinations, and the lines that show these."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("IP Virtual Server"):
        raise _unreadable(command, lines[0] if lines else "")
    seen: set[Key] = set()
    current: Service | None = None
    mine: list[str] = []
    for line in lines[1:]:
        if line.startswith("  -> "):
            mine.append(line)
            continue
        if current is not None:
            yield current, mine
        mine = []
        try:
            current = _service(line.split(), owned)
        except (LookupError, ValueError) as error:
            raise _unreadable(command, line) from error
        if current is not None:
            if current.key in seen:
                raise _torn(command, line)
            seen.add(current.key)
    if current is not None:
        yield current, mine


def _service(words: list[str], owned: MarkRange) -> Service | None:
    """`FWM 13631490 IPv6 mh (mh-port) persistent 300 ops`, or None for a service that is not ours.

    The brackets are empty when the only flag of mh or sh is flag-3.
    """
    if words[0] != "FWM":
        if words[0] not in _NOT_ON_A_MARK:
            raise ValueError(f"'{words[0]}' is no kind of service")
        return None
    if not owned.owns(mark := _mark(words[1])):
        return None
    family, rest = ("ipv6", words[3:]) if words[2] == "IPv6" else ("ipv4", words[2:])
    scheduler, options = rest[0], rest[1:]
    flags: tuple[str, ...] = ()
    if options and options[0].startswith("(") and options[0].endswith(")"):
        flags = tuple(sorted(flag for flag in options.pop(0)[1:-1].split(",") if flag))
    one_packet = options[-1:] == ["ops"]
    names = options[: -1 if one_packet else None]
    extra: list[str] = []
    persistence = 0
    for name, value in zip(names[::2], names[1::2]):
        if name == "persistent":
            persistence = _number(value)
        else:
            extra += [_EXTRA[name], value]
    if len(names) % 2:
        raise ValueError(f"'{names[-1]}' has no value")
    return Service(mark, family, scheduler, flags, one_packet, persistence, tuple(extra))


def _destination(line: str) -> tuple[Destination, int, int]:
    """`  -> 10.244.1.2:0 Tunnel ipip 1 0 0` as the destination, its active and its inactive connections."""
    _arrow, server, method, tunnel, weight, active, inactive = line.split()
    address, port = _server(server)
    destination = Destination(address, _number(weight), port, _forwarding(method, tunnel))
    return destination, _number(active), _number(inactive)


def _server(text: str) -> DestinationKey:
    """`10.244.1.2:0` or `[2001:db8::2]:0` as address and port."""
    host, _colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = canonical_address(host[1:-1], "ipv6") if bracketed else canonical_address(host, "ipv4")
    return address, _number(port)


@lru_cache(maxsize=64)
def _forwarding(method: str, tunnel: str) -> tuple[str, ...]:
    """`Tunnel` and `ipip`, `gre:-c` or `gue:6080:+c` as the words that set it; `Masq` and `Route` have no tunnel."""
    if method != "Tunnel":
        return (_FORWARDING.get(method, method),)
    if tunnel == "ipip":
        return TUNNELS["ipip"]
    kind, *details = tunnel.split(":")
    words = ["-i", "--tun-type", kind]
    for detail in details:
        words += ["--tun-port", detail] if detail.isdecimal() else [_CHECKSUM.get(detail, detail)]
    return tuple(words)


def _with(destination: Destination, thresholds: tuple[int, int]) -> Destination:
    upper, lower = thresholds
    if not upper and not lower:
        return destination
    return destination._replace(upper_threshold=upper, lower_threshold=lower)


def _mark(text: str) -> int:
    """A mark as ipvsadm prints it: a signed number of 32 bits."""
    mark = -_number(text[1:]) if text.startswith("-") else _number(text)
    return mark & 0xFFFFFFFF


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ValueError(f"'{text}' is no number")
    return int(text)


def _torn(command: tuple[str, ...], line: str) -> TornListing:
    return TornListing(
        f"output of '{' '.join(command)}'",
        f"shows the service '{line.strip()[:120]}' twice",
        "Stop what changes IPVS services on this machine all the time, and run again",
    )


def _unreadable(command: tuple[str, ...], line: str) -> DsrError:
    return DsrError(
        f"output of '{' '.join(command)}'",
        f"cannot read the line '{line[:120]}'",
        "Report it with the version that 'ipvsadm --version' prints",
    )
