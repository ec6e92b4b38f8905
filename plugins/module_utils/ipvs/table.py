# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPVS table as values: services on firewall marks and their destinations in kernel order.

Named tuples rather than dataclasses: a table may hold 100,000 destinations, and is made twice in every run.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange

_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

Key = tuple[int, str]
"""(mark, family): what the kernel tells services on marks apart by."""


DestinationKey = tuple[str, int]
"""(address, port): what the kernel tells the destinations of a service apart by."""

NO_SCHEDULER: Final = "none"
"""A service without a scheduler, which starts no new connections."""

TUNNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "ipip": ("-i",),
    "gue": ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-nocsum"),
    "gre": ("-i", "--tun-type", "gre", "--tun-nocsum"),
}
"""How packets reach a destination, in the words of `ipvsadm -S`; ipip is what plain `-i` means."""


class Destination(NamedTuple):
    """A real server of a service.

    address: canonical text, IPv6 without brackets.
    forwarding: one of TUNNELS, or in the same words whatever else the kernel was told.
    upper_threshold, lower_threshold: connections at which it gets no new ones, and again gets some; 0 is none.
    """

    address: str
    weight: int = 1
    port: int = 0
    forwarding: tuple[str, ...] = TUNNELS["ipip"]
    upper_threshold: int = 0
    lower_threshold: int = 0

    @property
    def key(self) -> DestinationKey:
        return (self.address, self.port)


class Service(NamedTuple):
    """A virtual service on a firewall mark.

    scheduler_flags: sorted.
    persistence: seconds a client stays with its destination; 0 is none.
    extra: further options in the words of `ipvsadm -S` (mask of the persistence, persistence engine).
    destinations: in kernel order, the head of the kernel's list first.
    """

    mark: int
    family: str
    scheduler: str
    scheduler_flags: tuple[str, ...] = ()
    one_packet: bool = False
    persistence: int = 0
    extra: tuple[str, ...] = ()
    destinations: tuple[Destination, ...] = ()

    @property
    def key(self) -> Key:
        return (self.mark, self.family)

    @property
    def header(self) -> Service:
        """The service without its destinations."""
        return self._replace(destinations=())


Services = Mapping[Key, Service]


def thresholds_note(owned: MarkRange) -> Service:
    """The service that stands while any destination has thresholds. It is on a mark that no packet ever gets.

    The listing does not show thresholds, and the one that does shows little else. This tells when to read it, too. A
    scheduler flag would tell it better, but ipvsadm 1.31 shows no flag-3 of the schedulers mh and sh.
    """
    return Service(owned.note, "ipv4", NO_SCHEDULER)


def canonical_address(text: str, family: str) -> str:
    """The one spelling of an address of that family; ValueError when it is none."""
    try:
        return socket.inet_ntop(_FAMILIES[family], socket.inet_pton(_FAMILIES[family], text))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"not an {family} address") from error


def render(services: Iterable[Service]) -> str:
    """Lines for `ipvsadm -R`, by mark; destinations are written last first, as the kernel adds at the head."""
    lines = []
    for service in sorted(services, key=lambda each: each.key):
        lines.append(f"-A {service_words(service)}")
        lines += [f"-a {destination_words(service, each)}" for each in reversed(service.destinations)]
    return "".join(line + "\n" for line in lines)


def selector(service: Service) -> str:
    """The words that name a service: `-f 13631490`, with `-6` for IPv6."""
    return f"-f {service.mark} -6" if service.family == "ipv6" else f"-f {service.mark}"


def service_words(service: Service) -> str:
    """All words of an -A or -E line; an -E without one of them would set it back to the tool's default."""
    words = [selector(service), "-s", service.scheduler]
    if service.persistence:
        words += ["-p", str(service.persistence)]
    words += service.extra
    if service.one_packet:
        words.append("-o")
    if service.scheduler_flags:
        words += ["-b", ",".join(service.scheduler_flags)]
    return " ".join(words)


def destination_words(service: Service, destination: Destination) -> str:
    """All words of an -a or -e line; an -e without one of them would set it back to the tool's default."""
    words = [selector(service), "-r", server(destination), *destination.forwarding, "-w", str(destination.weight)]
    if destination.upper_threshold:
        words += ["-x", str(destination.upper_threshold)]
    if destination.lower_threshold:
        words += ["-y", str(destination.lower_threshold)]
    return " ".join(words)


def server(destination: Destination) -> str:
    """`address:port`, IPv6 in brackets. ipvsadm refuses `[address]` without a port, so it is always there."""
    if ":" in destination.address:
        return f"[{destination.address}]:{destination.port}"
    return f"{destination.address}:{destination.port}"
