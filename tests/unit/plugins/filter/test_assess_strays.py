# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses announced on purpose: which may be, by whom, and what is made of what comes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import assess_strays, assessment
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.world import NODES

FILTERS = {**assess_strays.FilterModule().filters(), **assessment.FilterModule().filters()}
STRAY, VIP, CLIENT = "198.18.0.1", "203.0.113.1", "198.51.100.10"
TARGETS = [{"vip": VIP, "protocol": "tcp", "port": 443}]
INVENTORY: dict[str, Any] = {
    "n1": {
        "dsr_node": {
            "addresses": ["192.0.2.11", "2001:db8:fab::11"],
            "tunnel_addresses": ["10.9.0.1"],
            "pod_cidrs": ["10.244.1.0/24"],
        }
    },
    "r1": {"dsr_router": {"addresses": ["192.0.2.1"]}, "ansible_host": "r1.example.org"},
    "client": {"ansible_host": CLIENT},
}


def chosen(strays: Any, targets: Any = None) -> list[dict[str, Any]]:
    pools = ["203.0.113.0/24", "2001:db8:f::/64"]
    listed: list[dict[str, Any]] = FILTERS["assess_strays"](
        strays, targets=TARGETS if targets is None else targets, vip_pools=pools, hostvars=INVENTORY
    )
    return listed


def test_port_is_one_of_a_probed_vip_of_the_family() -> None:
    six = {"vip": "2001:db8:f::1", "protocol": "udp", "port": 53}
    assert chosen(["2001:DB8:dead::1", STRAY], [*TARGETS, six]) == [
        {"vip": "2001:db8:dead::1", "protocol": "udp", "port": 53},
        {"vip": STRAY, "protocol": "tcp", "port": 443},
    ]


@pytest.mark.parametrize("given", [STRAY, f" {STRAY},{STRAY} ", [STRAY]])
def test_text_or_list(given: Any) -> None:
    assert [each["vip"] for each in chosen(given)] == [STRAY]


@pytest.mark.parametrize("given", ["", []])
def test_none(given: Any) -> None:
    assert chosen(given) == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("203.0.113.250", "203.0.113.250: belongs to pool 203.0.113.0/24"),
        ("192.0.2.11", "belongs to n1"),
        ("10.9.0.1", "belongs to n1"),
        ("10.244.1.77", "belongs to the pods of n1"),
        ("192.0.2.1", "belongs to r1"),
        (CLIENT, "belongs to client"),
        ("224.0.0.1", "unicast"),
        ("2001:db8:dead::1", "no IPv6 VIP is announced"),
        ("198.18.0.0/24", "is not an IP address"),
        ("router", "is not an IP address"),
        ([5], "no list of names"),
    ],
)
def test_address_that_must_not_be_announced(given: Any, reason: str) -> None:
    with pytest.raises(AnsibleFilterError, match=reason):
        chosen(given)


def speaker(*vips: str, drained: bool = False) -> dict[str, Any]:
    communities = ["65535:0"] if drained else []
    return {
        "dsr_assess_bgp": {"announced": [{"vip": vip, "communities": communities, "neighbors": ["r"]} for vip in vips]}
    }


def test_announcer_is_the_first_that_can() -> None:
    hosts = {
        "n1": {"dsr_assess_bgp": {"msg": "BIRD does not answer"}},
        "n2": speaker(VIP, drained=True),
        "n3": {},
        "n4": speaker("2001:db8:f::1"),
        "n5": speaker(VIP),
        "n6": speaker(VIP, "2001:db8:f::1"),
    }

    def choose(*strays: str, **options: Any) -> str:
        return str(FILTERS["assess_announcer"](list(strays), hostvars=hosts, nodes=["n0", *hosts], **options))

    assert choose(STRAY) == "n5"
    assert choose(STRAY, drained=["n5"]) == "n6"
    assert choose(STRAY, "2001:db8:dead::1") == "n6"
    assert choose("2001:db8:dead::1") == "n4"
    assert choose(STRAY, drained=["n5", "n6"]) == ""
    assert choose() == ""


def entry(dst: str, sport: int) -> dict[str, Any]:
    return {
        "place": "host",
        "interface": "fabric0",
        "direction": "in",
        "outer_src": "",
        "outer_dst": "",
        "src": CLIENT,
        "dst": dst,
        "protocol": "tcp",
        "sport": sport,
        "dport": 443,
        "packets": 3,
        "bytes": 180,
        "resets": 0,
    }


def probed(vip: str, flows: int) -> dict[str, Any]:
    sent = [
        {"address": CLIENT, "port": 40000 + number, "answered": vip == VIP, "error": "", "peer": "", "pod": ""}
        for number in range(flows)
    ]
    return {"targets": [{"vip": vip, "protocol": "tcp", "port": 443, "flows": sent}]}


def way(address: str, gateway: str = "198.51.100.1") -> dict[str, Any]:
    return {"item": address, "rc": 0, "stdout": json.dumps([{"dst": address, "gateway": gateway, "dev": "eth0"}])}


def tried(came_in: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Variables of hosts after flows to a VIP that all nodes got, and to a stray that came in at these nodes."""
    hosts: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(NODES):
        packets = [entry(VIP, 40000 + number) for number in range(99) if number % 3 == place]
        packets += [entry(STRAY, 40000)] if name in came_in else []
        capture = {"packets": packets, "places": {"host": []}, "dropped": 0, "left_out": 0, "drained": False}
        hosts[name] = {"dsr_assess_capture": capture}
    hosts["n1"]["dsr_assess_stray_bgp"] = {
        "sessions": [
            {"neighbor": "192.0.2.1", "description": "r1", "families": ["ipv4"], "state": "established"},
            {"neighbor": "192.0.2.2", "description": None, "families": ["ipv4"], "state": "established"},
            {"neighbor": "2001:db8:fab::1", "description": "r1", "families": ["ipv6"], "state": "active"},
        ],
        "announced": [
            {"vip": STRAY, "communities": [], "neighbors": ["192.0.2.1"]},
            {"vip": STRAY, "communities": ["64512:7"], "neighbors": ["192.0.2.2"]},
        ],
    }
    hosts["n1"]["dsr_assess_stray_probe"] = {"results": [{"item": "client", **probed(STRAY, 3)}]}
    hosts["n1"]["dsr_assess_stray_withdrawn"] = {"removed": [STRAY]}
    hosts["client"] = {"dsr_assess_probe": probed(VIP, 99), "dsr_assess_ways": {"results": [way(VIP), way(STRAY)]}}
    return hosts


def assessed(hosts: dict[str, dict[str, Any]], announcer: str = "n1") -> dict[str, Any]:
    service = {
        "name": "web",
        "vip": VIP,
        "policy": "cluster",
        "ports": [{"port": 443, "protocol": "tcp"}],
        "backends": [{"address": "10.244.1.2", "node": "n1"}],
    }
    told: dict[str, Any] = FILTERS["assessment"](
        [service], hostvars=hosts, nodes=NODES, clients=["client"], strays=chosen(STRAY), announcer=announcer
    )
    assert told["rows"][0]["ok"] or not told["rows"][0]["reached"], told["lines"]
    return told


def doubt(hosts: dict[str, dict[str, Any]], announcer: str = "n1") -> str:
    """Why there is no telling."""
    told = assessed(hosts, announcer)
    assert told["ok"] is False
    assert told["strays"][0]["filtered"] is None
    assert told["lines"][-1].endswith(" FAILED")
    return str(told["strays"][0]["faults"][0])


def test_router_that_filters() -> None:
    told = assessed(tried())
    assert told["ok"], told["lines"]
    assert told["strays"] == [
        {
            "address": STRAY,
            "ok": True,
            "filtered": True,
            "announced_by": "n1",
            "routers": ["192.0.2.2", "r1"],
            "flows": {},
            "faults": [],
        }
    ]
    assert [line.split() for line in told["lines"][3:7]] == [
        [],
        ["STRAY", "ANNOUNCED", "BY", "TO", "CAME", "IN", "AT", "FILTERED", "VERDICT"],
        ["-" * 10, "-" * 12, "-" * 12, "-" * 10, "-" * 8, "-" * 7],
        [STRAY, "n1", "192.0.2.2", "r1", "-", "yes", "OK"],
    ]
    assert told["lines"][-1] == "All 2 OK"


def test_router_that_does_not_filter() -> None:
    told = assessed(tried(("n1",)))
    assert (told["ok"], told["strays"][0]["filtered"], told["strays"][0]["flows"]) == (False, False, {"n1": 1})
    assert f"the router sends packets for {STRAY} to n1" in told["strays"][0]["faults"][0]
    assert told["lines"][6].split()[-3:] == ["n1", "NO", "FAIL"]
    assert told["lines"][-1] == "1 of 2 FAILED"


def test_what_came_in_outweighs_all_doubts() -> None:
    hosts = tried(("n1",))
    for name in ("dsr_assess_stray_withdrawn", "dsr_assess_stray_bgp", "dsr_assess_stray_probe"):
        del hosts["n1"][name]
    assert assessed(hosts)["strays"][0]["filtered"] is False


def test_another_route_is_not_the_announced_one() -> None:
    told = assessed(tried(("n2",)))
    assert "another route" in told["strays"][0]["faults"][0]
    assert not told["ok"]


def test_no_node_can_announce() -> None:
    assert "no node could announce it" in doubt(tried(), announcer="")


def test_nothing_is_known_of_the_announcement() -> None:
    hosts = tried()
    del hosts["n1"]["dsr_assess_stray_bgp"]
    assert "did not announce it to any router" in doubt(hosts)


def test_session_that_is_down() -> None:
    hosts = tried()
    hosts["n1"]["dsr_assess_stray_bgp"]["announced"][0]["neighbors"] = []
    assert doubt(hosts) == "n1 did not announce it to r1. See its sessions"


def test_session_between_ipv6_addresses_that_carries_ipv4_too() -> None:
    hosts = tried()
    hosts["n1"]["dsr_assess_stray_bgp"]["sessions"][2]["families"] = ["ipv4", "ipv6"]
    assert doubt(hosts) == "n1 did not announce it to r1. See its sessions"


def test_announcement_that_ended_early() -> None:
    hosts = tried()
    hosts["n1"]["dsr_assess_stray_withdrawn"]["removed"] = []
    assert "ended before the last probe" in doubt(hosts)


def test_client_that_sent_nothing() -> None:
    hosts = tried()
    hosts["n1"]["dsr_assess_stray_probe"]["results"] = [{"item": "client", "unreachable": True}]
    assert "client client sent nothing to it" in doubt(hosts)


def test_client_that_reaches_it_another_way() -> None:
    hosts = tried()
    hosts["client"]["dsr_assess_ways"]["results"][1] = way(STRAY, "198.51.100.99")
    assert "has another next hop to it" in doubt(hosts)


@pytest.mark.parametrize("result", [{"item": STRAY, "rc": 2, "msg": "no ip"}, {"item": STRAY, "stdout": "[]"}])
def test_client_that_does_not_tell_its_way(result: dict[str, Any]) -> None:
    hosts = tried()
    hosts["client"]["dsr_assess_ways"]["results"][1] = result
    assert "does not tell its way" in doubt(hosts)


def test_nothing_arrives_at_all() -> None:
    hosts = tried()
    for name in NODES:
        hosts[name]["dsr_assess_capture"]["packets"] = []
    assert "no flow to a VIP of its family came in" in doubt(hosts)


def test_without_strays_nothing_is_asked_of_the_client() -> None:
    hosts = tried()
    del hosts["client"]["dsr_assess_ways"]
    told = FILTERS["assessment"]([], hostvars=hosts, nodes=NODES, clients=["client"])
    assert told["strays"] == []


def test_through_ansible(tmp_path: Path) -> None:
    call = "stray | baremetal.dsr.assess_strays(targets=targets, vip_pools=[], hostvars={})"
    said = ansible_process.say(tmp_path, f"{{{{ {call} }}}}", {"stray": STRAY, "targets": TARGETS})
    assert ansible_process.result(said) == chosen(STRAY)
