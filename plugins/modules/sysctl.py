#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/sysctls."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl
short_description: Set kernel settings, and remember what they were
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Sets settings of the running kernel and keeps them in a file of its own, each with the value that it had before the
    first change as a comment. So they can be put back one day.
  - The file has the format of C(sysctl.d). In C(/etc/sysctl.d) it makes the settings hold after a reboot too. Below
    C(/run) it ends with the uptime of the machine, as the settings do.
options:
  path:
    description:
      - The file. It belongs to this module alone. Its folder must exist.
    type: path
    required: true
  values:
    description:
      - The settings by their full names, with dots. Required if O(state=present).
      - A setting that the file names and that is not listed any more is put back.
    type: dict
  state:
    description:
      - With V(present) exactly O(values) are set and kept in the file.
      - With V(absent) the former values are put back and the file is removed. A setting that someone has changed since
        then stays as it is.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Some settings change others. Where C(net.ipv4.ip_forward) or C(net.ipv6.conf.all.forwarding) was V(0), the kernel
    changes the C(forwarding) of every interface with it, both ways, and C(net.ipv4.conf.all.accept_redirects).
requirements:
  - sysctl (procps)
attributes:
  check_mode:
    support: full
    description: Writes nothing, predicts what a run does.
  diff_mode:
    support: full
    description: Shows the settings as shell commands, and the file, before and after.
"""

EXAMPLES = r"""
- name: Spread flows by addresses and ports, also after a reboot
  baremetal.dsr.sysctl:
    path: /etc/sysctl.d/90-router.conf
    values:
      net.ipv4.fib_multipath_hash_policy: 1
      net.ipv6.fib_multipath_hash_policy: 1

- name: Put the settings back
  baremetal.dsr.sysctl:
    path: /etc/sysctl.d/90-router.conf
    state: absent
"""

RETURN = r"""
settings:
  description: The settings in question afterwards, as far as this kernel has them.
  returned: success
  type: dict
  sample: {net.ipv4.fib_multipath_hash_policy: "1"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.memory import parse_values
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.reconcile import reconcile

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "values": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "present", ("values",))], supports_check_mode=True
    )
    given = module.params
    wanted = given["values"] if given["state"] == "present" else {}
    try:
        done = reconcile(LocalRunner(), given["path"], parse_values(wanted), check_mode=module.check_mode)
    except DsrError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": done.changed, "settings": dict(done.after)}
    if module._diff:
        result["diff"] = done.diff(given["path"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
