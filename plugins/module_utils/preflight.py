# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must bring along, and what must not be in the way there, looked at before the first change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._iproute import parse_objects
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.ports import port_problems
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import outdated
from ansible_collections.baremetal.dsr.plugins.module_utils.kernel_modules import not_loaded, unloadable
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import apply as pods_apply
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.wishes import pods_from, sources_from
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import check as steering_check

COMMANDS = (
    "bird",
    "birdc",
    "ip",
    "ip6tables-restore",
    "ip6tables-save",
    "ipset",
    "iptables-restore",
    "iptables-save",
    "ipvsadm",
    "modprobe",
    "nsenter",
    "sysctl",
)
MODULES: Final = (
    "ip_vs",
    "xt_set",
    "xt_CT",
    "xt_mark",
    "xt_comment",
    "xt_u32",
    "xt_TCPMSS",
    "xt_length",
    "ip_set_hash_ip",
    "ip_set_hash_ipport",
    "ip_set_hash_ipportnet",
    "ip_set_hash_ipmark",
)
"""Needed on every node."""
TUNNEL_MODULES: Final = {
    "ipip": {"ipv4": "ipip", "ipv6": "ip6_tunnel"},
    "gre": {"ipv4": "ip_gre", "ipv6": "ip6_gre"},
    "gue": {"ipv4": "fou", "ipv6": "fou"},
}
"""Needed to receive a tunnel, by tunnel and address family. What comes out of GUE is IPIP."""

NAT_MODULES: Final = {"nf_tables": "nft_chain_nat", "legacy": "iptable_nat"}
"""Bring iptables' table nat, by its variant."""


@dataclass(frozen=True)
class Needs:
    """What a node is looked at for.

    schedulers: of the services. pods: the backends that should run here, as pods_from() takes them. sources: of their
    guards, None for no guard. tunnels: by which directors send. families: "ipv4", "ipv6"; None means IPv4 and those of
    the pods. mtu: least MTU of the devices that hold `addresses`, in bytes; None if it does not matter. bfd,
    listen_port: of the speaker; None for no port. steering: what steering.check.obstacles() takes, None if nothing is
    steered here.
    """

    schedulers: Sequence[str] = ("mh",)
    pods: Sequence[Mapping[str, Any]] = ()
    sources: Sequence[str] | None = None
    tunnels: Sequence[str] = ("ipip",)
    families: Sequence[str] | None = None
    mtu: int | None = None
    addresses: Sequence[str] = ()
    bfd: bool = False
    listen_port: int | None = None
    steering: Mapping[str, Any] | None = None


def problems(runner: Runner, paths: Paths, needs: Needs) -> list[DsrError]:
    """Everything that is wrong with this node, empty if nothing; changes nothing. DsrError if an address is none."""
    pods = pods_from(needs.pods)
    sources = sources_from(needs.sources, pods)
    addresses = [parse_address("addresses", address).text for address in needs.addresses]
    found = [error for command in COMMANDS if (error := _missing_command(runner, command))]
    if found:
        return found
    families = {"ipv4", *(f"ipv{pod.version}" for pod in pods)} if needs.families is None else set(needs.families)
    modules = [
        *MODULES,
        *_tunnel_modules(needs.tunnels, families),
        *_ping_modules(runner, needs.steering),
        *sorted({f"ip_vs_{scheduler}" for scheduler in needs.schedulers}),
    ]
    found += [error for module in not_loaded(runner, modules) if (error := unloadable(runner, module))]
    found += [error for error in (outdated(runner),) if error]
    if needs.mtu is not None and addresses:
        found += _mtu_problems(runner, needs.mtu, addresses)
    found += port_problems(paths.proc, bfd=needs.bfd, listen_port=needs.listen_port, addresses=addresses)
    if needs.steering is not None:
        found += steering_check.obstacles(runner, needs.steering)
    return found + (pods_apply.obstacles(runner, paths, pods, sources=sources) if pods else [])


def _tunnel_modules(tunnels: Iterable[str], families: Collection[str]) -> list[str]:
    used = {"ipip", *tunnels}
    return [
        module
        for tunnel, by_family in TUNNEL_MODULES.items()
        for family, module in by_family.items()
        if tunnel in used and family in families
    ]


def _ping_modules(runner: Runner, steering: Mapping[str, Any] | None) -> list[str]:
    """What answers to ping take. Linux answers by itself where it is sent an IPv6 one."""
    if not steering or not steering.get("ping") or all(":" in vip for vip in steering["vips"]):
        return []
    said = runner.run(["iptables-restore", "--version"], None, writes=False).out
    return [NAT_MODULES["nf_tables" if "nf_tables" in said else "legacy"], "xt_REDIRECT"]


def _mtu_problems(runner: Runner, mtu: int, addresses: Iterable[str]) -> list[DsrError]:
    """Addresses that are on no device, or on one whose MTU is too small for a full packet of another node."""
    devices = parse_devices(runner.read(["ip", "-json", "addr", "show"]))
    found: list[DsrError] = []
    for address in dict.fromkeys(addresses):
        if address not in devices:
            found.append(
                DsrError(
                    f"address {address}",
                    "is on no device of this node",
                    "Give the node's own addresses in the inventory, those from which it sends to the other nodes",
                )
            )
        elif devices[address][1] < mtu:
            name, held = devices[address]
            found.append(
                DsrError(
                    f"device {name}",
                    f"its MTU is {held}, but dsr_mtu says that the nodes send each other packets of {mtu} bytes",
                    f"Set dsr_mtu to {held} for all nodes, or raise the MTU of the network between them",
                )
            )
    return found


def parse_devices(text: str) -> dict[str, tuple[str, int]]:
    """(device, MTU) by address, from `ip -json addr show`; a link without an MTU is skipped."""
    found: dict[str, tuple[str, int]] = {}
    for link in parse_objects("ip -json addr show", text):
        mtu, entries = link.get("mtu"), link.get("addr_info")
        if not isinstance(mtu, int) or not isinstance(entries, list):
            continue
        for entry in entries:
            try:
                address = parse_address("local", entry.get("local") if isinstance(entry, dict) else None)
            except DsrError:
                continue
            found[address.text] = (str(link.get("ifname")), mtu)
    return found


def _missing_command(runner: Runner, command: str) -> DsrError | None:
    try:
        runner.require(command)
    except DsrError as error:
        return error
    return None
