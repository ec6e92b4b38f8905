# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.diff import changes
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import DEFAULT_MARK_BASE
from ansible_collections.baremetal.dsr.plugins.module_utils.model import parse_cluster

from bench.tables import MARK_BASE, cluster, ipvs_services, vip_ports, without_first_backend


def table(services: list[dict[str, object]]) -> dict[str, object]:
    given = [{"one_packet": False, **service} for service in services]
    params = {"services": given, "mark_base": "0x00d00000", "mark_mask": "0xfff00000", "purge": True, "sysctls": {}}
    return params


def test_tables_are_what_the_module_takes_and_as_big_as_they_say() -> None:
    wanted = wish(table(ipvs_services(30, 10, "mh"))).services
    assert MARK_BASE == DEFAULT_MARK_BASE
    assert len(wanted) == 30
    assert len({each.address for service in wanted.values() for each in service.destinations}) == 300


def test_a_backend_at_the_head_comes_and_goes_by_one_line() -> None:
    services = ipvs_services(5, 4, "rr")
    all_, less = wish(table(services)).services, wish(table(without_first_backend(services, 3))).services
    assert [op.verb for op in changes(all_, less, purge=True)] == ["d"]
    assert [op.verb for op in changes(less, all_, purge=True)] == ["a"]


def test_clusters_are_valid() -> None:
    parsed = parse_cluster(**cluster(200, 10, 50))
    assert len(parsed.services) == 200
    assert len({backend.address for service in parsed.services for backend in service.backends}) == 2000
    assert {backend.node for service in parsed.services for backend in service.backends} == set(parsed.nodes)


def test_pairs_of_vip_and_port_are_all_different() -> None:
    pairs = vip_ports(25, 4)
    assert len(set(pairs)) == 100
    assert len({vip for vip, _port in pairs}) == 25
