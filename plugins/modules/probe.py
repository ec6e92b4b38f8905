#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Connect to VIPs as a client does
version_added: "1.0.0"
author: baremetal.dsr contributors (@baremetal-dsr)
description:
  - Opens a number of connections, each from a source port of its own, to every target and tells which were answered.
  - A TCP connection counts as answered once it is established. A small HTTP request is sent over it then, and what
    comes back is only looked at for what it may say about the client's address.
  - A UDP target is answered if any datagram comes back to one of up to three.
  - A target that does not answer is no failure of the module.
  - Nothing on the machine is changed, so it works in check mode as it does otherwise.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, when in diff mode.
    support: none
options:
  targets:
    description: What to connect to.
    type: list
    elements: dict
    required: true
    suboptions:
      vip:
        description: The address.
        type: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      port:
        description: The port.
        type: int
        required: true
  connections:
    description: Number of connections to each target, from V(1) to V(500).
    type: int
    default: 20
  timeout:
    description: Seconds to wait for an answer to each, at most V(60).
    type: float
    default: 5
seealso:
  - module: baremetal.dsr.capture
  - plugin: baremetal.dsr.verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Ask a VIP twenty times
  baremetal.dsr.probe:
    targets:
      - vip: 203.0.113.1
        port: 80
      - vip: 203.0.113.1
        protocol: udp
        port: 53
"""

RETURN = r"""
targets:
  description: What became of the connections, in the order of O(targets).
  returned: always
  type: list
  elements: dict
  contains:
    vip:
      description: The address, in canonical form.
      type: str
    protocol:
      description: The protocol.
      type: str
    port:
      description: The port.
      type: int
    sent:
      description: Number of connections tried.
      type: int
    answered:
      description: Number of connections answered.
      type: int
    errors:
      description: What went wrong with the others, with the number of times.
      type: dict
    flows:
      description: Each connection.
      type: list
      elements: dict
      contains:
        address:
          description: The client's address.
          type: str
        port:
          description: The client's port.
          type: int
        answered:
          description: Whether it was answered.
          type: bool
        error:
          description: Why it was not; empty if it was.
          type: str
        peer:
          description: The client's address as the application says it saw it; empty if it does not say.
          type: str
        pod:
          description: The pod as the application names it; empty if it does not say.
          type: str
        node:
          description: The node as the application names it; empty if it does not say.
          type: str
  sample:
    - vip: 203.0.113.1
      protocol: tcp
      port: 80
      sent: 1
      answered: 1
      errors: {}
      flows:
        - address: 198.51.100.10
          port: 40000
          answered: true
          error: ""
          peer: 198.51.100.10
          pod: web-1
          node: n1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.probe import probe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "targets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "vip": {"type": "str", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "port": {"type": "int", "required": True},
                },
            },
            "connections": {"type": "int", "default": 20},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, targets=probe(module.params))
    except DsrError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
