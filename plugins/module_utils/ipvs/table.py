# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPVS table as values: services on firewall marks and their destinations in kernel order."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange

_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

Key = tuple[int, str]
"""(mark, family): what the kernel tells services on marks apart by."""


TUNNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "ipip": ("-i",),
    "gue": ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-nocsum"),
    "gre": ("-i", "--tun-type", "gre", "--tun-nocsum"),
}
"""Tunnels by name, in the words of `ipvsadm -S`; an ipip tunnel is plain `-i`."""

NO_SCHEDULER: Final = "none"


@dataclass(frozen=True)
class Destination:
    """A real server of a service.

    address: canonical text, IPv6 without brackets.
    forwarding: how packets reach it, in the words of `ipvsadm -S`.
    thresholds: connections at which it gets no more, and at which it gets some again; 0 is none.
    former_weight: of one that drains. mh keeps the slots of a destination by its last weight above 0, which no tool
    shows, so one with weight 0 has to be given this first. 0 if it does not drain.
    """

    address: str
    weight: int = 1
    port: int = 0
    forwarding: tuple[str, ...] = TUNNELS["ipip"]
    thresholds: tuple[int, int] = (0, 0)
    former_weight: int = field(default=0, compare=False)

    @property
    def key(self) -> tuple[str, int]:
        return (self.address, self.port)


@dataclass(frozen=True)
class Service:
    """A virtual service on a firewall mark.

    scheduler_flags: sorted.
    extra: further options in the words of `ipvsadm -S` (persistence, persistence engine).
    destinations: in kernel order, the head of the kernel's list first.
    """

    mark: int
    family: str
    scheduler: str
    scheduler_flags: tuple[str, ...] = ()
    one_packet: bool = False
    extra: tuple[str, ...] = ()
    destinations: tuple[Destination, ...] = ()

    @property
    def key(self) -> Key:
        return (self.mark, self.family)

    @property
    def header(self) -> Service:
        """The service without its destinations."""
        return replace(self, destinations=())


Services = Mapping[Key, Service]


def thresholds_note(owned: MarkRange) -> Service:
    """The service that stands as long as any destination has thresholds.

    The listing that shows all else does not show them, and the one that does shows little else: this tells whether
    that one has to be read, too.
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
    words = [selector(service), "-s", service.scheduler, *service.extra]
    if service.one_packet:
        words.append("-o")
    if service.scheduler_flags:
        words += ["-b", ",".join(service.scheduler_flags)]
    return " ".join(words)


def destination_words(service: Service, destination: Destination) -> str:
    """All words of an -a or -e line."""
    words = [selector(service), "-r", server(destination), *destination.forwarding, "-w", str(destination.weight)]
    if any(destination.thresholds):
        upper, lower = destination.thresholds
        words += ["-x", str(upper), "-y", str(lower)]
    return " ".join(words)


def server(destination: Destination) -> str:
    """`address:port`, IPv6 in brackets. ipvsadm refuses `[address]` without a port, so it is always there."""
    if ":" in destination.address:
        return f"[{destination.address}]:{destination.port}"
    return f"{destination.address}:{destination.port}"
