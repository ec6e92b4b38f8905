# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The assessment of routers that spread flows well, and badly in every way that can be told from outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import assessment as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.proof.world import NODES, World
from hypothesis import given
from hypothesis import strategies as st

FILTERS = plugin.FilterModule().filters()
VIP = "203.0.113.1"
CLIENT = "198.51.100.10"
Router = Callable[[str, int], Iterable[str]]
"""From a flow's client address and port to the nodes that its packets come in at."""


def service(name: str = "web", vip: str = VIP, **ports: int) -> dict[str, Any]:
    listed = [{"port": port, "protocol": protocol} for protocol, port in (ports or {"tcp": 80}).items()]
    return {
        "name": name,
        "vip": vip,
        "policy": "cluster",
        "ports": listed,
        "backends": [{"address": "10.244.1.2", "node": "n1"}],
    }


def packet(client: str, port: int) -> dict[str, Any]:
    return {
        "place": "host",
        "interface": "fabric0",
        "direction": "in",
        "outer_src": "",
        "outer_dst": "",
        "src": client,
        "dst": VIP,
        "protocol": "tcp",
        "sport": port,
        "dport": 80,
        "packets": 5,
        "bytes": 300,
        "resets": 0,
    }


def hosts(
    router: Router, flows: int = 100, clients: Iterable[str] = (CLIENT,), drained: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Variables of nodes and clients after so many flows of each client through that router."""
    found: dict[str, dict[str, Any]] = {
        node: {
            "dsr_assess_capture": {
                "packets": [],
                "places": {"host": []},
                "dropped": 0,
                "left_out": 0,
                "drained": node in drained,
            }
        }
        for node in NODES
    }
    for client in clients:
        sent = []
        for port in range(40000, 40000 + flows):
            sent.append({"address": client, "port": port, "answered": True, "error": "", "peer": "", "pod": ""})
            for node in router(client, port):
                found[node]["dsr_assess_capture"]["packets"].append(packet(client, port))
        target = {"vip": VIP, "protocol": "tcp", "port": 80, "flows": sent}
        found[f"client-{client}"] = {"dsr_assess_probe": {"targets": [target]}}
    return found


def assessed(found: dict[str, dict[str, Any]], policy: str = "cluster", **options: Any) -> dict[str, Any]:
    clients = [name for name in found if name.startswith("client-")]
    services = [{**service(), "policy": policy}]
    told: dict[str, Any] = FILTERS["assessment"](services, hostvars=found, nodes=NODES, clients=clients, **options)
    return told


def row(router: Router, **options: Any) -> dict[str, Any]:
    found = hosts(router, options.pop("flows", 100), options.pop("clients", (CLIENT,)), options.pop("silenced", ()))
    return dict(assessed(found, **options)["rows"][0])


def by_port(client: str, port: int) -> Iterable[str]:
    return [NODES[port % len(NODES)]]


def by_address(client: str, port: int) -> Iterable[str]:
    return [NODES[int(client[-1]) % len(NODES)]]


def test_router_that_does_all_of_it() -> None:
    told = row(by_port, flows=99)
    assert told["ok"], told["faults"]
    assert (told["sent"], told["reached"], told["next_hops"], told["expected"]) == (99, 99, 3, 3)
    assert told["flows"] == {"n1": 33, "n2": 33, "n3": 33}
    assert told["ports_in_hash"] is True


def test_router_with_one_next_hop() -> None:
    told = row(lambda client, port: ["n2"])
    assert not told["ok"]
    assert told["next_hops"] == 1
    assert told["ports_in_hash"] is None
    assert "of 3 nodes 1 gets flows: no ECMP, or a hash without ports" in told["faults"][0]


def test_router_that_hashes_addresses_only() -> None:
    told = row(by_address, clients=["198.51.100.1", "198.51.100.2", "198.51.100.3"])
    assert (told["next_hops"], told["ports_in_hash"]) == (3, False)
    assert len(told["faults"]) == 1
    assert "ports are not in the hash" in told["faults"][0]


def test_few_flows_of_many_clients_prove_nothing_about_ports() -> None:
    told = row(by_address, flows=5, clients=[f"198.51.100.{i}" for i in range(1, 31)])
    assert (told["next_hops"], told["ports_in_hash"], told["ok"]) == (3, None, True)


def test_router_that_misses_a_node() -> None:
    told = row(lambda client, port: [NODES[port % 2]])
    assert told["faults"] == ["only 2 of 3 nodes get flows; none at n3. See their sessions, and maximum-paths"]


def test_router_that_spreads_packets() -> None:
    told = row(lambda client, port: NODES if port % 5 == 0 else by_port(client, port))
    assert told["reached"] == 100
    assert "packets of 20 of 100 answered flows came in at more than one node" in told["faults"][0]


def test_flow_that_changed_its_way_after_a_lost_packet() -> None:
    told = row(lambda client, port: NODES if port == 40007 else by_port(client, port))
    assert (told["ok"], told["notes"]) == (
        True,
        ["1 answered flows changed their way, as they may after a lost packet"],
    )


def test_unanswered_flows_do_not_tell_whether_packets_are_spread() -> None:
    found = hosts(lambda client, port: NODES)
    for flow in found[f"client-{CLIENT}"]["dsr_assess_probe"]["targets"][0]["flows"]:
        flow["answered"] = False
    told = assessed(found)["rows"][0]
    assert told["ok"]
    assert "no flow was answered" in told["notes"][0]


def test_router_that_drops_some() -> None:
    told = row(lambda client, port: [] if port < 40004 else by_port(client, port))
    assert "4 of 100 flows came in at no node" in told["faults"][0]


def test_router_that_gets_or_passes_nothing() -> None:
    told = row(lambda client, port: [])
    assert (told["reached"], told["next_hops"], len(told["faults"])) == (0, 0, 1)


def test_drained_node_gets_nothing() -> None:
    told = row(lambda client, port: [NODES[port % 2]], drained=["n3"])
    assert told["ok"], told["faults"]
    assert (told["next_hops"], told["expected"]) == (2, 2)


def test_router_that_does_not_honour_the_drain_community() -> None:
    told = row(by_port, drained=["n3"])
    assert told["faults"] == [
        "node n3 is drained and got 33 flows: the router does not honour community 65535:0."
        " See the inbound policy in docs/routers.md"
    ]


def test_everything_at_the_drained_node() -> None:
    assert len(row(lambda client, port: ["n3"], drained=["n3"])["faults"]) == 2


def test_unknown_drained_node() -> None:
    with pytest.raises(AnsibleFilterError, match="dsr_assess_drained: n9 is not a node"):
        row(by_port, drained=["n9"])


def test_node_that_the_playbook_drained_need_not_be_named() -> None:
    told = row(lambda client, port: [NODES[port % 2]], silenced=["n3"])
    assert told["ok"], told["faults"]
    assert (told["next_hops"], told["expected"]) == (2, 2)
    assert told["notes"] == ["drained, so no next hop: n3"]


def test_node_that_the_playbook_drained_and_that_gets_flows() -> None:
    told = row(by_port, silenced=["n3"], flows=99)
    assert told["faults"] == ["node n3 is drained and got 33 flows: see on the router who announces the VIP"]


def test_node_that_is_named_and_drained_by_the_playbook_is_told_once() -> None:
    assert len(row(by_port, silenced=["n3"], drained=["n3"])["faults"]) == 1
    assert row(lambda client, port: [NODES[port % 2]], silenced=["n3"], drained=["n3"])["ok"]


def test_all_nodes_drained() -> None:
    told = row(lambda client, port: [], silenced=NODES)
    assert told["faults"] == ["all nodes that should announce it are drained: n1, n2, n3"]
    assert told["expected"] == 0


def test_policy_local_expects_the_nodes_that_announce() -> None:
    local = {"policy": "local", "announcers": {VIP: ["n1", "n2"]}}
    told = row(lambda client, port: [NODES[port % 2]], **local)
    assert told["ok"], told["faults"]
    assert (told["next_hops"], told["expected"]) == (2, 2)
    assert told["notes"] == ["policy local: only n1, n2 may announce it"]
    assert row(by_port, flows=99, **local)["faults"] == [
        "node n3 must not announce it (policy local) and got 33 flows: see on the router who announces the VIP"
    ]


def test_few_flows_prove_nothing_against_the_router() -> None:
    told = row(lambda client, port: ["n1"], flows=4)
    assert told["ok"]
    assert told["notes"] == ["4 flows are too few to tell 3 next hops: raise dsr_assess_connections"]


def test_single_node_is_no_fault() -> None:
    told = row(lambda client, port: ["n1"], drained=["n2", "n3"])
    assert told["ok"], told["faults"]


@pytest.mark.parametrize("name, reason", [("n2", "node n2 handed in no capture"), (f"client-{CLIENT}", "sent nothing")])
def test_host_that_handed_in_nothing(name: str, reason: str) -> None:
    found = hosts(by_port)
    found[name] = {}
    told = assessed(found)
    assert not told["ok"]
    assert any(reason in fault for fault in told["rows"][0]["faults"])


def test_busy_node_is_noted() -> None:
    found = hosts(by_port)
    found["n1"]["dsr_assess_capture"]["left_out"] = 3
    assert assessed(found)["rows"][0]["notes"] == ["node n1 was too busy to count 3 packets, so its number may be low"]


def test_nat_before_the_router_is_told_from_loss() -> None:
    found = hosts(by_port)
    for node in NODES:
        for entry in found[node]["dsr_assess_capture"]["packets"]:
            entry["src"] = "192.0.2.99"
    fault = assessed(found)["rows"][0]["faults"][0]
    assert "others from 192.0.2.99" in fault
    assert "NAT" in fault


def test_foreign_flows_to_the_vip_do_not_count() -> None:
    found = hosts(lambda client, port: ["n1"])
    for port in range(50000, 50100):
        found["n2"]["dsr_assess_capture"]["packets"].append(packet("198.51.100.77", port))
    assert assessed(found)["rows"][0]["flows"] == {"n1": 100, "n2": 0, "n3": 0}


def test_the_table() -> None:
    lines = assessed(hosts(lambda client, port: ["n2"]))["lines"]
    assert lines[0].split("  ")[0] == "VIP"
    assert lines[2].split() == [
        f"{VIP}:80/tcp",
        "100",
        "100",
        "1",
        "of",
        "3",
        "n1:0",
        "n2:100",
        "n3:0",
        "unknown",
        "FAIL",
    ]
    assert lines[-1] == "1 of 1 FAILED"
    assert assessed(hosts(by_port))["lines"][-1] == "All 1 OK"


def test_no_service_is_no_success() -> None:
    told = FILTERS["assessment"]([], hostvars=hosts(by_port), nodes=NODES, clients=[])
    assert not told["ok"]
    assert told["lines"] == ["There is no announced VIP to assess the router with."]


@pytest.mark.parametrize("version", [4, 6])
def test_real_packets_through_the_real_counter(version: int) -> None:
    world = World(version=version, connections=99)
    found = {node: {"dsr_assess_capture": capture} for node, capture in world.captures().items() if node in NODES}
    found["client-1"] = {"dsr_assess_probe": world.probe()}
    told = FILTERS["assessment"](world.services(), hostvars=found, nodes=NODES, clients=["client-1"])
    assert told["ok"], told["lines"]
    assert told["rows"][0]["flows"] == {"n1": 33, "n2": 33, "n3": 33}


def test_targets_are_a_few_vips_of_each_family() -> None:
    services = [
        {**service("empty", "203.0.113.9"), "backends": []},
        service("dns", "203.0.113.2", udp=53, tcp=53),
        service("dns-2", "203.0.113.2", tcp=80),
        service("web"),
        service("more", "203.0.113.3"),
        service("six", "2001:db8:f::1", udp=53),
    ]
    assert FILTERS["assess_targets"](services) == [
        {"vip": "203.0.113.2", "protocol": "tcp", "port": 53},
        {"vip": VIP, "protocol": "tcp", "port": 80},
        {"vip": "2001:db8:f::1", "protocol": "udp", "port": 53},
    ]
    assert len(FILTERS["assess_targets"](services, limit=9)) == 4


def test_targets_are_announced_and_by_most_nodes_first() -> None:
    few, more = {**service("few"), "policy": "local"}, {**service("more", "203.0.113.2"), "policy": "local"}
    nobody = {**service("nobody", "203.0.113.3"), "policy": "local"}
    everyone = service("everyone", "203.0.113.4")
    draining = service("draining", "203.0.113.5")
    draining["backends"][0]["draining"] = True
    targets = FILTERS["assess_targets"](
        [few, more, nobody, everyone, draining], limit=9, announcers={VIP: ["n1"], "203.0.113.2": ["n1", "n2"]}
    )
    assert [target["vip"] for target in targets] == ["203.0.113.4", "203.0.113.2", VIP]


def test_through_ansible(tmp_path: Path) -> None:
    variables = {"services": [service()], "hosts": hosts(by_port)}
    call = f"services | baremetal.dsr.assessment(hostvars=hosts, nodes=['n1', 'n2', 'n3'], clients=['client-{CLIENT}'])"
    told = ansible_process.result(ansible_process.say(tmp_path, f"{{{{ {call} }}}}", variables))
    assert told == assessed(hosts(by_port))


scrap = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
)


@given(
    host=st.sampled_from(["n1", f"client-{CLIENT}"]),
    result=st.sampled_from(["dsr_assess_capture", "dsr_assess_probe"]),
    key=st.sampled_from(["packets", "places", "dropped", "left_out", "targets"]),
    value=scrap,
)
def test_scrap_as_evidence_is_no_traceback(host: str, result: str, key: str, value: Any) -> None:
    found = hosts(by_port, flows=2)
    found[host].setdefault(result, {})[key] = value
    try:
        assert isinstance(assessed(found)["ok"], bool)
    except AnsibleFilterError as error:
        assert "cannot be read" in str(error)
