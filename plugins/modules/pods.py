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
  - Pods are found by their address in the network namespaces of the machine's processes and in the handles below
    C(/run/netns); no container runtime is asked.
  - Devices of the same name that this module did not make are never touched.
  - Loads the kernel modules C(ipip) and C(ip6_tunnel) where they are needed. The kernel then also creates C(tunl0) and
    C(ip6tnl0), down, in every network namespace, unless C(net.core.fb_tunnels_only_for_init_net) forbids it. Nothing is
    configured on them.
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
  purge:
    description:
      - Whether to remove what this module made and O(pods) does not ask for. That is VIPs of listed pods, and the whole
        configuration of every other network namespace of this machine.
      - With V(false) pods and VIPs are only added.
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
    purge: false

- name: Clean pods that are no longer backends
  baremetal.dsr.pods:
    pods: "{{ dsr_plan.pods }}"
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
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import pods_from
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "pods": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "address": {"type": "str", "required": True},
            "vips": {"type": "list", "elements": "str", "required": True},
        },
    },
    "purge": {"type": "bool", "default": True},
    "missing": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        wishes = pods_from(given["pods"])
        outcome = reconcile(LocalRunner(), Paths(), wishes, purge=given["purge"], check=module.check_mode)
    except DsrError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": outcome.changed}
    if module._diff:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    failure = outcome.error(missing_is_error=given["missing"] == "fail")
    if failure:
        module.fail_json(msg=str(failure), **result)
    for address in outcome.missing:
        module.warn(str(missing_pod(address)))
    module.exit_json(missing=list(outcome.missing), stale=outcome.stale, **result)


if __name__ == "__main__":
    main()
