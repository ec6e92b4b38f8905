# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy routing: `ip -json` text to Rule, Route and addresses, and their lines for `ip -batch`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._iproute import parse_objects

LOCAL: Final = "local default dev lo"
UNREACHABLE: Final = "unreachable default"


def narrow(mtu: int) -> str:
    """Target of a route for packets up to `mtu` bytes. The metric lets one for another size stand beside it."""
    return f"default dev lo mtu {mtu} metric {mtu}"


PROTOCOL: Final = 78
"""The routing protocol number all our rules and routes carry. What carries it and has the shape of a Rule or Route is
ours, whatever its numbers."""

_RULE_KEYS: Final = frozenset({"priority", "src", "fwmark", "fwmask", "table", "protocol"})
_TARGETS: Final = {
    (kind, device): target
    for target, kinds, devices in (
        # ip -N writes route types as numbers.
        (LOCAL, ("local", "2"), ("lo",)),
        (UNREACHABLE, ("unreachable", "7"), ("lo", None)),
    )
    for kind in kinds
    for device in devices
}


@dataclass(frozen=True, order=True)
class Rule:
    """Packets with mark & mask == mark look up table."""

    priority: int
    mark: int
    mask: int
    table: int

    def __str__(self) -> str:
        match = f"fwmark {self.mark:#x}/{self.mask:#x}"
        return f"priority {self.priority} {match} lookup {self.table} protocol {PROTOCOL}"


@dataclass(frozen=True)
class ForeignMark:
    """Another's rule that looks at marks: it matches packets with mark & mask == mark."""

    priority: int
    mark: int
    mask: int
    text: str


@dataclass(frozen=True, order=True)
class Route:
    """A default route; target is LOCAL, UNREACHABLE or narrow(mtu)."""

    target: str
    table: int

    def __str__(self) -> str:
        return f"{self.target} table {self.table} protocol {PROTOCOL}"


def parse_rules(text: str) -> frozenset[Rule]:
    """Our rules from `ip -N -json rule`."""
    found = [_rule(item) for item in parse_objects("ip -json rule", text) if _is_ours(item)]
    return frozenset(rule for rule in found if rule is not None)


def parse_foreign_marks(text: str) -> tuple[ForeignMark, ...]:
    """Rules of others that match some marks, from `ip -N -json rule`. One that matches all but some is none of them."""
    found = [_foreign_mark(item) for item in parse_objects("ip -json rule", text) if "not" not in item]
    return tuple(one for one in found if one is not None)


def parse_routes(text: str, table: int) -> tuple[frozenset[Route], list[str]]:
    """(our routes, destinations of all others) of a table, from `ip -N -json route show table N`."""
    ours, others = set(), []
    for item in parse_objects("ip -json route", text):
        target = _TARGETS.get((str(item.get("type")), _device(item))) or _narrow(item)
        if _is_ours(item) and target and item.get("dst") == "default":
            ours.add(Route(target, table))
        else:
            others.append(str(item.get("dst")))
    return frozenset(ours), others


def parse_addresses(text: str) -> dict[Address, str]:
    """Device by address held on it, from `ip -json address`."""
    held = {}
    for item in parse_objects("ip -json address", text):
        infos = item.get("addr_info")
        for info in infos if isinstance(infos, list) else []:
            local = info.get("local") if isinstance(info, dict) else None
            if isinstance(local, str):
                held[parse_address("ip -json address", local)] = str(item.get("ifname"))
    return held


def additions(routes: Iterable[Route], rules: Iterable[Rule]) -> list[str]:
    """Batch lines; a rule comes only after the route it leads to, delivery only after refusal."""
    return [*(f"route add {route}" for route in sorted(routes)), *(f"rule add {rule}" for rule in sorted(rules))]


def removals(routes: Iterable[Route], rules: Iterable[Rule]) -> list[str]:
    """Batch lines; a route goes only after the rules that led to it, refusal only after delivery."""
    return [
        *(f"rule del {rule}" for rule in sorted(rules, reverse=True)),
        *(f"route del {route}" for route in sorted(routes)),
    ]


def _narrow(item: Mapping[str, Any]) -> str | None:
    metrics, mtu = item.get("metrics"), item.get("metric")
    if _device(item) != "lo" or str(item.get("type", "1")) not in ("1", "unicast") or metrics != [{"mtu": mtu}]:
        return None
    return narrow(mtu) if isinstance(mtu, int) else None


def _is_ours(item: Mapping[str, Any]) -> bool:
    return str(item.get("protocol")) == str(PROTOCOL)


def _device(item: Mapping[str, Any]) -> str | None:
    return str(item["dev"]) if "dev" in item else None


def _rule(item: Mapping[str, Any]) -> Rule | None:
    if item.get("src") != "all" or item.keys() - _RULE_KEYS:
        return None
    numbers = _numbers(item)
    try:
        return None if numbers is None else Rule(*numbers, int(str(item["table"])))
    except (KeyError, ValueError):
        return None


def _foreign_mark(item: Mapping[str, Any]) -> ForeignMark | None:
    numbers = _numbers(item)
    if numbers is None or (_is_ours(item) and _rule(item) is not None):
        return None
    priority, mark, mask = numbers
    leads = f"lookup {item['table']}" if "table" in item else str(item.get("action", ""))
    return ForeignMark(priority, mark, mask, f"{priority}: fwmark {mark:#x}/{mask:#x} {leads}".rstrip())


def _numbers(item: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(priority, mark, mask) of a rule with a mark."""
    try:
        mark, mask = int(str(item["fwmark"]), 0), int(str(item.get("fwmask", "0xffffffff")), 0)
        return int(str(item["priority"])), mark, mask
    except (KeyError, ValueError):
        return None
