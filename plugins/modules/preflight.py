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
    between the nodes, and for the pods that should be on this node, before anything is changed anywhere.
  - Fails with everything that is missing and what brings it. Changes nothing.
  - Where commands are missing only these are told, since the rest is found out with them.
options:
  schedulers:
    description:
      - IPVS schedulers that the services ask for.
    type: list
    elements: str
    default: [mh]
  pods:
    description:
      - Addresses of the backends that run on this node.
    type: list
    elements: str
    default: []
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
    pods: "{{ dsr_plan.pods | map(attribute='address') }}"
    tunnels: "{{ dsr_plan.guard.tunnels }}"
    mtu: "{{ dsr_mtu }}"
    addresses: "{{ dsr_node.addresses }}"
"""

RETURN = r"""
problems:
  description: What is missing, one sentence each.
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

ARGUMENTS = {
    "schedulers": {"type": "list", "elements": "str", "default": ["mh"]},
    "pods": {"type": "list", "elements": "str", "default": []},
    "tunnels": {"type": "list", "elements": "str", "choices": ["ipip", "gue", "gre"], "default": ["ipip"]},
    "families": {"type": "list", "elements": "str", "choices": ["ipv4", "ipv6"]},
    "mtu": {"type": "int"},
    "addresses": {"type": "list", "elements": "str", "default": []},
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
