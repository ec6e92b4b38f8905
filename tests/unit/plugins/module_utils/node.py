# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as preflight looks at it: pods in namespaces, commands, kernel modules that are not loaded yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.baremetal.dsr.plugins.module_utils.preflight import MODULES, TUNNEL_MODULES
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine


class Node(FakeMachine):
    """It lacks nothing and holds two pods. absent: commands it lacks.

    Every write fails the test: preflight must not change anything.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_only = True
        tunnels = {module for modules in TUNNEL_MODULES.values() for module in modules.values()}
        self.modules = {*MODULES, *tunnels, "ip_vs_mh", "ip_vs_rr"}
        self.loaded.clear()
        self.add("10.244.1.2/24", "2001:db8:244:1::2/64", pid=100)
        self.add("10.244.1.3/24", handle="cni-b")

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert self.has(argv[0]), f"{argv[0]} was not looked for before its use"
        return super().run(argv, stdin, writes=writes)
