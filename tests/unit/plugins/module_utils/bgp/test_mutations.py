# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand damaged outputs of the daemons and of `ip route`: each gives a report or an error that says what to do,
and soon."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce import prefixes
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.daemons import BirdDaemon, FrrDaemon
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.routes import parse_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.damage import damaged, damaged_json
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.bgp.recordings import (
    BIRDS,
    FRRS,
    SOCKET,
    Recorded,
)

MUTATIONS = 10_000
HOPS = [{"gateway": f"192.0.2.1{number}", "dev": "fabric", "weight": 1, "flags": []} for number in (1, 2)]
ROUTES = json.dumps(
    [
        {"dst": "203.0.113.1", "protocol": "bgp", "flags": [], "nexthops": HOPS},
        {"dst": "203.0.113.2", "via": {"family": "inet6", "host": "fe80::8"}, "dev": "fabric", "flags": ["linkdown"]},
        {"type": "unreachable", "dst": "2001:db8:f::1", "metric": 1024, "flags": []},
        {"dst": "default", "gateway": "198.51.100.1", "dev": "outside", "flags": []},
    ]
)
HELD = """BIRD 2.17.5 ready.
Table master4:
198.51.100.8/32      blackhole [dsr_vip4 12:39:59.521] * (200)
192.0.2.0/24         unicast [other 12:39:59.521] * (200)

Table master6:
2001:db8:f::1/128    blackhole [dsr_vip6 2026-11-22] * (200)
"""
CONFIG = 'template bgp a { password "x"; } protocol bgp dsr_r1_ipv4 from a { ttl security on; /* " */ }'


class Damaged(Recorded):
    """Damages one of its answers, or each a bit."""

    def __init__(self, recording: str, dice: random.Random) -> None:
        super().__init__(recording)
        self.dice = dice

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        whole = super().run(argv, stdin, writes=writes)
        if self.dice.random() < 0.3:
            return whole
        out = damaged_json(whole.out, self.dice) if argv[0] == "vtysh" else whole.out
        return Result(whole.rc, out if self.dice.random() < 0.4 else damaged(out, self.dice), whole.err)


@pytest.mark.parametrize("recordings", [BIRDS, FRRS], ids=["bird", "frr"])
def test_damage_is_survived(recordings: list[str]) -> None:
    reports = errors = 0
    begun = time.process_time()
    for number in range(MUTATIONS // 2):
        dice = random.Random(number)
        machine = Damaged(dice.choice(recordings), dice)
        daemon = BirdDaemon(machine, SOCKET, damaged(CONFIG, dice)) if recordings is BIRDS else FrrDaemon(machine)
        try:
            json.dumps(daemon.report().result())
            reports += 1
        except DsrError as error:
            assert error.reason
            assert error.cure
            errors += 1
    assert reports > MUTATIONS // 20, f"{reports} reports, {errors} errors"
    assert time.process_time() - begun < 120


def read_prefixes(parse: Callable[[str], frozenset[str]]) -> Callable[[str], object]:
    """What is found can be written again, and is the same then."""

    def check(text: str) -> object:
        found = parse(text)
        assert prefixes.parse_file(prefixes.render(found)) == found
        return prefixes.addresses(found)

    return check


PARSERS: dict[str, tuple[Callable[[str], object], str]] = {
    "file of BIRD": (
        read_prefixes(prefixes.parse_file),
        prefixes.render(prefixes.prefixes(["203.0.113.9", "203.0.113.10", "2001:db8:f::1"])),
    ),
    "routes of BIRD": (read_prefixes(prefixes.parse_routes), HELD),
    "routes of the kernel": (parse_routes, f"{ROUTES}\n[]\n{ROUTES}\n"),
}


@pytest.mark.parametrize("name", PARSERS)
def test_damage_is_survived_by_parsers(name: str) -> None:
    parse, sample = PARSERS[name]
    dice = random.Random(name)
    whole = sample.strip()
    results = 0
    begun = time.process_time()
    for _time in range(MUTATIONS):
        text = "\n".join(damaged_json(line, dice) for line in whole.splitlines())
        if text == whole or dice.random() < 0.5:
            text = damaged(text, dice)
        try:
            json.dumps(parse(text))
            results += 1
        except DsrError as error:
            assert str(error)
    assert results > MUTATIONS // 20, f"{results} results"
    assert time.process_time() - begun < 20


def test_size_costs_linear_time() -> None:
    machine = Recorded("bird-2.17.5-established")
    protocols = machine.run(["birdc", "-r", "-s", SOCKET, "show", "protocols", "all"], None, writes=False).out
    machine.replies["show protocols all"] = Result(0, protocols.replace("2 exported", "0 exported") * 1000, "")
    begun = time.process_time()
    assert len(BirdDaemon(machine, SOCKET, CONFIG * 1000).report().sessions) == 4000
    assert time.process_time() - begun < 20
