# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import peers as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process

PEERS = plugin.FilterModule().filters()["peers"]
ROUTERS = {
    "r2": {"addresses": ["192.0.2.2", "2001:db8:fab::2"], "asn": 64999},
    "r1": {"addresses": ["192.0.2.1"]},
}


def test_names_and_addresses_in_the_order_given() -> None:
    assert PEERS(ROUTERS) == [
        {"name": "r2", "addresses": ["192.0.2.2", "2001:db8:fab::2"]},
        {"name": "r1", "addresses": ["192.0.2.1"]},
    ]


def test_own_asn_comes_before_the_common_one() -> None:
    assert [(peer["name"], peer["asn"]) for peer in PEERS(ROUTERS, asn=64512)] == [("r2", 64999), ("r1", 64512)]


def test_asn_that_a_template_made_text_is_a_number() -> None:
    assert PEERS({"r1": {"addresses": ["192.0.2.1"], "asn": "64512"}}, asn=1)[0]["asn"] == 64512


def test_other_facts_of_a_machine_do_not_leak() -> None:
    machine = {"addresses": ["192.0.2.11"], "pod_cidrs": ["10.244.1.0/24"]}
    assert PEERS({"n1": machine}) == [{"name": "n1", "addresses": ["192.0.2.11"]}]


def test_no_machines_no_peers() -> None:
    assert PEERS({}, asn=64512) == []


@pytest.mark.parametrize("machine", [{}, {"addresses": []}, {"addresses": None}, None, "192.0.2.1"])
def test_machine_without_addresses_is_named(machine: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="^machine n1: has no addresses. Give it dsr_node"):
        PEERS({"n1": machine})


def test_through_ansible_with_templates_inside_the_input(tmp_path: Path) -> None:
    variables = {"last": 1, "routers": {"r1": {"addresses": ["192.0.2.{{ last }}"]}}}
    said = ansible_process.say(tmp_path, "{{ routers | baremetal.dsr.peers(asn=64512) }}", variables)
    assert ansible_process.result(said) == [{"name": "r1", "addresses": ["192.0.2.1"], "asn": 64512}]
