#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capture
short_description: Count the packets of VIPs on a machine and inside its pods
version_added: "1.0.0"
author: baremetal.dsr contributors (@baremetal-dsr)
description:
  - With O(state=started) it starts to count, in the background, every packet from or to one of the VIPs, on all
    interfaces of the machine and of the given pods, and returns once no packet can be missed any more.
  - With O(state=collected) it ends that and returns the counts.
  - A packet is counted by its innermost IP header; where it travels in a tunnel (IPIP, IPv6 in IPv6 and the mixed
    forms) the tunnel's addresses are kept beside it.
  - It sees packets before any firewall rule on their way in, and after them on their way out.
  - Nothing on the machine is changed, so it works in check mode as it does otherwise.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, when in diff mode.
    support: none
requirements:
  - Linux with packet sockets; root
options:
  state:
    description:
      - V(started) starts a capture; one that is already there is ended and forgotten.
      - V(collected) ends the capture and returns what it found.
    type: str
    choices: [started, collected]
    required: true
  vips:
    description: Addresses whose packets are counted, and whose routes are read.
    type: list
    elements: str
    required: true
  pods:
    description:
      - Addresses of pods on this machine to look into. They are found in whatever network namespace holds them.
      - Those found in none are told in RV(missing).
    type: list
    elements: str
    default: []
  seconds:
    description: The capture ends by itself after so many seconds, from V(1) to V(3600); what it found is kept.
    type: int
    default: 300
  routes:
    description: With O(state=collected), also read the kernel's host routes to the VIPs.
    type: bool
    default: false
  drained:
    description: With O(state=collected), the file that tells by being there that the node is drained.
    type: path
    default: /etc/baremetal-dsr-drained
seealso:
  - module: baremetal.dsr.probe
  - plugin: baremetal.dsr.verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Watch a VIP on this node and in one of its pods
  baremetal.dsr.capture:
    state: started
    vips: [203.0.113.1]
    pods: [10.244.1.2]

- name: Read what was seen
  baremetal.dsr.capture:
    state: collected
    vips: [203.0.113.1]
  register: seen
"""

RETURN = r"""
packets:
  description: The counts, one per place, interface, direction, tunnel and connection.
  returned: when O(state=collected)
  type: list
  elements: dict
  contains:
    place:
      description: V(host), or the address of the pod as in RV(places).
      type: str
    interface:
      description: Name of the interface, in its own network namespace.
      type: str
    direction:
      description: V(in), V(out), or V(other) for a frame that was addressed to another machine.
      type: str
    outer_src:
      description: Source address of the tunnel; empty if the packet travelled plain.
      type: str
    outer_dst:
      description: Destination address of the tunnel; empty if the packet travelled plain.
      type: str
    src:
      description: Source address.
      type: str
    dst:
      description: Destination address.
      type: str
    protocol:
      description: V(tcp), V(udp), V(icmp), V(icmp6), V(sctp), or the protocol number.
      type: str
    sport:
      description: Source port; V(0) where there is none.
      type: int
    dport:
      description: Destination port; V(0) where there is none.
      type: int
    packets:
      description: Number of packets.
      type: int
    bytes:
      description: Their bytes, counted from the inner IP header on.
      type: int
    resets:
      description: How many of them were TCP resets.
      type: int
  sample:
    - place: 10.244.1.2
      interface: dsr4
      direction: in
      outer_src: ""
      outer_dst: ""
      src: 198.51.100.10
      dst: 203.0.113.1
      protocol: tcp
      sport: 40000
      dport: 80
      packets: 5
      bytes: 338
      resets: 0
places:
  description: What was looked into. V(host), and each pod's name with those of the given addresses that it holds.
  returned: when O(state=collected)
  type: dict
  sample:
    host: []
    10.244.1.2: [10.244.1.2, "2001:db8:244:1::2"]
missing:
  description: Pod addresses that no network namespace of this machine holds.
  returned: when O(state=collected)
  type: list
  elements: str
  sample: []
dropped:
  description: Packets the kernel dropped because they came faster than they could be counted.
  returned: when O(state=collected)
  type: int
  sample: 0
left_out:
  description: Packets that were not counted because too many connections were there already.
  returned: when O(state=collected)
  type: int
  sample: 0
drained:
  description: Whether there is a file O(drained), so that this node announces nothing.
  returned: when O(state=collected)
  type: bool
  sample: false
routes:
  description: The kernel's host routes to the VIPs. A VIP without one is left out.
  returned: when O(state=collected) and O(routes=true)
  type: list
  elements: dict
  contains:
    vip:
      description: The VIP.
      type: str
    type:
      description: V(unicast), or what the kernel does with the packets instead, such as V(unreachable).
      type: str
    protocol:
      description: Who put the route there, such as V(bgp).
      type: str
    hops:
      description: Gateways of the next hops whose link is up.
      type: list
      elements: str
  sample:
    - vip: 203.0.113.1
      type: unicast
      protocol: bgp
      hops: [192.0.2.11, 192.0.2.12]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof import job


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "collected"], "required": True},
            "vips": {"type": "list", "elements": "str", "required": True},
            "pods": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "default": 300},
            "routes": {"type": "bool", "default": False},
            "drained": {"type": "path", "default": "/etc/baremetal-dsr-drained"},
        },
        supports_check_mode=True,
    )
    try:
        act = job.start if module.params["state"] == "started" else job.collect
        module.exit_json(changed=False, **act(module.params))
    except DsrError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
