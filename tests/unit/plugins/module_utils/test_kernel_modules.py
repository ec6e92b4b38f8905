# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.kernel_modules import is_present, load, not_loaded, to_load
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import FakeMachine


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    machine = FakeMachine(tmp_path)
    machine.loaded = {"ip6_tunnel"}
    return machine


def test_only_what_is_not_there_is_to_be_loaded_in_the_order_asked(machine: FakeMachine) -> None:
    machine.modules.add("ip_vs")
    assert to_load(machine, ["ipip", "ip6_tunnel", "ip_vs", "ipip"]) == ("ipip", "ip_vs")
    load(machine, ["ipip", "ip_vs"])
    assert to_load(machine, ["ipip", "ip6_tunnel", "ip_vs"]) == ()
    assert machine.writes == ["modprobe ipip", "modprobe ip_vs"]


def test_nothing_wanted_asks_nothing(machine: FakeMachine) -> None:
    assert to_load(machine, []) == ()
    assert machine.commands == []


def test_a_kernel_without_loadable_modules_is_believed(machine: FakeMachine) -> None:
    machine.modular = False
    machine.modules.clear()
    assert to_load(machine, ["ipip"]) == ()


def test_what_is_built_in_needs_no_file_to_load_it_from(machine: FakeMachine) -> None:
    machine.built_in = {"ipip"}
    machine.modules.clear()
    assert to_load(machine, ["ipip", "ip6_tunnel"]) == ()


def test_a_container_without_sysfs_goes_by_what_is_loaded(machine: FakeMachine) -> None:
    machine.built_in = None
    assert to_load(machine, ["ipip", "ip6_tunnel"]) == ("ipip",)


def test_what_cannot_be_loaded_is_told_before_anything_is(machine: FakeMachine) -> None:
    machine.read_only = True
    assert not_loaded(machine, ["ip_vs_wlc"]) == ("ip_vs_wlc",)
    with pytest.raises(DsrError, match="IPVS scheduler wlc: this kernel has no module ip_vs_wlc. Choose another"):
        to_load(machine, ["ip_vs_wlc", "ipip"])


def test_a_module_the_kernel_refuses_is_named(machine: FakeMachine) -> None:
    with pytest.raises(DsrError, match=r"kernel module wrong: cannot be loaded: .*not found in"):
        load(machine, ["wrong"])


def test_presence_is_believed_only_where_it_shows(machine: FakeMachine) -> None:
    machine.built_in = {"fou"}
    assert is_present(machine, "ip6_tunnel")
    assert is_present(machine, "fou")
    assert not is_present(machine, "ip_gre")
    machine.modular, machine.built_in = False, None
    assert not is_present(machine, "ip6_tunnel")
