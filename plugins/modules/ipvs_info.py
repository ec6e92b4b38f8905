#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_info
short_description: Show the IPVS services of a director
version_added: "1.0.0"
description:
  - Returns the IPVS services in an owned range of firewall marks, in the shape that M(baremetal.dsr.ipvs) takes.
  - Changes nothing. In particular it does not load the kernel module C(ip_vs), as C(ipvsadm) alone would.
options:
  mark_base:
    description: Base of the owned range, which is every mark where C(mark & mark_mask == mark_base).
    type: str
    default: "0x00d00000"
  mark_mask:
    description: Mask of the owned range. Ones followed by zeros, of which there are three at least.
    type: str
    default: "0xfff00000"
  all:
    description: Whether to return the services outside the owned range, too.
    type: bool
    default: false
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
requirements:
  - ipvsadm 1.31 or newer
seealso:
  - module: baremetal.dsr.ipvs
author:
  - "baremetal.dsr contributors (@baremetal-dsr)"
"""

EXAMPLES = r"""
- name: Read the services of this director
  baremetal.dsr.ipvs_info:
  register: director

- name: Connections must be gone before the machine is taken down
  ansible.builtin.assert:
    that: director.connections | sum(attribute='active') == 0
"""

RETURN = r"""
loaded:
  description: Whether the kernel has the module C(ip_vs) loaded.
  type: bool
  returned: success
services:
  description:
    - The owned services by mark, their destinations in kernel order. What drains is shown with weight 0.
    - C(tunnel) is null where destinations have different tunnels, or others than the module sets.
    - Thresholds are shown as far as M(baremetal.dsr.ipvs) has set them.
  type: list
  elements: dict
  returned: success
  sample:
    - mark: 13631490
      family: ipv4
      scheduler: mh
      scheduler_flags: [mh-fallback, mh-port]
      one_packet: false
      persistence: 0
      tunnel: ipip
      destinations:
        - address: 10.244.1.2
          weight: 1
          upper_threshold: 0
          lower_threshold: 0
connections:
  description: Connections per destination of the owned services, C(active) ones and those opening or closing.
  type: list
  elements: dict
  returned: success
  sample:
    - mark: 13631490
      family: ipv4
      address: 10.244.1.2
      active: 3
      inactive: 1
foreign:
  description: Lines of C(ipvsadm -S -n) about services outside the owned range.
  type: list
  elements: str
  returned: when O(all) is true
  sample: ["-A -t 198.51.100.1:80 -s wrr"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import info
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import parse_mark_range
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "mark_base": {"type": "str", "default": "0x00d00000"},
    "mark_mask": {"type": "str", "default": "0xfff00000"},
    "all": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        owned = parse_mark_range(module.params["mark_base"], module.params["mark_mask"])
        result = info(LocalRunner(), owned, foreign=module.params["all"])
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
