# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order our ipsets of a family change, around the change of iptables. Pure.

Wherever the writes are cut, nobody gets a service's mark whom neither its old nor its new limits admit. So limits come
before the mark they guard and go after it; and where VIP and port pass from one service to another, the sources that
only the old one admits go before the mark changes, those that only the new one admits come after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from ansible_collections.baremetal.dsr.plugins.module_utils.steering import ipset
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.ipset import Sets


def changes(family: Family, held: Sets, wanted: Sets, steered: bool) -> tuple[list[str], list[str]]:
    """Lines for `ipset restore -exist` (before, after) the change of iptables.

    steered: whether the rules that are there now look marks up in the map. Then the map changes only when the new rules
    are there, which may know limits that the old ones do not.
    """
    marks = [
        *_growth(family.map_set, held, wanted),
        *_growth(family.vip_set, held, wanted),
        *_shrinkage(family.map_set, held, wanted),
    ]
    reachable = _elements(held, family.map_set) & _elements(held, family.limit_set) if steered else frozenset()
    restriction, relaxation = _limits(family, held, wanted, reachable)
    before = [f"destroy {name}" for name in sorted(held) if name.endswith(ipset.NEW)]
    before += restriction
    for name in (family.error_set, family.node_set, family.pod_set):
        before += _growth(name, held, wanted)
    after = relaxation
    for name in (family.vip_set, family.error_set, family.node_set, family.pod_set):
        after += _shrinkage(name, held, wanted)
    return (before, marks + after) if steered else (before + marks, after)


def _limits(family: Family, held: Sets, wanted: Sets, reachable: frozenset[str]) -> tuple[list[str], list[str]]:
    """(what refuses more than now, what refuses less). reachable: limited VIPs and ports that packets get a mark for
    now; between the two lists exactly those sources reach them that the old and the new limits admit."""
    limits, unlimits = _growth(family.limit_set, held, wanted), _shrinkage(family.limit_set, held, wanted)
    old, new = held.get(family.allow_set), wanted.get(family.allow_set)
    if old is None or new is None or old.header != new.header:
        return (
            [*_growth(family.allow_set, held, wanted), *limits],
            [*unlimits, *_shrinkage(family.allow_set, held, wanted)],
        )
    limited = _elements(wanted, family.limit_set)
    olds, news = _Networks(old.entries, reachable), _Networks(new.entries, reachable)
    coming, going = new.entries.keys() - old.entries.keys(), old.entries.keys() - new.entries.keys()
    late = {one for one in coming if _guarded(one) in reachable and not olds.cover(one)}
    early = {one for one in going if _guarded(one) in limited and not news.cover(one)}
    return (
        [
            *ipset.additions(new.name, ((one, "") for one in coming - late)),
            *limits,
            *ipset.removals(new.name, early),
        ],
        [
            *ipset.additions(new.name, ((one, "") for one in late)),
            *unlimits,
            *ipset.removals(new.name, going - early),
        ],
    )


class _Networks:
    """Networks of the allow set by what they guard, of what is worth a look."""

    def __init__(self, elements: Iterable[str], guarded: frozenset[str]) -> None:
        self._networks: dict[str, list[str]] = {}
        for element in elements:
            if _guarded(element) in guarded:
                self._networks.setdefault(_guarded(element), []).append(element.rpartition(",")[2])

    def cover(self, element: str) -> bool:
        """Whether one of them, guarding the same, holds the whole network of the element."""
        inner = ip_network(element.rpartition(",")[2], strict=False)
        outers = (ip_network(one, strict=False) for one in self._networks.get(_guarded(element), ()))
        return any(inner[0] in outer and inner[-1] in outer for outer in outers)


def _guarded(element: str) -> str:
    """VIP,protocol:port of an element of the allow set."""
    return element.rpartition(",")[0]


def _elements(sets: Sets, name: str) -> frozenset[str]:
    return frozenset(sets[name].entries) if name in sets else frozenset()


def _growth(name: str, held: Sets, wanted: Sets) -> list[str]:
    return ipset.growth(held.get(name), wanted[name]) if name in wanted else []


def _shrinkage(name: str, held: Sets, wanted: Sets) -> list[str]:
    return ipset.shrinkage(held[name], wanted.get(name)) if name in held else []
