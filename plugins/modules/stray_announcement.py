#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/announce."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stray_announcement
short_description: Announce for a moment what the routers must refuse
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Makes the BIRD that the role P(baremetal.dsr.speaker#role) runs announce host routes that are no VIPs, beside its
    VIPs, to see whether the routers filter. The playbook C(baremetal.dsr.assess) uses it.
  - BIRD drops them by itself after O(seconds), also when nothing on the controller or on the node runs any more.
    They do not stay in the file of VIPs, so a restart of BIRD or a reboot drops them, too.
  - Sessions and VIPs are not touched.
  - A router that does not filter sends packets for these addresses to this node while they are announced. Take
    addresses that nobody uses.
options:
  addresses:
    description:
      - Addresses to announce, IPv4 and IPv6, each as a host route.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(announced) announces O(addresses). The node must announce what its file of VIPs says, and at least one VIP.
      - V(withdrawn) ends that before its time.
    type: str
    choices: [announced, withdrawn]
    required: true
  seconds:
    description:
      - With O(state=announced), BIRD drops the addresses by itself after so many seconds, from V(1) to V(600).
    type: int
    default: 60
  path:
    description:
      - The file of VIPs, as in M(baremetal.dsr.announcement). It is as before when the module is done.
    type: path
    default: /run/baremetal-dsr/vips.conf
  socket:
    description:
      - Control socket of BIRD.
    type: path
    default: /run/baremetal-dsr/bird.ctl
requirements:
  - birdc (Debian package bird2)
attributes:
  check_mode:
    support: full
    description: Announces and withdraws nothing, predicts what a run does.
  diff_mode:
    support: none
    description: No file is different afterwards.
seealso:
  - module: baremetal.dsr.announcement
"""

EXAMPLES = r"""
- name: Announce an address that is in no pool
  baremetal.dsr.stray_announcement:
    addresses: [198.18.0.1]
    state: announced
    seconds: 60

- name: Take it back
  baremetal.dsr.stray_announcement:
    addresses: [198.18.0.1]
    state: withdrawn
"""

RETURN = r"""
added:
  description: Addresses that were not announced before, IPv4 before IPv6, in numerical order.
  returned: success
  type: list
  elements: str
  sample: [198.18.0.1]
removed:
  description: Addresses that were announced until now. One whose time was over before is not among them.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.files import VipFile
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import prefixes
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.stray import announce, withdraw
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENTS = {
    "addresses": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["announced", "withdrawn"], "required": True},
    "seconds": {"type": "int", "default": 60},
    "path": {"type": "path", "default": "/run/baremetal-dsr/vips.conf"},
    "socket": {"type": "path", "default": "/run/baremetal-dsr/bird.ctl"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    runner = LocalRunner()
    file, bird = VipFile(runner, given["path"]), Bird(runner, given["socket"])
    try:
        strays = prefixes(given["addresses"])
        if given["state"] == "announced":
            change = announce(file, bird, strays, given["seconds"], check_mode=module.check_mode)
        else:
            change = withdraw(file, bird, strays, check_mode=module.check_mode)
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**change.result())


if __name__ == "__main__":
    main()
