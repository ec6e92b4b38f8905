# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser against 10,000 damaged outputs: a result or a DsrError, and soon."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import guard
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import parse_contents
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import FAMILIES, State
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.reach import parse_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import (
    lines,
    parse_alias,
    parse_state,
    parse_sysctls,
    with_ports,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.preflight import parse_devices
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls import memory
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.reconcile import read
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import recorded

ROUNDS, SECONDS = 10_000, 10
JUNK = [
    "",
    "\0",
    "é",
    "/",
    "[",
    "]",
    "{",
    "}",
    '"',
    "-A DSR-GUARD",
    "::",
    "999.1.1.1",
    "-1",
    "1e999",
    "\n",
    "\t",
    "9" * 30,
]
VALUES: list[Any] = [None, True, -1, 1e300, 10**40, "", "any", "203.0.113.1", "::1", [], {}, [[]], [None], {"x": None}]
ROUTES = """[{"dst":"10.244.1.2","dev":"cni0","prefsrc":"10.244.1.1","flags":[],"uid":0,"cache":[]}]
[{"dst":"2001:db8:244:1::2","from":"::","dev":"cni0","prefsrc":"2001:db8:244:1::1","metric":256,"pref":"medium"}]
"""
ADDRESSES = [recorded(state, "addr.json") for state in ("guarded", "lo", "complete", "foreign", "halfmade")]
CONTENTS = [recorded(state, "proc") for state in ("guarded", "complete", "foreign")]
SETS = guard.parse_sets(FAMILIES, recorded("guarded", "ipset"))
SETTINGS = {
    "net.ipv4.conf.all.arp_ignore": memory.Kept("0", "1"),
    "net.ipv4.ip_local_port_range": memory.Kept("32768 60999", "1024 65535"),
    "net.ipv4.vs.sloppy_tcp": memory.Kept("0", "1"),
}
VALUES_NOW = "".join(f"{name} = {kept.value}\n".replace(" 65535", "\t65535") for name, kept in SETTINGS.items())


def shown(text: str) -> None:
    """All that is done with what a namespace says."""
    assert isinstance(lines(parse_state(text, text)), list)


class Saying(Runner):
    """A machine on which every command prints the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    def has(self, command: str) -> bool:
        return True

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        return Result(0, self.text, "")


def remembered(text: str) -> None:
    """A memory, whatever it is, is one that the next run reads again, and can go into a command line."""
    found = memory.parse(text)
    assert memory.parse(memory.render(found)) == found
    for name, kept in found.items():
        assert not set(name) & set("/=[]{} ")
        assert f"{kept.former}{kept.value}".isascii()


def asked(text: str) -> None:
    """Only what was asked for is found, and it can be remembered."""
    found = read(Saying(text), SETTINGS)
    assert found.keys() <= SETTINGS.keys()
    memory.render(memory.remembered({}, found, dict.fromkeys(SETTINGS, "1")))


PARSERS: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "addresses": (shown, ADDRESSES),
    "devices": (parse_devices, ADDRESSES),
    "ports": (lambda text: with_ports(State(), text), [recorded("guarded", "fou.json")]),
    "routes": (parse_routes, [ROUTES]),
    "sysctls": (parse_sysctls, [recorded("guarded", "sysctl")]),
    "contents": (parse_contents, CONTENTS),
    "alias": (
        lambda text: parse_alias(text, FAMILIES[0].remembered),
        ["baremetal.dsr,arp_ignore=0,arp_announce=0,gue"],
    ),
    "sets": (lambda text: guard.parse_sets(FAMILIES, text), [recorded("guarded", "ipset")]),
    "table": (lambda text: guard.parse(FAMILIES[0], text, SETS), [recorded("guarded", "iptables")]),
    "memory": (remembered, [memory.render(SETTINGS)]),
    "values": (asked, [VALUES_NOW]),
    "counters": (lambda text: guard.parse_refused(FAMILIES[1], text), [recorded("guarded", "counters6")]),
}


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_output(name: str) -> None:
    parser, samples = PARSERS[name]
    chance = random.Random(name)
    began = time.process_time()
    results = 0
    for _round in range(ROUNDS):
        text = damaged(chance, chance.choice(samples))
        try:
            parser(text)
            results += 1
        except DsrError:
            pass
    assert results > ROUNDS / 20, "else only the outermost check was tried"
    assert time.process_time() - began < SECONDS


def damaged(chance: random.Random, text: str) -> str:
    """The text with one to four injuries; of JSON mostly within its structure."""
    if text.startswith("[") and chance.random() < 0.7:
        documents = [json.loads(line) for line in text.splitlines() if line]
        for _injury in range(chance.randint(1, 4)):
            replace_within(chance, chance.choice(documents))
        return "\n".join(map(json.dumps, documents))
    for _injury in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 5, 200]))
        text = text[:start] + chance.choice([*JUNK, text[start:end] * 2]) + text[end:]
    return text


def replace_within(chance: random.Random, node: Any) -> None:
    """Something somewhere in it becomes something else."""
    while isinstance(node, (dict, list)) and node:
        key = chance.choice(sorted(node)) if isinstance(node, dict) else chance.randrange(len(node))
        if not isinstance(node[key], (dict, list)) or not node[key] or chance.random() < 0.2:
            node[key] = deepcopy(chance.choice(VALUES))
            return
        node = node[key]
