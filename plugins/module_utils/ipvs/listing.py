# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read `ipvsadm -Ln --nosort --tun-info`: services on marks, in kernel order; and their thresholds from a second one.

The other sources will not do: `ipvsadm -S` sorts destinations, and /proc/net/ip_vs of Linux 6.12 was seen to
leave out one of a thousand services.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    Destination,
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
_OPTIONS = {"persistent": "-p", "mask": "-M", "pe": "--pe"}


@dataclass(frozen=True)
class Connections:
    """Connections of one destination: established ones, and those that are opening or closing."""

    mark: int
    family: str
    address: str
    active: int
    inactive: int


class TornListing(DsrError):
    """A listing that shows a service twice: another one came or went while the kernel was telling.

    The kernel hands out the table in parts and finds its place again by counting the services of every network
    namespace (ip_vs_genl_dump_services). A second look is right.
    """


@dataclass(frozen=True)
class Listing:
    """The owned services, and the connections of their destinations in the same order."""

    services: dict[Key, Service]
    connections: tuple[Connections, ...]


def parse_listing(text: str, owned: MarkRange) -> Listing:
    """Owned services of a listing; others are passed over. DsrError when a line about an owned one is strange."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("IP Virtual Server"):
        raise _unreadable(COMMAND, lines[0] if lines else "")
    headers: dict[Key, Service] = {}
    destinations: dict[Key, list[Destination]] = {}
    connections: list[Connections] = []
    current: Service | None = None
    for line in lines[1:]:
        words = line.split()
        try:
            if words[:1] != ["->"]:
                current = _service(words, owned)
                if current is not None:
                    if current.key in headers:
                        raise _torn(line)
                    headers[current.key], destinations[current.key] = current, []
            elif current is not None:
                destination, active, inactive = _destination(words)
                destinations[current.key].append(destination)
                connections.append(Connections(*current.key, destination.address, active, inactive))
        except (ValueError, IndexError) as error:
            raise _unreadable(COMMAND, line) from error
    services = {key: replace(header, destinations=tuple(destinations[key])) for key, header in headers.items()}
    return Listing(services, tuple(connections))


def with_thresholds(listing: Listing, text: str, owned: MarkRange) -> Listing:
    """The listing with the thresholds out of the output of THRESHOLDS_COMMAND; DsrError when a line is strange."""
    found: dict[tuple[Key, str, int], tuple[int, int]] = {}
    current: Service | None = None
    for line in text.splitlines()[3:]:
        words = line.split()
        try:
            if words[:1] != ["->"]:
                current = _service(words, owned)
            elif current is not None:
                _arrow, server, upper, lower, _active, _inactive = words
                found[(current.key, *_server(server))] = (_number(upper), _number(lower))
        except (ValueError, IndexError) as error:
            raise _unreadable(THRESHOLDS_COMMAND, line) from error
    services = {
        key: replace(
            service,
            destinations=tuple(
                replace(each, thresholds=found.get((key, each.address, each.port), (0, 0)))
                for each in service.destinations
            ),
        )
        for key, service in listing.services.items()
    }
    return replace(listing, services=services)


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


def _service(words: list[str], owned: MarkRange) -> Service | None:
    """`FWM 13631490 IPv6 mh (mh-port) persistent 300 ops`, or None for a service that is not ours."""
    if words[:1] != ["FWM"] or not owned.owns(mark := _mark(words[1])):
        return None
    family, rest = ("ipv6", words[3:]) if words[2] == "IPv6" else ("ipv4", words[2:])
    scheduler, options = rest[0], rest[1:]
    flags: tuple[str, ...] = ()
    if options and options[0].startswith("(") and options[0].endswith(")"):
        flags = tuple(sorted(options.pop(0)[1:-1].split(",")))
    extra = tuple(_OPTIONS.get(word, word) for word in options if word != "ops")
    return Service(mark, family, scheduler, flags, "ops" in options, extra)


def _destination(words: list[str]) -> tuple[Destination, int, int]:
    """`-> 10.244.1.2:0 Tunnel ipip 1 0 0` as the destination, its active and its inactive connections."""
    _arrow, server, method, tunnel, weight, active, inactive = words
    address, port = _server(server)
    forwarding = (_FORWARDING.get(method, method), *(_tunnel(tunnel) if method == "Tunnel" else ()))
    return Destination(address, _number(weight), port, forwarding), _number(active), _number(inactive)


def _server(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = canonical_address(host[1:-1], "ipv6") if bracketed else canonical_address(host, "ipv4")
    return address, _number(port)


def _tunnel(info: str) -> list[str]:
    """`ipip`, `gre:-c` or `gue:6080:+c` as the words that set it; none for ipip, which is what `-i` means."""
    kind, *details = info.split(":")
    if info == "ipip":
        return []
    words = ["--tun-type", kind]
    for detail in details:
        words += ["--tun-port", detail] if detail.isdecimal() else [_CHECKSUM.get(detail, detail)]
    return words


def _mark(text: str) -> int:
    """A mark as ipvsadm prints it: a signed number of 32 bits."""
    mark = -_number(text[1:]) if text.startswith("-") else _number(text)
    return mark & 0xFFFFFFFF


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ValueError(f"'{text}' is no number")
    return int(text)


def _torn(line: str) -> TornListing:
    return TornListing(
        f"output of '{' '.join(COMMAND)}'",
        f"shows the service '{line.strip()[:120]}' twice",
        "Stop what changes IPVS services on this machine all the time, and run again",
    )


def _unreadable(command: tuple[str, ...], line: str) -> DsrError:
    return DsrError(
        f"output of '{' '.join(command)}'",
        f"cannot read the line '{line[:120]}'",
        "Report it with the version that 'ipvsadm --version' prints",
    )
