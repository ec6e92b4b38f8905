#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pods_info
short_description: Show what the pods of a node hold of their VIPs
version_added: "1.0.0"
description:
  - Shows the tunnels, VIPs, guards, sysctls and counters of the pods of this machine.
  - Pods are found by their address in the network namespaces of the machine's processes and in the handles below
    C(/run/netns); no container runtime is asked.
options:
  addresses:
    description:
      - Pod addresses to look at.
      - Without any, every network namespace with a device named like those of M(baremetal.dsr.pods) is shown.
    type: list
    elements: str
    default: []
author:
  - baremetal.dsr contributors (@baremetal-dsr)
requirements:
  - nsenter (util-linux)
  - ip (iproute2)
  - sysctl (procps)
  - ipset, iptables-save and ip6tables-save, where a pod has a guard
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, when in diff mode.
    support: N/A
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: linux
seealso:
  - module: baremetal.dsr.pods
"""

EXAMPLES = r"""
- name: Look at one pod
  baremetal.dsr.pods_info:
    addresses:
      - 10.244.1.2
  register: pod
"""

RETURN = r"""
pods:
  description: One entry for each network namespace.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Inode of the network namespace.
      type: int
      sample: 4026532288
    handle:
      description: A path that nsenter takes to enter it.
      type: str
      sample: /run/netns/cni-0c4a1b4e
    addresses:
      description: Its addresses, without those that M(baremetal.dsr.pods) gave it.
      type: list
      elements: str
      sample:
        - 10.244.1.2
    devices:
      description: Its devices named C(dsr4), C(dsr4gre), C(dsr6) and C(dsr6gre).
      type: list
      elements: dict
      contains:
        name:
          description: Name of the device.
          type: str
          sample: dsr4
        owned:
          description: Whether M(baremetal.dsr.pods) made it.
          type: bool
        up:
          description: Whether it is up.
          type: bool
        local:
          description: Address the tunnel ends at.
          type: str
          sample: 10.244.1.2
        vips:
          description: VIPs on it.
          type: list
          elements: str
          sample:
            - 203.0.113.1
        rx_packets:
          description: Packets that came out of the tunnel since it exists.
          type: int
        rx_bytes:
          description: Bytes that came out of the tunnel since it exists.
          type: int
    vips:
      description: All VIPs that M(baremetal.dsr.pods) gave it, and the device each stands on.
      type: list
      elements: dict
      sample:
        - address: 203.0.113.1
          device: dsr4
    tunnels:
      description: The tunnels it can take, by address family.
      type: dict
      sample:
        ipv4:
          - ipip
          - gue
        ipv6: []
    guards:
      description: Its guards, one for each address family that has one.
      type: list
      elements: dict
      contains:
        family:
          description: V(ipv4) or V(ipv6).
          type: str
          sample: ipv4
        active:
          description: Whether packets pass through it.
          type: bool
        sources:
          description: Addresses from which tunnelled packets may come.
          type: list
          elements: str
          sample:
            - 192.0.2.11
        vips:
          description: Addresses for which packets that come out of a tunnel may be.
          type: list
          elements: str
          sample:
            - 203.0.113.1
        refused:
          description: What each of its rules has refused since it was last written.
          type: list
          elements: dict
          contains:
            reason:
              description: V(source), it did not come from a node. V(destination), it was for no VIP of the pod.
              type: str
              sample: source
            at:
              description: The tunnel it came by, or for V(destination) the device it came out of.
              type: str
              sample: gue
            packets:
              description: Number of packets.
              type: int
            bytes:
              description: Their bytes.
              type: int
    sysctls:
      description: Values of the sysctls that M(baremetal.dsr.pods) sets, by key, as text.
      type: dict
      sample:
        net.ipv4.conf.all.arp_ignore: "1"
missing:
  description: Those of O(addresses) that are in no network namespace of this machine.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.info import report
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {"addresses": {"type": "list", "elements": "str", "default": []}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        found = report(LocalRunner(), Paths(), module.params["addresses"])
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
