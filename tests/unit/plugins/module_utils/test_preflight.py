# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.preflight import (
    COMMANDS,
    MODULES,
    NAT_MODULES,
    TUNNEL_MODULES,
    Needs,
    problems,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import PACKAGES
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.node import Node
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.strategies import DEFAULTS

NUMBERS = ("mark_base", "mark_mask", "table", "refuse_table", "mtu_table", "rule_priority")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def backend(address: str, **more: Any) -> dict[str, Any]:
    return {"address": address, "vips": ["2001:db8:f::1" if ":" in address else "203.0.113.1"], **more}


def said(node: Node, schedulers: tuple[str, ...] = ("mh",), pods: tuple[str, ...] = (), **more: Any) -> list[str]:
    needs = Needs(schedulers, [backend(pod) for pod in pods], **more)
    return [str(error) for error in problems(node, node.paths, needs)]


def steered(*vips: str, **more: Any) -> dict[str, Any]:
    return {**{name: DEFAULTS[name] for name in NUMBERS}, "ping": False, "vips": vips or ("203.0.113.1",), **more}


def test_complete_node_has_no_problems(node: Node) -> None:
    assert said(node, ("mh", "rr"), ("10.244.1.2", "10.244.1.3", "2001:db8:244:1::2")) == []
    assert node.writes == []


@pytest.mark.parametrize(
    ("command", "package"),
    [("ipvsadm", "ipvsadm"), ("ipset", "ipset"), ("bird", "bird2"), ("birdc", "bird2"), ("nsenter", "util-linux")],
)
def test_missing_command_names_its_package(node: Node, command: str, package: str) -> None:
    node.absent = {command}
    assert said(node) == [f"command {command}: not found on this machine. Install the package {package}"]


def test_all_missing_commands_are_told_at_once(node: Node) -> None:
    node.absent = set(COMMANDS)
    assert [line.split(":")[0] for line in said(node)] == [f"command {command}" for command in COMMANDS]
    assert node.commands == []


def test_the_package_of_every_command_is_known() -> None:
    assert set(COMMANDS) <= set(PACKAGES)


@pytest.mark.parametrize("module", MODULES)
def test_kernel_without_a_module_names_module_and_package(node: Node, module: str) -> None:
    node.modules.remove(module)
    (line,) = said(node)
    assert line.startswith(f"kernel module {module}: is not loaded and this kernel has none of that name. ")
    assert "linux-modules-extra-$(uname -r) on Ubuntu" in line


@pytest.mark.parametrize(
    ("tunnels", "families", "modules"),
    [
        ((), ["ipv4"], {"ipip"}),
        (("ipip",), ["ipv6"], {"ip6_tunnel"}),
        (("gue",), ["ipv4"], {"ipip", "fou"}),
        (("gue", "gre"), ["ipv6"], {"ip6_tunnel", "ip6_gre", "fou"}),
        (("gre",), ["ipv4", "ipv6"], {"ipip", "ip_gre", "ip6_tunnel", "ip6_gre"}),
        (("gre",), None, {"ipip", "ip_gre"}),
    ],
)
def test_modules_of_tunnels_are_needed_where_they_are_used(
    node: Node, tunnels: tuple[str, ...], families: list[str] | None, modules: set[str]
) -> None:
    node.modules -= {module for by_family in TUNNEL_MODULES.values() for module in by_family.values()}
    found = said(node, tunnels=tunnels, families=families)
    assert {line.split(":")[0] for line in found} == {f"kernel module {module}" for module in modules}


def test_a_pod_of_ipv6_needs_its_tunnel(node: Node) -> None:
    node.modules.remove("ip6_tunnel")
    assert said(node, pods=("10.244.1.2",)) == []
    assert said(node, pods=("2001:db8:244:1::2",))[0].startswith("kernel module ip6_tunnel: ")
    assert said(node, pods=("2001:db8:244:1::2",), families=["ipv4"]) == []


def test_a_device_with_too_small_an_mtu_is_told(node: Node) -> None:
    node.host.links["eth0"].mtu = 1450
    assert said(node, mtu=1450, addresses=("192.0.2.11",)) == []
    assert said(node, mtu=1500, addresses=("192.0.2.11", "192.0.2.11")) == [
        "device eth0: its MTU is 1450, but dsr_mtu says that the nodes send each other packets of 1500 bytes. "
        "Set dsr_mtu to 1450 for all nodes, or raise the MTU of the network between them"
    ]
    assert said(node, addresses=("192.0.2.11",)) == []
    assert said(node, mtu=1500) == []


def test_an_address_that_is_not_the_nodes_is_told(node: Node) -> None:
    assert said(node, mtu=1500, addresses=("192.0.2.99",))[0].startswith(
        "address 192.0.2.99: is on no device of this node. Give the node's own addresses"
    )
    with pytest.raises(DsrError, match="addresses: 'n1' is not an IP address"):
        said(node, mtu=1500, addresses=("n1",))


def test_scheduler_that_the_kernel_lacks(node: Node) -> None:
    (line,) = said(node, ("mh", "wlc", "wlc"))
    assert line.startswith("IPVS scheduler wlc: this kernel has no module ip_vs_wlc. Choose another scheduler. Or: ")


def test_loaded_module_needs_no_file_to_load_it_from(node: Node) -> None:
    node.modules.clear()
    node.loaded = {*MODULES, "ipip", "ip_vs_mh"}
    assert said(node) == []


def test_kernel_without_loadable_modules_is_believed(node: Node) -> None:
    node.modules.clear()
    node.modular = False
    assert said(node) == []


def test_pod_in_no_namespace_is_named(node: Node) -> None:
    (line,) = said(node, pods=("10.244.1.2", "10.244.1.9"))
    assert line.startswith("pod 10.244.1.9: its address is in no network namespace of this machine. Check that the pod")


def test_address_of_the_node_itself_is_no_pod(node: Node) -> None:
    assert said(node, pods=("192.0.2.11",))[0].startswith("pod 192.0.2.11: ")


def test_all_problems_are_told_at_once_and_nothing_is_written(node: Node) -> None:
    node.modules -= {"ip_vs", "ipip", "ip_vs_mh"}
    found = said(node, ("mh", "rr"), ("10.244.1.8", "10.244.1.2", "10.244.1.9"))
    assert [line.split(":")[0] for line in found] == [
        "kernel module ip_vs",
        "kernel module ipip",
        "IPVS scheduler mh",
        "pod 10.244.1.8",
        "pod 10.244.1.9",
    ]
    assert node.writes == []


def test_pods_may_be_written_in_any_spelling(node: Node) -> None:
    assert said(node, pods=("2001:DB8:244:1:0::2",)) == []
    with pytest.raises(DsrError, match="pod: 'node1' is not an IP address"):
        said(node, pods=("node1",))


def test_a_draining_pod_may_be_missing(node: Node) -> None:
    needs = Needs(pods=[backend("10.244.1.9", draining=True), backend("10.244.1.2", draining=True)])
    assert problems(node, node.paths, needs) == []


def test_what_stands_in_a_pod_is_told(node: Node) -> None:
    node.namespaces[0].links["eth0"].addresses.append("203.0.113.1/32")
    node.unreachable = {"10.244.1.3"}
    (vip,) = said(node, pods=("10.244.1.2", "10.244.1.3"))
    assert vip.startswith("pod 10.244.1.2: VIP 203.0.113.1 stands on its device eth0")
    assert [line.split(",")[0] for line in said(node, pods=("10.244.1.3",), sources=["192.0.2.11"])] == [
        "pod 10.244.1.3: this node has no route to it"
    ]
    with pytest.raises(DsrError, match="sources: has no IPv6 address"):
        said(node, pods=("2001:db8:244:1::2",), sources=["192.0.2.11"])


def test_what_is_in_the_way_of_steering_is_told(node: Node) -> None:
    assert said(node, steering=steered()) == []
    node.director.addresses["203.0.113.1"] = "lo"
    node.director.rules[4].append({"priority": 900, "src": "all", "fwmark": "0xd00010", "fwmask": "0xfff00000"})
    assert said(node) == []
    vip, marks = said(node, steering=steered())
    assert vip.startswith("VIP 203.0.113.1: is an address of this node's own interface lo")
    assert marks.startswith("mark range 0x00d00000/0xfff00000: overlaps another tool's: ip rule '900: ")
    assert said(node, steering=steered(table=254))[0].startswith("table: 254 is a table of the kernel's own")


@pytest.mark.parametrize("variant", ["nf_tables", "legacy"])
def test_ping_over_ipv4_needs_nat(node: Node, variant: str) -> None:
    node.variant = variant
    node.modules -= {*NAT_MODULES.values(), "xt_REDIRECT"}
    assert said(node, steering=steered()) == []
    assert said(node, steering=steered("2001:db8:f::1", ping=True)) == []
    found = said(node, steering=steered("203.0.113.1", "2001:db8:f::1", ping=True))
    assert [line.split(":")[0] for line in found] == [
        f"kernel module {NAT_MODULES[variant]}",
        "kernel module xt_REDIRECT",
    ]


def test_ipvsadm_that_is_too_old(node: Node) -> None:
    node.ipvsadm = "No such service\n"
    assert said(node) == []
    node.ipvsadm = "ipvsadm: --tun-info: unknown option\n"
    assert said(node) == [
        "command ipvsadm: is too old: ipvsadm: --tun-info: unknown option. Install ipvsadm 1.31 or newer"
    ]
