# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work is refused with a clear message before anything changes on any machine.

The single mistakes are tested without machines (tests/unit/plugins/module_utils/model), and so is a kernel that lacks
a scheduler (test_preflight.py beside it); here it is seen that the playbook stops for them in time, and for what only a
machine can know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest


def service(**changes: Any) -> dict[str, Any]:
    backends = [{"address": "10.244.1.2", "node": "n1"}]
    return {"name": "web", "vip": "203.0.113.1", "ports": [{"port": 80}], "backends": backends, **changes}


def assert_refused(done, *words: str) -> None:
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "Traceback" not in said
    assert all(word in said for word in words), said
    assert "changed=0" in said
    assert not re.search(r"changed=[1-9]", said), said


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([service(vip="198.51.100.7")], ["service web", "pool"]),
        ([service(backends=[{"address": "10.244.1.2", "node": "n9"}])], ["service web", "n9"]),
        ([service(scheduler="fastest")], ["service web", "fastest"]),
        (
            [service(backends=[{"address": "10.244.1.99", "node": "n1"}])],
            ["pod 10.244.1.99", "in no network namespace"],
        ),
    ],
    ids=["VIP outside the pools", "unknown node", "unknown scheduler", "pod that is not there"],
)
def test_bad_services(playbook, services: list[dict[str, Any]], words: list[str]) -> None:
    assert_refused(playbook("site", dsr_services=services), *words)


def test_node_without_ipvsadm(playbook, machine) -> None:
    node = machine("n2")
    node.check_output("mv /usr/sbin/ipvsadm /root/ipvsadm")
    try:
        done = playbook("site")
    finally:
        node.check_output("mv /root/ipvsadm /usr/sbin/ipvsadm")
    assert_refused(done, "command ipvsadm", "Install the package ipvsadm")


def test_what_is_in_the_way_on_one_node(playbook, machine, dump: Callable[[], dict[str, str]]) -> None:
    """A VIP on an interface, and another tool's marks. These services would change all nodes and the router."""
    node = machine("n2")
    node.check_output("ip address add 203.0.113.1/32 dev lo; ip rule add fwmark 0xd00010/0xfff00000 lookup 999")
    try:
        before = dump()
        done = playbook("site", dsr_services=[service()])
        after = dump()
    finally:
        node.check_output("ip address del 203.0.113.1/32 dev lo; ip rule del fwmark 0xd00010/0xfff00000 lookup 999")
    assert_refused(done, "n2", "VIP 203.0.113.1", "interface lo")
    assert_refused(done, "mark range 0x00d00000/0xfff00000", "overlaps another tool's", "lookup 999")
    assert {name: sorted(text.splitlines()) for name, text in after.items()} == {
        name: sorted(text.splitlines()) for name, text in before.items()
    }
