#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/announce/configure.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: speaker_config
short_description: Configure the BIRD of this node, and go back if that ends its sessions
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Writes the configuration of the BIRD that the role P(baremetal.dsr.speaker#role) runs, and lets BIRD read it.
  - Compares both the file and what the running BIRD has read, by a constant that the file defines. So a run that was
    killed between the two is mended by the next.
  - BIRD's own checker must take the file before it is put in its place.
  - If sessions that were up, and that are in the new configuration too, are not up again in O(wait) seconds, the former
    file is put back, BIRD reads it, and the module fails with the reason for each session.
  - A run that is killed while it waits leaves it to BIRD to go back, 30 seconds after that wait (C(configure timeout)).
  - Where BIRD does not run the file is only written.
options:
  content:
    description:
      - The whole configuration. It may hold a password, so it is never shown as it is.
    type: str
    required: true
  path:
    description:
      - The configuration file, mode 0640.
    type: path
    default: /etc/bird/baremetal-dsr.conf
  owner:
    description:
      - Owner of O(path).
    type: str
    default: root
  group:
    description:
      - Group of O(path), that of the user that BIRD runs as.
    type: str
    default: bird
  socket:
    description:
      - Control socket of BIRD.
    type: path
    default: /run/baremetal-dsr/bird.ctl
  program:
    description:
      - The C(bird) that checks the file.
    type: path
    default: /usr/sbin/bird
  unit:
    description:
      - Unit of systemd that runs BIRD.
    type: str
    default: baremetal-dsr-bird.service
  restart:
    description:
      - Restart O(unit) instead of letting BIRD read its configuration, because the unit itself has changed.
        That is always a change.
    type: bool
    default: false
  only_if_idle:
    description:
      - Change nothing while a session of this BIRD is up, and tell so by RV(pending).
      - The same task without this, C(throttle 1), makes the change then, so that not all nodes lose sessions at once.
    type: bool
    default: false
  wait:
    description:
      - Seconds that sessions get to come back.
    type: int
    default: 30
requirements:
  - bird and birdc (Debian package bird2)
attributes:
  check_mode:
    support: full
    description: Writes nothing, predicts what a run does. The file is not checked.
  diff_mode:
    support: full
    description: Shows the configuration, before and after, without passwords.
"""

EXAMPLES = r"""
- name: Configure BIRD where no session is up
  baremetal.dsr.speaker_config:
    content: "{{ lookup('ansible.builtin.template', 'bird.conf.j2') }}"
    only_if_idle: true
  register: speaker

- name: Configure BIRD on the other nodes, one at a time
  baremetal.dsr.speaker_config:
    content: "{{ lookup('ansible.builtin.template', 'bird.conf.j2') }}"
  throttle: 1
  when: speaker.pending
"""

RETURN = r"""
pending:
  description: Whether the change was left to a later task, because a session is up and O(only_if_idle) is set.
  returned: success
  type: bool
  sample: false
waited_for:
  description: Sessions that were up, and that the change has not removed. All of them are up again, if it was made.
  returned: success
  type: list
  elements: str
  sample: [dsr_r1_ipv4, dsr_r1_ipv6]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.bird import Bird
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.configure import ConfigFile, apply, plan
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import Watch
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENTS = {
    "content": {"type": "str", "required": True, "no_log": True},
    "path": {"type": "path", "default": "/etc/bird/baremetal-dsr.conf"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "bird"},
    "socket": {"type": "path", "default": "/run/baremetal-dsr/bird.ctl"},
    "program": {"type": "path", "default": "/usr/sbin/bird"},
    "unit": {"type": "str", "default": "baremetal-dsr-bird.service"},
    "restart": {"type": "bool", "default": False},
    "only_if_idle": {"type": "bool", "default": False},
    "wait": {"type": "int", "default": 30},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    runner = LocalRunner()
    file = ConfigFile(given["path"], given["owner"], given["group"], given["program"])
    bird = Bird(runner, given["socket"])
    try:
        change = plan(file, bird, given["content"], restart=given["restart"])
        pending = change.changed and given["only_if_idle"] and bool(change.up)
        if change.changed and not pending and not module.check_mode:
            apply(runner, file, bird, change, Watch(runner, bird), unit=given["unit"], seconds=given["wait"])
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, pending=pending, waited_for=sorted(change.to_come_back), diff=change.diff)


if __name__ == "__main__":
    main()
