# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as a plugin; what it renders is tested in module_utils/routers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import router_config as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import (
    CASES,
    GOLDEN,
    SECRET,
    router,
)

ROUTER_CONFIG = plugin.FilterModule().filters()["router_config"]


def test_file_and_text() -> None:
    assert ROUTER_CONFIG(router("eos"), "edge-1", **CASES["edge-1"]) == {
        "file": "edge-1.eos.conf",
        "text": (GOLDEN / "edge-1.eos.conf").read_text(),
    }


def test_problems_are_no_traceback() -> None:
    with pytest.raises(AnsibleFilterError, match="router edge-1: dialect 'ios' is not known"):
        ROUTER_CONFIG(router("ios"), "edge-1", **CASES["edge-1"])


def test_documentation_has_every_option_and_its_default() -> None:
    described = yaml.safe_load(Path(plugin.__file__).with_suffix(".yml").read_text())["DOCUMENTATION"]["options"]
    code = plugin.router_config
    names = code.__code__.co_varnames[: code.__code__.co_argcount]
    defaults: dict[str, Any] = dict(zip(reversed(names), reversed(code.__defaults__ or ())))
    assert set(described) == {"_input", *names[1:]}
    assert {name: option["default"] for name, option in described.items() if "default" in option} == {
        **{name: value for name, value in defaults.items() if value is not None},
        "listen_ranges": [],
    }


def test_through_ansible_with_templates_inside_the_input(tmp_path: Path) -> None:
    variables = {
        "fabric": "192.0.2",
        "edge": {"addresses": ["{{ fabric }}.1"], "dialect": "bird"},
        "nodes": {"n1": {"addresses": ["{{ fabric }}.21"]}},
        "secret": SECRET,
    }
    template = (
        "{{ (edge | baremetal.dsr.router_config(name='edge-1', nodes=nodes, vip_pools=['203.0.113.0/24'],"
        " password=secret)).text }}"
    )
    said = ansible_process.result(ansible_process.say(tmp_path, template, variables))
    assert "neighbor 192.0.2.21 as 64513;" in said
    assert SECRET not in said
