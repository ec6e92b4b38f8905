# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils._path_mtu import inner_mtu, mss, tunnels
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Cluster, parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import (
    Data,
    clusters,
    example,
    unhurried,
)
from hypothesis import given

BYTES = {"ipip": (20, 40), "gre": (24, 44), "gue": (32, 52)}


def cluster(web: str, dns: str, **given: object) -> Cluster:
    """The example with these tunnels for web (IPv4) and dns (IPv6)."""
    data = example()
    data["services"][0]["tunnel"] = data["services"][2]["tunnel"] = web
    data["services"][1]["tunnel"] = dns
    return parse_cluster(**{**data, **given})


@pytest.mark.parametrize("web", BYTES)
@pytest.mark.parametrize("dns", BYTES)
def test_mss_of_each_family_is_that_of_its_tunnel(web: str, dns: str) -> None:
    made = cluster(web, dns, mtu=9000, overlay_overhead=50)
    assert inner_mtu(made, 4) == 8950 - BYTES[web][0]
    assert inner_mtu(made, 6) == 8950 - BYTES[dns][1]
    assert mss(made) == {"ipv4": 8950 - BYTES[web][0] - 40, "ipv6": 8950 - BYTES[dns][1] - 60}
    assert tunnels(made) == sorted({web, dns})


def test_the_biggest_tunnel_of_a_family_counts_also_of_a_service_without_backends() -> None:
    data = example()
    data["services"][2]["tunnel"] = "gue"
    assert mss(parse_cluster(**data)) == {"ipv4": 1428, "ipv6": 1400}


def test_family_without_services_has_the_default_tunnel() -> None:
    data = example()
    del data["services"][1]
    for service in data["services"]:
        service["tunnel"] = "gre"
    assert mss(parse_cluster(**data, tunnel="gue")) == {"ipv4": 1436, "ipv6": 1388}


def test_an_unused_default_tunnel_does_not_count() -> None:
    assert mss(cluster("ipip", "ipip", tunnel="gue")) == {"ipv4": 1440, "ipv6": 1400}


@given(clusters())
@unhurried
def test_a_full_segment_fits_with_every_service(data: Data) -> None:
    made = parse_cluster(**data)
    for service in made.services:
        headers, column = (40, 0) if service.vip.version == 4 else (60, 1)
        packet = mss(made)["ipv4" if column == 0 else "ipv6"] + headers + BYTES[service.tunnel][column]
        assert packet + made.overlay_overhead <= made.mtu
