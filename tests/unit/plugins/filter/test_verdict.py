# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as plugins; what the verdict says of every fault is tested in module_utils/proof/test_verdict.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import verdict as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.world import NODES, World
from hypothesis import given
from hypothesis import strategies as st

FILTERS = plugin.FilterModule().filters()
HOSTS = "hostvars=hosts, nodes=['n1', 'n2', 'n3'], routers=['r1'], clients=['client']"
TEMPLATE = f"{{{{ services | baremetal.dsr.verdict({HOSTS}) }}}}"
TARGETS = "{{ services | baremetal.dsr.probe_targets }}"


def ansible(folder: Path, template: str, variables: dict[str, Any]) -> Any:
    return ansible_process.result(ansible_process.say(folder, template, variables))


def test_ansible_finds_both_filters(tmp_path: Path) -> None:
    world = World(unmarked=frozenset(("n1",)))
    variables = {"services": world.services(), "hosts": world.hostvars()}
    direct = FILTERS["verdict"](world.services(), world.hostvars(), NODES, ["r1"], ["client"])
    assert ansible(tmp_path, TEMPLATE, variables) == direct
    assert ansible(tmp_path, TARGETS, variables) == [{"vip": "203.0.113.1", "protocol": "tcp", "port": 80}]


def test_only_ports_of_services_with_backends_are_probed() -> None:
    served = World().services()[0]
    served["ports"].append({"port": 53, "protocol": "udp"})
    empty = {**served, "name": "empty", "vip": "203.0.113.9", "backends": []}
    draining = {**served, "name": "draining", "vip": "203.0.113.8"}
    draining["backends"] = [{**backend, "draining": True} for backend in served["backends"]]
    assert FILTERS["probe_targets"]([empty, draining, served]) == [
        {"vip": "203.0.113.1", "protocol": "tcp", "port": 80},
        {"vip": "203.0.113.1", "protocol": "udp", "port": 53},
    ]


def test_evidence_that_cannot_be_read_is_no_traceback() -> None:
    world = World()
    hostvars = world.hostvars()
    del next(entry for entry in hostvars["n2"]["dsr_verify_capture"]["packets"] if entry["direction"] == "in")["sport"]
    with pytest.raises(AnsibleFilterError, match="capture of n2: cannot be read"):
        FILTERS["verdict"](world.services(), hostvars, NODES, ["r1"], ["client"])


scrap = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
)


@given(
    host=st.sampled_from(["n1", "r1", "client"]),
    result=st.sampled_from(["dsr_verify_capture", "dsr_verify_probe"]),
    key=st.sampled_from(["packets", "places", "missing", "dropped", "left_out", "routes", "targets"]),
    value=scrap,
)
def test_scrap_as_evidence_is_no_traceback(host: str, result: str, key: str, value: Any) -> None:
    world = World(connections=2)
    hostvars = world.hostvars()
    hostvars[host].setdefault(result, {})[key] = value
    try:
        told = FILTERS["verdict"](world.services(), hostvars, NODES, ["r1"], ["client"])
    except AnsibleFilterError as error:
        assert "cannot be read" in str(error)
    else:
        assert isinstance(told["ok"], bool)
