# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.filter import undrained as plugin

undrained = plugin.FilterModule().filters()["undrained"]
NODES = ["n1", "n2"]


def services(**last: Any) -> list[dict[str, Any]]:
    common = {"weight": 1, "draining": False, "drain_until": None}
    return [
        {
            "mark": 2,
            "family": "ipv4",
            "destinations": [
                {"address": "10.0.0.1", **common},
                {"address": "10.0.0.2", **common, "draining": True, **last},
            ],
        }
    ]


def result(connections: int | None, time: float = 500.0) -> dict[str, Any]:
    told = {"mark": 2, "family": "ipv4", "address": "10.0.0.2", "connections": connections, "drain_until": None}
    return {"__director_built": {"time": time, "draining": [] if connections is None else [told]}}


def left(hosts: dict[str, Any], **last: Any) -> list[str]:
    (service,) = undrained(services(**last), hosts, NODES)
    return [each["address"] for each in service["destinations"]]


@pytest.mark.parametrize(
    ("hosts", "gone"),
    [
        ({"n1": result(0), "n2": result(0)}, True),
        ({"n1": result(0), "n2": result(1)}, False),
        ({"n1": result(0), "n2": result(None)}, True),
        ({"n1": result(0), "n2": {}}, False),
        ({"n1": result(0)}, False),
        ({"n1": result(0), "n2": {"__director_built": {"failed": True}}}, False),
        ({}, False),
    ],
)
def test_it_has_drained_when_no_director_has_connections(hosts: dict[str, Any], gone: bool) -> None:
    assert left(hosts) == (["10.0.0.1"] if gone else ["10.0.0.1", "10.0.0.2"])


def test_its_time_is_over_for_all_or_for_none() -> None:
    hosts = {"n1": result(3, time=500.0), "n2": result(3, time=501.0)}
    assert left(hosts, drain_until=500.0) == ["10.0.0.1"]
    assert left(hosts, drain_until=500.5) == ["10.0.0.1", "10.0.0.2"]


def test_what_does_not_drain_stays_whatever_is_told() -> None:
    assert left({"n1": result(0), "n2": result(0)}, draining=False, drain_until=1.0) == ["10.0.0.1", "10.0.0.2"]
