#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/announce."""

from __future__ import annotations

DOCUMENTATION = r"""
module: announcement
short_description: Announce exactly these VIPs from the speaker of this node
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Makes the BIRD that the role P(baremetal.dsr.speaker#role) runs announce exactly these VIPs, each as a host route.
  - The VIPs stand in a file that BIRD includes. It is replaced in one step and BIRD reads it without ending a session.
  - Both the file and what BIRD really holds are compared, so a run killed between the two is mended by the next.
options:
  vips:
    description:
      - Addresses to announce, IPv4 and IPv6.
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present) this node announces O(vips) and nothing else.
      - With V(withdraw_only) it stops announcing what is not in O(vips) and starts nothing.
        Use it before kernel tables are changed, so that no packet comes for a VIP that goes.
    type: str
    choices: [present, withdraw_only]
    default: present
  path:
    description:
      - The file of VIPs. The configuration of BIRD must include it.
      - It belongs in a folder that is empty after a reboot, as then the kernel tables are empty too.
    type: path
    default: /run/baremetal-dsr/vips.conf
  socket:
    description:
      - Control socket of BIRD.
    type: path
    default: /run/baremetal-dsr/bird.ctl
  drained:
    description:
      - While this file exists the node is drained. It announces nothing then, whatever O(vips) says.
      - The playbook C(drain) makes it, C(undrain) removes it. It outlives a reboot, and a run of C(site) that somebody
        starts while the node is drained.
    type: path
    default: /etc/baremetal-dsr-drained
  wait:
    description:
      - Seconds that the BGP sessions get to come up when this node announces VIPs. Where they are up no time is lost.
      - If then no session that carries an address family of O(vips) is up, the module fails, as nobody can reach these
        VIPs over this node. If only some are down it warns. Either tells the reason for each session that is down.
      - V(0) does not wait. A drained node, O(state=withdraw_only) and check mode do not look at sessions.
    type: int
    default: 20
  config:
    description:
      - Configuration file of BIRD. Whether there is a password and TTL security is read from it, to tell why a session
        is down.
    type: path
    default: /etc/bird/baremetal-dsr.conf
requirements:
  - birdc (Debian package bird2)
attributes:
  check_mode:
    support: full
    description: Writes nothing, predicts what a run does. A BIRD that does not run yet is taken as one without VIPs.
  diff_mode:
    support: full
    description: Shows the file of VIPs, before and after.
"""

EXAMPLES = r"""
- name: Stop announcing what is no longer planned
  baremetal.dsr.announcement:
    vips: [203.0.113.1, "2001:db8:f::1"]
    state: withdraw_only

- name: Announce the VIPs of this node
  baremetal.dsr.announcement:
    vips: [203.0.113.1, "2001:db8:f::1"]
"""

RETURN = r"""
vips:
  description: The VIPs announced afterwards, IPv4 before IPv6, in numerical order.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.1, "2001:db8:f::1"]
added:
  description: VIPs that were not announced before.
  returned: success
  type: list
  elements: str
  sample: ["2001:db8:f::1"]
removed:
  description: VIPs that are no longer announced.
  returned: success
  type: list
  elements: str
  sample: []
drained:
  description: Whether the node is drained, so that it announces nothing.
  returned: success
  type: bool
  sample: false
sessions_down:
  description: Why BGP sessions are down, a sentence for each.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.configuration import ends
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.files import VipFile
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import prefixes
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.reconcile import reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import Watch, look
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENTS = {
    "vips": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "withdraw_only"], "default": "present"},
    "path": {"type": "path", "default": "/run/baremetal-dsr/vips.conf"},
    "socket": {"type": "path", "default": "/run/baremetal-dsr/bird.ctl"},
    "drained": {"type": "path", "default": "/etc/baremetal-dsr-drained"},
    "wait": {"type": "int", "default": 20},
    "config": {"type": "path", "default": "/etc/bird/baremetal-dsr.conf"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    runner = LocalRunner()
    drained = os.path.lexists(given["drained"])
    bird = Bird(runner, given["socket"])
    withdraw_only = given["state"] == "withdraw_only"
    found: list[str] = []
    try:
        wanted = prefixes(given["vips"])
        done = reconcile(
            VipFile(runner, given["path"]),
            bird,
            frozenset() if drained else wanted,
            withdraw_only=withdraw_only,
            check_mode=module.check_mode,
        )
        if done.wanted and not withdraw_only and not module.check_mode:
            config = VipFile(runner, given["config"]).read()
            found = look(Watch(runner, bird), given["wait"], done.wanted, ends(config or ""))
    except DsrError as error:
        module.fail_json(msg=str(error))
    if drained and wanted:
        module.warn(
            f"This node is drained ({given['drained']} exists): it announces no VIP until the playbook undrain."
        )
    for problem in found:
        module.warn(problem)
    module.exit_json(**done.result(), drained=drained, sessions_down=found)


if __name__ == "__main__":
    main()
