# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dump.sh prints, made comparable."""

from __future__ import annotations

import re

_IN_TABLE = re.compile(r"(?:\S+: )?(?P<word>\*\w+|COMMIT|-A \S+)(?: |$)")
"""A line that iptables-save prints, behind the name of its pod if it is of one."""


def items(dump: str) -> list[str]:
    """What it says, sorted, as ip and ipset list things in the order in which they were made.

    But the rules of a chain of iptables are one item, in their order.
    """
    found: list[str] = []
    table = ""
    chains: dict[str, str] = {}
    for line in dump.splitlines():
        shown = _IN_TABLE.match(line)
        word = shown["word"] if shown else ""
        if table and word.startswith("-A"):
            chains[word] = f"{chains.get(word, table)}\n{line}"
            continue
        if word:
            found += chains.values()
            chains = {}
            table = word if word.startswith("*") else ""
        found.append(line)
    return sorted(found)
