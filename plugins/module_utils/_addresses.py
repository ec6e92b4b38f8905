# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and prefixes, parsed once with `ipaddress` and from then on plain numbers, cheap at 100,000 pods."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils._fields import shown
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_BITS = {4: 32, 6: 128}


class Address(NamedTuple):
    """An address; sorts numerically, IPv4 before IPv6. text is the canonical form."""

    version: int
    number: int
    text: str

    @property
    def family(self) -> str:
        return f"ipv{self.version}"


class Prefix(NamedTuple):
    """A network: an address lies in it if its number, shifted right by `shift` bits, equals `bits`."""

    version: int
    bits: int
    shift: int
    text: str

    def holds(self, address: Address) -> bool:
        return address.version == self.version and address.number >> self.shift == self.bits

    def overlaps(self, other: Prefix) -> bool:
        shift = max(self.shift, other.shift)
        same = self.bits >> (shift - self.shift) == other.bits >> (shift - other.shift)
        return self.version == other.version and same

    @property
    def length(self) -> int:
        return _BITS[self.version] - self.shift

    def order(self) -> tuple[int, int, int]:
        """Sort key: numeric order, IPv4 before IPv6, a network before those inside it."""
        return self.version, self.bits << self.shift, self.length


class PrefixTable:
    """Finds the owner of the prefix an address lies in, at the cost of one look-up per distinct prefix length."""

    def __init__(self, owned: Iterable[tuple[Prefix, str]]) -> None:
        self._owners: dict[tuple[int, int], dict[int, str]] = {}
        for prefix, owner in owned:
            self._owners.setdefault((prefix.version, prefix.shift), {}).setdefault(prefix.bits, owner)

    def owner(self, address: Address) -> str | None:
        for (version, shift), owners in self._owners.items():
            if version == address.version and address.number >> shift in owners:
                return owners[address.number >> shift]
        return None


def parse_address(item: str, value: Any) -> Address:
    """Address from its text; DsrError if it is none, or carries a prefix length or a scope."""
    if isinstance(value, str) and "%" not in value:
        try:
            if ":" in value:
                v6 = ipaddress.IPv6Address(value)
                return Address(6, int(v6), str(v6))
            return Address(4, int(ipaddress.IPv4Address(value)), str(value))
        except ValueError:
            pass
    raise DsrError(
        item,
        f"{shown(value)} is not an IP address",
        "Write one IPv4 or IPv6 address without prefix length, such as '203.0.113.1' or '2001:db8::1'",
    )


def parse_prefix(item: str, value: Any) -> Prefix:
    """Prefix from "network/length"; DsrError if it is none, lacks the length or has host bits set."""
    if not isinstance(value, str) or "/" not in value or "%" in value:
        raise _no_network(item, value)
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise _no_network(item, value) from None
    address = value.split("/", 1)[0]
    if ipaddress.ip_address(address) != network.network_address:
        raise DsrError(item, f"{shown(value)} has host bits set", f"Write '{network}' if that is the network you mean")
    shift = _BITS[network.version] - network.prefixlen
    return Prefix(network.version, int(network.network_address) >> shift, shift, str(network))


def _no_network(item: str, value: object) -> DsrError:
    return DsrError(
        item,
        f"{shown(value)} is not a network",
        "Write a network with its prefix length, such as '203.0.113.0/24' or '2001:db8:f::/64'",
    )
