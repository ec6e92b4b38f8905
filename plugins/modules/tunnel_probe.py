#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tunnel_probe
short_description: Connect from a director through its own IPVS services to pods
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Opens a TCP connection to every target, with the mark of its service, so that IPVS of this node sends it through the
    tunnel to a pod. No router is asked, so it works on a node that announces nothing.
  - Fails if one gets no answer.
  - It is not steering that gives the mark here. Whether steering is as planned, M(baremetal.dsr.steering) tells in
    check mode.
  - Changes nothing, so it works in check mode as it does otherwise.
options:
  targets:
    description: What to connect to, usually made by P(baremetal.dsr.tunnel_targets#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      vip:
        description: The VIP.
        type: str
        required: true
      port:
        description: A TCP port of the service.
        type: int
        required: true
      mark:
        description: The mark of the service.
        type: int
        required: true
  sources:
    description: Addresses of this node. The first of a family is where the connections come from.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 5
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
requirements:
  - root
seealso:
  - module: baremetal.dsr.probe
  - plugin: baremetal.dsr.tunnel_targets
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Every service must answer through this director
  baremetal.dsr.tunnel_probe:
    targets:
      - vip: 203.0.113.1
        port: 80
        mark: 13860218
    sources: [192.0.2.11, "2001:db8:a::11"]
"""

RETURN = r"""
answered:
  description: How many targets there were, as all of them answered.
  type: int
  returned: success
  sample: 4
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.drain.tunnel import parse_targets, probe
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

ARGUMENT_SPEC = {
    "targets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "vip": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "mark": {"type": "int", "required": True},
        },
    },
    "sources": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "float", "default": 5},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        answered = probe(parse_targets(given["targets"]), given["sources"], given["timeout"])
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, answered=answered)


if __name__ == "__main__":
    main()
