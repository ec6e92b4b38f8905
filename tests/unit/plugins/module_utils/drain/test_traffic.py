# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.drain.traffic import COMMANDS, packets, wait_until_quiet
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

SAVED = """*mangle
:PREROUTING ACCEPT [900:9000]
:DSR-MARK - [0:0]
[890:8900] -A PREROUTING -m comment --comment "baremetal.dsr" -j DSR-MARK
[7:70] -A DSR-MARK -p tcp -m tcp --tcp-flags SYN,RST SYN -m set --match-set dsr-vip4 src -m comment --comment \
"baremetal.dsr" -j TCPMSS --set-mss 1440
[790:7900] -A DSR-MARK -m set ! --match-set dsr-vip4 dst -m comment --comment "baremetal.dsr" -j RETURN
[{count}:1000] -A DSR-MARK -m comment --comment "baremetal.dsr" -j MARK --set-xmark 0xd00000/0xffffffff
[3:30] -A DSR-MARK -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment "baremetal.dsr" -j MARK --set-xmark \
0xd37d7a/0xffffffff
COMMIT
"""


class Machine(Runner):
    """rates: packets per second in each second from now on, the last one for ever; of both families together."""

    def __init__(self, *rates: int, families: int = 2) -> None:
        self.rates = rates
        self.counts = dict.fromkeys(COMMANDS[:families], 1000)
        self.now = 0.0

    def has(self, command: str) -> bool:
        return command in self.counts

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert not writes and list(argv[1:]) == ["-c", "-t", "mangle"]
        return Result(0, SAVED.replace("{count}", str(self.counts[argv[0]])), "")

    def pause(self, seconds: float) -> None:
        for _each in range(int(seconds)):
            rate = self.rates[min(int(self.now), len(self.rates) - 1)]
            for command in self.counts:
                self.counts[command] += rate // len(self.counts)
            self.now += 1

    def wait(self, below: float = 10, timeout: float = 20) -> tuple[float, float]:
        found = wait_until_quiet(
            self, below=below, interval=2, timeout=timeout, pause=self.pause, clock=lambda: self.now
        )
        return found.rate, found.waited


def test_packets_to_vips_are_told_from_others() -> None:
    assert packets(SAVED.replace("{count}", "100")) == 100
    assert packets("*mangle\n:PREROUTING ACCEPT [900:9000]\nCOMMIT\n") == 0


@pytest.mark.parametrize("families", [0, 1, 2])
def test_quiet_node(families: int) -> None:
    assert Machine(0, families=families).wait() == (0.0, 2.0)


def test_waits_until_the_traffic_has_fallen() -> None:
    assert Machine(1000, 1000, 1000, 100, 20, 4).wait() == (4.0, 8.0)


def test_gives_up_and_says_what_came() -> None:
    with pytest.raises(DsrError, match=r"traffic: 12\.0 packets per second still come to VIPs after 20 seconds"):
        Machine(1000, 12).wait()
    assert Machine(1000, 12).wait(below=12) == (12.0, 4.0)


def test_counter_that_starts_anew_is_no_silence() -> None:
    machine = Machine(0)

    def rewritten(_seconds: float) -> None:
        machine.now += 2
        machine.counts = dict.fromkeys(machine.counts, 500)

    with pytest.raises(DsrError, match="500.0 packets per second"):
        wait_until_quiet(machine, below=10, interval=2, timeout=2, pause=rewritten, clock=lambda: machine.now)
