#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pods
short_description: Make the pods of a node real servers of their VIPs
version_added: "1.0.0"
description:
  - Gives each listed pod a named tunnel device bound to the pod's own address, the VIPs on it, and the sysctls that
    keep the VIPs silent in ARP, so that the pod takes packets tunnelled by any director and answers clients directly.
  - The device is C(dsr4) (IPIP) for IPv4 and C(dsr6) (IPv6 in IPv6) for IPv6. In IPv4
    C(net.ipv4.conf.all.arp_ignore) is set to V(1), C(net.ipv4.conf.all.arp_announce) to V(2) and
    C(net.ipv4.conf.dsr4.rp_filter) to V(2); the former values of the first two are kept in the alias of the device and
    put back when it is removed.
  - A pod that takes GRE also gets C(dsr4gre) or C(dsr6gre), a pod that takes GUE a C(fou) port 6080. What comes out of
    GUE is taken by C(dsr4) and C(dsr6).
  - Even a loose C(rp_filter) refuses what comes out of a device without any IPv4 address. So an IPv4 tunnel device that
    holds no VIP holds C(192.0.0.8), the dummy address of RFC 7600.
  - Pods are found by their address in the network namespaces of the machine's processes and in the handles below
    C(/run/netns); no container runtime is asked.
  - Devices of the same name that this module did not make are never touched.
  - Loads the kernel modules C(ipip), C(ip6_tunnel), C(ip_gre), C(ip6_gre) and C(fou) where they are needed. The kernel
    then also creates C(tunl0), C(ip6tnl0), C(gre0), C(gretap0), C(erspan0) and C(ip6gre0), down, in every network
    namespace, unless C(net.core.fb_tunnels_only_for_init_net) forbids it. Nothing is configured on them.
options:
  pods:
    description:
      - The pods of this node that are backends, as the C(pods) of the planner's result.
      - A pod with an IPv4 and an IPv6 address has one entry for each.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: Address of the pod; the tunnel ends here.
        type: str
        required: true
      vips:
        description: VIPs of the same address family that the pod answers for.
        type: list
        elements: str
        required: true
      tunnels:
        description:
          - Tunnels by which directors send to the pod. V(ipip) is always taken.
        type: list
        elements: str
        choices:
          - ipip
          - gue
          - gre
        default:
          - ipip
      draining:
        description:
          - Whether the pod takes no new connections in any of its services and may be gone at any moment. Where it is
            missing this is only reported, whatever O(missing) says.
        type: bool
        default: false
  vip_device:
    description:
      - Where the VIPs stand.
      - V(tunnel) is the device C(dsr4) or C(dsr6).
      - V(lo) is the loopback device.
      - V(interface) is the device that holds the pod's address. Nobody on the pod network is told of a VIP there, but
        who asks for it gets an answer, as C(arp_ignore=1) and IPv6 answer for addresses of the device that is asked.
        That does no harm where nobody asks, since VIPs are not in the pod network's range.
      - On V(lo) and V(interface) a VIP is known as ours by the metric 13631488 of the address; this takes Linux 4.18
        and iproute2 4.18. IPv6 VIPs there are deprecated (C(preferred_lft 0)), so that the pod's own connections do not
        start from them.
      - When it changes, the VIPs stand on the new device before they leave the old one.
    type: str
    choices:
      - tunnel
      - lo
      - interface
    default: tunnel
  sources:
    description:
      - Addresses of all nodes, as they stand in the outer header of what the nodes tunnel to the pods. Every family
        that has pods needs some.
      - If given, each pod gets a guard, the chain C(DSR-GUARD) in the raw table of its namespace. It drops tunnelled
        packets that come neither from these addresses nor from the one from which this node itself reaches the pod, and
        drops what comes out of a tunnel and is for none of the pod's VIPs. Each reason has its own counter, see
        M(baremetal.dsr.pods_info).
      - If not given, there is no guard, and with O(purge=true) one that is there is removed.
      - Needs C(ipset), C(iptables) and C(ip6tables) on the node, not in the pod.
    type: list
    elements: str
  purge:
    description:
      - Whether to remove what this module made and is not asked for. That is VIPs, tunnels and guards of listed pods,
        and the whole configuration of every other network namespace of this machine.
      - With V(false) pods, VIPs, tunnels and sources are only added.
    type: bool
    default: true
  missing:
    description:
      - What to do about a pod address that is in no network namespace of this machine.
      - With V(fail) the module configures all other pods and then fails, naming each missing one.
      - With V(report) it only warns and returns them in RV(missing).
    type: str
    choices:
      - fail
      - report
    default: fail
author:
  - baremetal.dsr contributors (@baremetal-dsr)
requirements:
  - nsenter (util-linux)
  - ip (iproute2)
  - sysctl (procps)
  - ipset, iptables-save, iptables-restore and their IPv6 twins, with O(sources)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns the state of the namespaces before and after as commands.
    support: full
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: linux
seealso:
  - module: baremetal.dsr.pods_info
"""

EXAMPLES = r"""
- name: Prepare new backends before any director sends to them
  baremetal.dsr.pods:
    pods:
      - address: 10.244.1.2
        vips:
          - 203.0.113.1
      - address: 2001:db8:244:1::2
        vips:
          - 2001:db8:f::1
        tunnels:
          - ipip
          - gue
    sources:
      - 192.0.2.11
      - 192.0.2.12
      - 2001:db8:2::11
      - 2001:db8:2::12
    purge: false

- name: Clean pods that are no longer backends
  baremetal.dsr.pods:
    pods: "{{ dsr_plan.pods }}"
    sources: "{{ dsr_plan.guard.sources }}"
    missing: report
"""

RETURN = r"""
missing:
  description: Pod addresses that are in no network namespace of this machine.
  returned: when all pods in reach could be configured
  type: list
  elements: str
  sample:
    - 10.244.1.9
stale:
  description: Whether something is left that only a run with O(purge=true) removes. Always V(false) after such a run.
  returned: when all pods in reach could be configured
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import missing_pod, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.wishes import pods_from, sources_from
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "pods": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "address": {"type": "str", "required": True},
            "vips": {"type": "list", "elements": "str", "required": True},
            "tunnels": {"type": "list", "elements": "str", "choices": ["ipip", "gue", "gre"], "default": ["ipip"]},
            "draining": {"type": "bool", "default": False},
        },
    },
    "vip_device": {"type": "str", "choices": ["tunnel", "lo", "interface"], "default": "tunnel"},
    "sources": {"type": "list", "elements": "str"},
    "purge": {"type": "bool", "default": True},
    "missing": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        wishes = pods_from(given["pods"])
        outcome = reconcile(
            LocalRunner(),
            Paths(),
            wishes,
            purge=given["purge"],
            check=module.check_mode,
            place=given["vip_device"],
            sources=sources_from(given["sources"], wishes),
        )
    except DsrError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": outcome.changed}
    if module._diff:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    strict = given["missing"] == "fail"
    for address in outcome.leaving if strict else outcome.missing:
        module.warn(str(missing_pod(address)))
    failure = outcome.error(missing_is_error=strict)
    if failure:
        module.fail_json(msg=str(failure), **result)
    module.exit_json(missing=list(outcome.missing), stale=outcome.stale, **result)


if __name__ == "__main__":
    main()
