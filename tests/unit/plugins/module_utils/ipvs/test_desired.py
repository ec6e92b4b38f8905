# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import Drain, as_options, wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    Service,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import tables
from hypothesis import given, settings


def destination(**changed: Any) -> dict[str, Any]:
    return {"address": "10.244.1.2", "weight": 1, **changed}


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
    note = thresholds_note(MarkRange()).key
    assert wish(params(*options(*(one for key, one in table.items() if key != note)))).services == table


def options(*services: Service) -> list[dict[str, Any]]:
    return [as_options(one) for one in services]


def test_tunnel_of_all_destinations() -> None:
    for tunnel, words in TUNNELS.items():
        given_ = service(tunnel=tunnel)
        (one,) = wish(params(given_)).services.values()
        assert [each.forwarding for each in one.destinations] == [words]
        assert as_options(one)["tunnel"] == tunnel
    mixed = one._replace(destinations=(Destination("10.244.1.2"), one.destinations[0]._replace(address="10.244.1.3")))
    assert as_options(mixed)["tunnel"] is None
    masqueraded = one._replace(destinations=(Destination("10.244.1.2", forwarding=("-m",)),))
    assert as_options(masqueraded)["tunnel"] is None


def test_draining_destination_weighs_nothing_and_keeps_its_share() -> None:
    asked = wish(
        params(
            service(
                destinations=[
                    {"address": "10.244.1.2", "weight": 3, "draining": True, "drain_until": 1795363200.5},
                    {"address": "10.244.1.3", "weight": 2, "draining": False, "drain_until": None},
                    {"address": "10.244.1.4", "weight": 0, "draining": True, "drain_until": None},
                ]
            )
        )
    )
    assert [each.weight for each in asked.services[0xD00002, "ipv4"].destinations] == [0, 2, 0]
    assert asked.shares == {(0xD00002, "ipv4"): {("10.244.1.2", 0): 3, ("10.244.1.4", 0): 0}}
    assert asked.draining == (
        Drain(0xD00002, "ipv4", "10.244.1.2", 1795363200.5),
        Drain(0xD00002, "ipv4", "10.244.1.4", None),
    )


def test_thresholds_are_noted() -> None:
    note = thresholds_note(MarkRange())
    limited = service(destinations=[destination(upper_threshold=10, lower_threshold=4)])
    asked = wish(params(limited, service(mark=0xD00004))).services
    assert asked[0xD00002, "ipv4"].destinations[0][-2:] == (10, 4)
    assert asked[note.key] == note
    assert note.key not in wish(params(service())).services


def test_the_note_of_thresholds_is_on_a_mark_that_no_service_can_have() -> None:
    note = thresholds_note(MarkRange())
    with pytest.raises(DsrError, match="odd marks are reserved"):
        wish(params(service(mark=note.mark)))


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
        (
            params(service(scheduler="rr", scheduler_flags=["mh-port"])),
            "rr has no flag 'mh-port'. It has no flags at all",
        ),
        (params(service(scheduler="rr", scheduler_flags=["flag-3"])), "scheduler rr has no flag 'flag-3'"),
        (params(service(scheduler="none")), "'none' is no name of a scheduler"),
        (params(service(persistence=-1)), "persistence is -1. Choose seconds from 1 to 2678400, or 0 for none"),
        (params(service(persistence=2678401)), "persistence is 2678401"),
        (
            params(service(destinations=[destination(lower_threshold=5)])),
            "destination 10.244.1.2: lower_threshold 5 is above upper_threshold 0",
        ),
        (
            params(service(destinations=[destination(upper_threshold=4, lower_threshold=5)])),
            "is above upper_threshold 4",
        ),
        (params(service(destinations=[destination(upper_threshold=-1)])), "upper_threshold is -1"),
        (params(service(destinations=[destination(upper_threshold=5, lower_threshold=-1)])), "lower_threshold is -1"),
        (params(service(destinations=[destination(upper_threshold=2**31)])), "upper_threshold is 2147483648"),
        (params(service(destinations=[destination(drain_until=1.0)])), "has drain_until, but does not drain"),
        (params(service(destinations=[destination(draining=True, drain_until=-1.0)])), "drain_until is -1.0"),
        (params(service(destinations=[destination(draining=True, drain_until=math.nan)])), "drain_until is nan"),
        (params(service(destinations=[destination(draining=True, weight=65536)])), "has weight 65536"),
        (params(service(destinations=[destination(draining=True, weight=-1)])), "has weight -1"),
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
