# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, on a machine without a routing daemon, and its options against those of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import managed
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed_task import peering, run
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.take_back import TakeBack
from ansible_collections.baremetal.dsr.plugins.modules import bgp_router
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.router_machine import Machine

NODES = [{"name": "n1", "addresses": ["192.0.2.11", "2001:db8:1::11"]}]
POOLS = ["203.0.113.0/24", "2001:db8:f::/64"]


def ran(capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        bgp_router.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def params(**options: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in bgp_router.ARGUMENT_SPEC.items()}
    return {**defaults, "nodes": NODES, "vip_pools": POOLS, **options}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No file of this machine is looked at."""
    monkeypatch.setattr(managed.Bird.__init__, "__defaults__", (str(tmp_path / "daemon.conf"), "x", ()))
    monkeypatch.setattr(managed.Frr.__init__, "__defaults__", (str(tmp_path / "daemon.conf"),))
    return tmp_path


def test_without_a_daemon_there_is_nothing_to_remove_and_nowhere_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    for provider in ("frr", "bird"):
        assert ran(capsys, provider=provider, state="absent")["changed"] is False
        assert ran(capsys, provider=provider, state="confirmed")["changed"] is False
        told = ran(capsys, provider=provider, nodes=NODES, vip_pools=POOLS)
        assert "is not there. Install the routing daemon" in told["msg"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cluster": "*"}, "dsr_cluster: '*' is no name"),
        ({"asn": 0}, "asn: 0 is reserved"),
        ({"node_asn": 4294967296}, "dsr_node_asn: is 4294967296, out of range"),
        ({"hold": 2}, "dsr_bgp_hold: is 2, out of range"),
        ({"bfd_interval": 1}, "dsr_bfd_interval: is 1, out of range"),
        ({"password": "a b"}, "dsr_bgp_password: cannot be typed into every router"),
        ({"router_id": "2001:db8::1"}, "router_id: '2001:db8::1' is no IPv4 address"),
        ({"listen_ranges": ["198.51.100.0/24"]}, "lies in none of dsr_listen_ranges"),
        ({"take_back": -1}, "router_take_back: is -1, out of range"),
        (
            {"max_paths": 1, "nodes": [*NODES, {"name": "n2", "addresses": ["192.0.2.12"]}]},
            "dsr_max_paths: is 1, but 2",
        ),
        ({"vip_pools": ["192.0.2.0/24"]}, "dsr_vip_pools: 192.0.2.0/24 holds 192.0.2.11 of node n1"),
        ({"nodes": []}, "has no address family in common with the nodes"),
    ],
)
def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], message: str) -> None:
    told = ran(capsys, **{"nodes": NODES, "vip_pools": POOLS, **wrong})
    assert message in told["msg"]
    assert "a b" not in told["msg"]


def test_check_mode_writes_nothing_and_predicts(nowhere: Path) -> None:
    machine = Machine(nowhere, "hostname edge\n")
    predicted = run(machine, params(take_back=0), check_mode=True)
    assert machine.writes == []
    assert run(machine, params(take_back=0), check_mode=False) == predicted
    assert run(machine, params(take_back=0), check_mode=False)["changed"] is False


def test_families_are_those_of_the_pools() -> None:
    assert [family.version for family in peering(params()).families] == [4, 6]
    assert [family.version for family in peering(params(vip_pools=POOLS[1:])).families] == [6]
    assert peering(params(listen_ranges=["192.0.2.0/24", "2001:db8:1::/64"], passive=False)).passive


def test_every_option_is_documented_as_it_is() -> None:
    documented = yaml.safe_load(bgp_router.DOCUMENTATION)["options"]
    assert documented.keys() == bgp_router.ARGUMENT_SPEC.keys()
    for name, option in bgp_router.ARGUMENT_SPEC.items():
        for key in ("type", "default", "choices"):
            assert documented[name].get(key) == option.get(key), (name, key)


def test_a_run_waits_for_the_change_of_another_cluster(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TakeBack.__init__, "__defaults__", (str(nowhere / "run"),))
    machine = Machine(nowhere, "hostname edge\n")
    shop = params(cluster="shop", vip_pools=["198.51.100.0/25"], nodes=[{"name": "s1", "addresses": ["192.0.2.51"]}])
    run(machine, shop, check_mode=False)
    run(machine, params(cluster="shop", state="confirmed"), check_mode=False)
    run(machine, params(), check_mode=False)
    before = machine.config.read_text()
    assert run(machine, shop, check_mode=False)["changed"] is False
    for options in ({**shop, "max_prefixes": 7}, params(cluster="shop", state="absent")):
        for check_mode in (True, False):
            with pytest.raises(DsrError, match="a change of cluster dsr on this router waits to be confirmed"):
                run(machine, options, check_mode=check_mode)
    assert machine.config.read_text() == before
    run(machine, params(state="confirmed"), check_mode=False)
    assert run(machine, {**shop, "max_prefixes": 7}, check_mode=False)["changed"]
