# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other tools' nftables rules, outside the tables of iptables, that may change a mark on its way to IPVS."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

COMMAND: Final = ("nft", "-t", "list", "ruleset")
"""Without the elements of sets, which can be many."""

_OF_IPTABLES: Final = frozenset(
    f"{family} {table}" for family in ("ip", "ip6") for table in ("raw", "mangle", "nat", "filter", "security")
)
_QUOTED: Final = re.compile(r'"[^"]*"')
_BLOCK: Final = re.compile(r"(?P<indent>\t?)(?P<kind>\w+) (?P<name>[^{]+) \{")
_HOOK: Final = re.compile(
    r"type (?:filter|route) hook (?P<hook>\w+) .*?priority (?P<name>[a-z]+)? ?(?P<number>[-+]? ?\d+)?"
)
_LEADS_TO: Final = re.compile(r"\b(?:jump|goto) (\w[^\s,;}]*)")
_MARKS: Final = "meta mark set "
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_SHOWN: Final = 2


@dataclass
class _Chain:
    table: str
    name: str
    lines: list[str] = field(default_factory=list)

    @property
    def is_late(self) -> bool:
        """Whether packets come in here by themselves, not before our mark is set and before they leave for IPVS."""
        found = _HOOK.search(" ".join(self.lines[:1]))
        if found is None:
            return False
        priority = _PRIORITIES.get(found["name"] or "", 0) + int((found["number"] or "0").replace(" ", ""))
        return found["hook"] == "input" or (found["hook"] == "prerouting" and priority >= _PRIORITIES["mangle"])


def warnings(runner: Runner, versions: Collection[int]) -> list[str]:
    """A sentence about rules that may change the mark of a packet to a VIP of these IP versions, if there are some.

    None on a machine without nft, or with one too old to be asked.
    """
    if not versions or not runner.has(COMMAND[0]):
        return []
    found = marking(runner.run(COMMAND, None, writes=False).out, versions)
    if not found:
        return []
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return [
        "nft: IPVS may not know the marks of packets to VIPs, as others may change them after us:"
        f" {', '.join(found[:_SHOWN])}{more}. Exempt the VIPs from these rules."
    ]


def marking(text: str, versions: Collection[int]) -> list[str]:
    """Rules of `nft list ruleset` that set a mark where packets to VIPs come by after they have ours, shortened.

    What is reached by a verdict map with a name is not seen, and matches count for nothing.
    """
    families = {"inet", *("ip" if version == 4 else "ip6" for version in versions)}
    chains = {(chain.table, chain.name): chain for chain in _chains(text) if chain.table.partition(" ")[0] in families}
    waiting = [key for key, chain in chains.items() if chain.is_late and chain.table not in _OF_IPTABLES]
    seen = dict.fromkeys(waiting)
    for key in waiting:
        led = ((key[0], name) for line in chains[key].lines for name in _LEADS_TO.findall(_QUOTED.sub('""', line)))
        for other in led:
            if other in chains and other not in seen:
                seen[other] = None
                waiting.append(other)
    return [
        f"table {table} chain {name} '{line}'"
        for table, name in seen
        for line in chains[table, name].lines
        if _MARKS in _QUOTED.sub('""', line)
    ]


def _chains(text: str) -> list[_Chain]:
    found: list[_Chain] = []
    table, inside = "", False
    for line in text.splitlines():
        block = _BLOCK.fullmatch(line)
        if block and not block["indent"]:
            table = block["name"] if block["kind"] == "table" else ""
        elif block and block["kind"] == "chain":
            found.append(_Chain(table, block["name"]))
            inside = True
        elif line == "\t}":
            inside = False
        elif inside:
            found[-1].lines.append(line.strip())
    return found
