# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import as_options, wish
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import tables
from hypothesis import given, settings


def params(*services: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "services": list(services),
        "mark_base": 0xD00000,
        "mark_mask": 0xFFF00000,
        "purge": True,
        "sysctls": {},
        **others,
    }


def service(**changed: Any) -> dict[str, Any]:
    return {
        "mark": 0xD00002,
        "family": "ipv4",
        "scheduler": "mh",
        "scheduler_flags": None,
        "one_packet": False,
        "destinations": [{"address": "10.244.1.2", "weight": 1}],
        **changed,
    }


@settings(deadline=None)
@given(tables(plain=True))
def test_options_of_a_table_ask_for_that_table(table) -> None:
    assert wish(params(*(as_options(one) for one in table.values()))).services == table


def test_flags_by_default() -> None:
    assert wish(params(service())).services[0xD00002, "ipv4"].scheduler_flags == ("mh-fallback", "mh-port")
    assert wish(params(service(scheduler="rr"))).services[0xD00002, "ipv4"].scheduler_flags == ()
    assert wish(params(service(scheduler_flags=[]))).services[0xD00002, "ipv4"].scheduler_flags == ()


def test_one_mark_serves_both_families() -> None:
    other = service(family="ipv6", destinations=[{"address": "2001:DB8::1", "weight": 1}])
    services = wish(params(service(), other)).services
    assert services[0xD00002, "ipv6"].destinations[0].address == "2001:db8::1"
    assert len(services) == 2


def test_values_of_sysctls_are_normalised() -> None:
    sysctls = {"net.ipv4.vs.sloppy_tcp": True, "net.ipv4.vs.sync_threshold": "3\t50", "net.ipv4.vs.conntrack": 0}
    assert wish(params(sysctls=sysctls)).sysctls == {
        "net.ipv4.vs.sloppy_tcp": "1",
        "net.ipv4.vs.sync_threshold": "3 50",
        "net.ipv4.vs.conntrack": "0",
    }


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (params(service(mark=0xD00000)), "the base itself refuses traffic"),
        (params(service(mark=0xD00003)), "odd marks are reserved"),
        (params(service(mark=0xE00002)), "in the range 0xd00000/0xfff00000"),
        (params(service(mark=-2)), "in the range"),
        (params(service(mark=0x100D00002)), "in the range"),
        (params(service(), service()), "mark 0xd00002 (ipv4): is listed twice"),
        (params(service(scheduler="mh; reboot")), "is no name of a scheduler"),
        (params(service(scheduler="")), "is no name of a scheduler"),
        (params(service(scheduler_flags=["sh-port"])), "Its flags are mh-fallback, mh-port"),
        (params(service(scheduler="rr", scheduler_flags=["mh-port"])), "scheduler rr has no flag 'mh-port'"),
        (params(service(destinations=[{"address": "2001:db8::1", "weight": 1}])), "not an ipv4 address"),
        (params(service(destinations=[{"address": "pod", "weight": 1}])), "'pod' is not an ipv4 address"),
        (params(service(destinations=[{"address": "10.0.0.1", "weight": -1}])), "weight from 0 to 65535"),
        (params(service(destinations=[{"address": "10.0.0.1", "weight": 65536}])), "weight from 0 to 65535"),
        (
            params(service(destinations=[{"address": "10.0.0.1", "weight": 1}, {"address": "10.0.0.1", "weight": 2}])),
            "destination 10.0.0.1 is listed twice",
        ),
        (params(mark_base="0"), "dsr_mark_base: is 0, out of range"),
        (params(mark_base="0x1d00000", mark_mask="0xf00000"), "is not contiguous from the top bit"),
        (params(mark_base="0xd00001"), "has bits outside dsr_mark_mask"),
        (params(mark_mask="0x1fff00000"), "dsr_mark_mask: is"),
        (params(sysctls={"net.ipv4.ip_forward": 1}), "Give full names that begin with net.ipv4.vs."),
        (params(sysctls={"net.ipv4.vs.sloppy_tcp": "on"}), "'on' is no value of it"),
    ],
)
def test_bad_input(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(DsrError) as caught:
        wish(given_)
    assert message in str(caught.value)
