# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which address this node itself sends to a pod.

It is the source of the outer header when this node's director tunnels to one of its own pods, and often none of the
node's known addresses: a bridge's, or 169.254.1.1.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.documents import parse_documents
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner


def admitted(runner: Runner, pods: Iterable[str], sources: frozenset[str]) -> dict[str, frozenset[str]]:
    """Sources of its family, and the node's own, by pod address; a pod to which there is no route is left out."""
    own = reached_from(runner, pods)
    return {
        pod: frozenset({address, *(source for source in sources if (":" in source) == (":" in pod))})
        for pod, address in own.items()
    }


def reached_from(runner: Runner, pods: Iterable[str]) -> dict[str, str]:
    """Source address by pod address, in one command for all pods."""
    lines = "".join(f"route get {pod}\n" for pod in pods)
    if not lines:
        return {}
    # With -force the batch goes on after a pod to which there is no route, and fails at the end.
    found = runner.run(["ip", "-json", "-force", "-batch", "-"], lines, writes=False)
    return parse_routes(found.out)


def parse_routes(text: str) -> dict[str, str]:
    """Preferred source by destination, from the output of several `ip -json route get`."""
    found: dict[str, str] = {}
    for routes in parse_documents("ip -json route get", text):
        for route in routes:
            try:
                address = parse_address("dst", route.get("dst")).text
                found[address] = parse_address("prefsrc", route.get("prefsrc")).text
            except DsrError:
                continue
    return found
