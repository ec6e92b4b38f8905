#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/preflight.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: See that a node has what Direct Server Return needs
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Looks for the commands and kernel modules that the other modules of this collection use, for the MTU of the network
    between the nodes, for the ports of the speaker, for the pods that should be on this node, and for what others hold
    on the node and in the pods that would stop M(baremetal.dsr.steering) or M(baremetal.dsr.pods), before anything is
    changed anywhere.
  - Fails with everything that is missing or in the way, and what to do about it. Changes nothing.
  - Where commands are missing only these are told, since the rest is found out with them.
  - Whether C(ipvsadm) is new enough is seen only where the kernel module C(ip_vs) is loaded, since C(ipvsadm) would
    load it.
options:
  schedulers:
    description:
      - IPVS schedulers that the services ask for.
    type: list
    elements: str
    default: [mh]
  pods:
    description:
      - The backends that run on this node, as the C(pods) of the plan.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description:
          - Address of the pod.
        type: str
        required: true
      vips:
        description:
          - VIPs of the same address family that the pod answers for.
        type: list
        elements: str
        required: true
      tunnels:
        description:
          - Tunnels by which directors send to the pod.
        type: list
        elements: str
        choices: [ipip, gue, gre]
        default: [ipip]
      draining:
        description:
          - Whether the pod drains in all its services, so that it may be missing.
        type: bool
        default: false
  sources:
    description:
      - Addresses of all nodes, as they send tunnel packets to the pods, which get a guard then.
      - If not given, they get none.
    type: list
    elements: str
  tunnels:
    description:
      - Tunnels by which directors send to backends. V(ipip) is always looked for.
    type: list
    elements: str
    choices: [ipip, gue, gre]
    default: [ipip]
  families:
    description:
      - Address families of the backends.
      - If not given, IPv4 and those of O(pods).
    type: list
    elements: str
    choices: [ipv4, ipv6]
  mtu:
    description:
      - MTU of the network between the nodes. The devices that hold O(addresses) must have at least this.
      - If not given, no MTU is looked at.
    type: int
  addresses:
    description:
      - Addresses of this node, from which it sends to the other nodes.
    type: list
    elements: str
    default: []
  bfd:
    description:
      - Whether the speaker of this node serves BFD, so that no other process may hold UDP port 3784.
    type: bool
    default: false
  listen_port:
    description:
      - TCP port on which the speaker listens. No other process may listen there on one of O(addresses).
      - If not given, no port of TCP is looked at.
    type: int
  steering:
    description:
      - What this node is to steer. The suboptions are the options of M(baremetal.dsr.steering).
      - If not given, nothing is looked at for that.
    type: dict
    suboptions:
      vips:
        description:
          - All VIPs.
        type: list
        elements: str
        required: true
      ping:
        description:
          - Whether VIPs answer ping.
        type: bool
        default: false
      mark_base:
        description:
          - First mark of the owned range.
        type: str
        default: "0x00d00000"
      mark_mask:
        description:
          - Mask of the owned range.
        type: str
        default: "0xfff00000"
      table:
        description:
          - Routing table that delivers locally.
        type: int
        default: 78
      refuse_table:
        description:
          - Routing table that answers "unreachable".
        type: int
        default: 79
      mtu_table:
        description:
          - Routing table that answers "fragmentation needed", V(0) for none.
        type: int
        default: 80
      rule_priority:
        description:
          - Priority of the ip rules.
        type: int
        default: 780
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: See that this node can be a director and hold its backends
  baremetal.dsr.preflight:
    schedulers: "{{ dsr_plan.ipvs | map(attribute='scheduler') | unique }}"
    pods: "{{ dsr_plan.pods }}"
    sources: "{{ dsr_plan.guard.sources }}"
    tunnels: "{{ dsr_plan.guard.tunnels }}"
    mtu: "{{ dsr_mtu }}"
    addresses: "{{ dsr_node.addresses }}"
    bfd: true
    listen_port: 1790
    steering:
      vips: "{{ dsr_plan.steering.vips }}"
"""

RETURN = r"""
problems:
  description: What is missing or in the way, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["command ipset: not found on this machine. Install the package ipset"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.preflight import Needs, problems
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

POD = {
    "address": {"type": "str", "required": True},
    "vips": {"type": "list", "elements": "str", "required": True},
    "tunnels": {"type": "list", "elements": "str", "choices": ["ipip", "gue", "gre"], "default": ["ipip"]},
    "draining": {"type": "bool", "default": False},
}

STEERING = {
    "vips": {"type": "list", "elements": "str", "required": True},
    "ping": {"type": "bool", "default": False},
    "mark_base": {"type": "str", "default": "0x00d00000"},
    "mark_mask": {"type": "str", "default": "0xfff00000"},
    "table": {"type": "int", "default": 78},
    "refuse_table": {"type": "int", "default": 79},
    "mtu_table": {"type": "int", "default": 80},
    "rule_priority": {"type": "int", "default": 780},
}

ARGUMENTS = {
    "schedulers": {"type": "list", "elements": "str", "default": ["mh"]},
    "pods": {"type": "list", "elements": "dict", "default": [], "options": POD},
    "sources": {"type": "list", "elements": "str"},
    "tunnels": {"type": "list", "elements": "str", "choices": ["ipip", "gue", "gre"], "default": ["ipip"]},
    "families": {"type": "list", "elements": "str", "choices": ["ipv4", "ipv6"]},
    "mtu": {"type": "int"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "bfd": {"type": "bool", "default": False},
    "listen_port": {"type": "int"},
    "steering": {"type": "dict", "options": STEERING},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = problems(LocalRunner(), Paths(), Needs(**{name: module.params[name] for name in ARGUMENTS}))
    except DsrError as error:
        found = [error]
    said = [str(error) for error in found]
    if said:
        module.fail_json(msg="\n".join(said), problems=said)
    module.exit_json(changed=False, problems=[])


if __name__ == "__main__":
    main()
