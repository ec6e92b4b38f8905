# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our chains in iptables: `iptables-save` text to Table, and two Tables to a batch for `iptables-restore --noflush`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

CHAINS: Final[Mapping[str, str]] = {"raw": "DSR-RAW", "mangle": "DSR-MARK"}
"""Our one chain in each table we use."""

COMMENT: Final = "baremetal.dsr"

_COUNTERS = re.compile(r"^\[\d+:\d+\] ")
_SYNONYMS: Final = {
    "-j NOTRACK": "-j CT --notrack",
    "-p icmpv6": "-p ipv6-icmp",
    f"--comment {COMMENT}": f'--comment "{COMMENT}"',
}
_INCOMPATIBLE = re.compile(r"# Table `(\w+)' is incompatible")
_SET_MARK = re.compile(r"--set-mark (0x[0-9a-f]+)(?=$| )")


@dataclass(frozen=True)
class Table:
    """Our part of a table.

    rules: of our chain, in order, each without "-A CHAIN"; None if there is no such chain.
    jumps: (chain, rule) of every rule elsewhere that leads into our chain, sorted.
    """

    rules: tuple[str, ...] | None = None
    jumps: tuple[tuple[str, str], ...] = ()


NO_TABLES: Final[Mapping[str, Table]] = {table: Table() for table in CHAINS}


def parse(text: str) -> dict[str, Table]:
    """Our part of every table in CHAINS from iptables-save output, all foreign lines skipped.

    DsrError if a table of ours holds what iptables cannot show.
    """
    rules: dict[str, list[str]] = {}
    jumps: dict[str, list[tuple[str, str]]] = {table: [] for table in CHAINS}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith("#"):
            _check_comment(line)
        elif table in CHAINS and CHAINS[table] in line:
            chain, rule = _rule(line)
            if chain == CHAINS[table]:
                rules.setdefault(table, []).extend([] if rule is None else [rule])
            elif rule is not None and f" {rule}".endswith((f" -j {CHAINS[table]}", f" -g {CHAINS[table]}")):
                jumps[table].append((chain, rule))
    return {
        table: Table(tuple(rules[table]) if table in rules else None, tuple(sorted(jumps[table]))) for table in CHAINS
    }


def changes(current: Mapping[str, Table], wanted: Mapping[str, Table]) -> list[str]:
    """Lines that turn current into wanted, nothing if they are equal.

    A chain that differs is rewritten as a whole, which iptables-restore does in one step: no packet sees half of it.
    """
    lines: list[str] = []
    for table, chain in CHAINS.items():
        if current[table] != wanted[table]:
            lines += [f"*{table}", *_table_changes(chain, current[table], wanted[table]), "COMMIT"]
    return lines


def _table_changes(chain: str, current: Table, wanted: Table) -> Iterable[str]:
    if wanted.rules is not None and wanted.rules != current.rules:
        yield f":{chain} - [0:0]"
        yield from (f"-A {chain} {rule}" for rule in wanted.rules)
    for origin, rule in _surplus(current, wanted):
        yield f"-D {origin} {rule}"
    for origin, rule in _surplus(wanted, current):
        yield f"-I {origin} 1 {rule}"
    if wanted.rules is None and current.rules is not None:
        yield f"-F {chain}"
        yield f"-X {chain}"


def _surplus(these: Table, those: Table) -> list[tuple[str, str]]:
    return sorted((Counter(these.jumps) - Counter(those.jumps)).elements())


def _rule(line: str) -> tuple[str, str | None]:
    """(chain, rule) of an "-A" line, (chain, None) of a chain's own line, ("", None) of anything else."""
    line = _COUNTERS.sub("", line)
    if line.startswith(":"):
        return line[1:].split(" ", 1)[0], None
    append, _space, rest = line.partition(" ")
    if append != "-A":
        return "", None
    chain, _space, rule = rest.partition(" ")
    return chain, _normal(rule)


def _normal(rule: str) -> str:
    """The rule as iptables 1.8 saves it, whichever way it was written."""
    text = f" {rule.strip()} "
    for other, usual in _SYNONYMS.items():
        text = text.replace(f" {other} ", f" {usual} ")
    return _SET_MARK.sub(r"--set-xmark \1/0xffffffff", text).strip()


def _check_comment(line: str) -> None:
    table = _INCOMPATIBLE.match(line)
    if table and table[1] in CHAINS:
        raise DsrError(
            f"iptables table {table[1]}",
            "holds rules made by nft that iptables cannot show",
            "Move these rules to a table of another name",
        )
