#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_quiet
short_description: Wait until hardly a packet comes to the VIPs of a director
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Counts the packets that come to VIPs, IPv4 and IPv6, by the rule of M(baremetal.dsr.steering) that all of them
    match.
  - Succeeds as soon as there are few, and fails if there are many when the time is over.
  - Changes nothing. A node without steering is quiet.
options:
  below:
    description: Packets per second that do not count, as those of scanners and of monitoring.
    type: float
    default: 10
  interval:
    description: Seconds over which each look counts.
    type: float
    default: 2
  timeout:
    description: Seconds after which it gives up.
    type: float
    default: 60
attributes:
  check_mode:
    description: Waits in any mode, and changes nothing in any.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
requirements:
  - iptables
seealso:
  - module: baremetal.dsr.steering
"""

EXAMPLES = r"""
- name: Wait until the routers send nothing any more
  baremetal.dsr.wait_for_quiet:
    below: 5
    timeout: 30
"""

RETURN = r"""
rate:
  description: Packets to VIPs per second, at the last look.
  type: float
  returned: success
  sample: 0.5
waited:
  description: Seconds it took.
  type: float
  returned: success
  sample: 2.0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.drain.traffic import wait_until_quiet
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "below": {"type": "float", "default": 10},
    "interval": {"type": "float", "default": 2},
    "timeout": {"type": "float", "default": 60},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        found = wait_until_quiet(LocalRunner(), **module.params)
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, rate=found.rate, waited=found.waited)


if __name__ == "__main__":
    main()
