# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as preflight looks at it: pods in namespaces, commands, kernel modules that are not loaded yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.listing import COMMAND
from ansible_collections.baremetal.dsr.plugins.module_utils.preflight import MODULES, NAT_MODULES, TUNNEL_MODULES
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import FakeDirector

OF_PODS = (
    ["ip", "-json", "addr", "show"],
    ["ip", "-json", "-details", "addr"],
    ["ip", "-json", "-force", "-batch"],
)


class Node(FakeMachine):
    """It lacks nothing and holds two pods. absent: commands it lacks. director: what it holds of steering.

    ipvsadm: what that says to being asked for one service, None where ip_vs is not loaded. variant: of iptables.

    Every write fails the test: preflight must not change anything.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_only = True
        tunnels = {module for modules in TUNNEL_MODULES.values() for module in modules.values()}
        self.modules = {*MODULES, *tunnels, "ip_vs_mh", "ip_vs_rr", "xt_REDIRECT"}
        self.modules |= set(NAT_MODULES.values())
        self.loaded.clear()
        self.director = FakeDirector()
        self.director.read_only = True
        self.ipvsadm: str | None = None
        self.variant = "nf_tables"
        self.add("10.244.1.2/24", "2001:db8:244:1::2/64", pid=100)
        self.add("10.244.1.3/24", handle="cni-b")

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert self.has(argv[0]), f"{argv[0]} was not looked for before its use"
        words = list(argv)
        if words == ["test", "-e", "/proc/net/ip_vs"]:
            return Result(int(self.ipvsadm is None), "", "")
        if words == [*COMMAND, "-f", "1"] and self.ipvsadm is not None:
            return Result(255, "", self.ipvsadm)
        if words == ["iptables-restore", "--version"]:
            return Result(0, f"iptables-restore v1.8.9 ({self.variant})\n", "")
        if words[0] in self.director.commands and words[:4] not in OF_PODS:
            return self.director.run(argv, stdin, writes=writes)
        return super().run(argv, stdin, writes=writes)
