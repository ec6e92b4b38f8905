#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bgp_info
short_description: Show BGP sessions, BFD, announced VIPs and the kernel's routes to VIPs
version_added: "1.0.0"
description:
  - Returns what the BGP daemon of a node or of a router says of itself, in one shape for BIRD and FRR, and beside it
    what the kernel really does with packets to the VIPs.
  - Changes nothing. BIRD is asked by C(birdc -r), which may only look.
  - Of a password it is told only whether there is one.
options:
  provider:
    description:
      - The daemon to ask.
      - V(auto) takes BIRD if O(socket) or O(config) is given or the speaker of this collection runs, else FRR if
        C(vtysh) is installed, else BIRD.
    type: str
    choices: [auto, bird, frr]
    default: auto
  socket:
    description:
      - BIRD's control socket.
      - The default is C(/run/baremetal-dsr/bird.ctl), that of the role P(baremetal.dsr.speaker#role), and where only
        C(/run/bird/bird.ctl) exists, that.
    type: path
  config:
    description:
      - BIRD's configuration file, which alone tells of passwords and of TTL security. Files that it includes are not
        read.
      - The default is the usual file of either default socket, and none for another socket; without a file both are
        V(none).
    type: path
  vips:
    description: VIPs whose routes in the kernel are returned.
    type: list
    elements: str
    default: []
  pools:
    description: Networks; the kernel's routes to all VIPs in them are returned.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
requirements:
  - BIRD 2 or 3, or FRR 10.3
  - root, or whoever else may use the daemon's socket
  - iproute2, if O(vips) or O(pools) is given
notes:
  - Of FRR the default VRF is read.
  - BIRD's times are as exact as it prints them. A session that is up for more than 20 hours may be up for a day more
    than its C(uptime).
seealso:
  - module: baremetal.dsr.announcement
author:
  - "baremetal.dsr contributors (@baremetal-dsr)"
"""

EXAMPLES = r"""
- name: Read the sessions of this node
  baremetal.dsr.bgp_info:
    provider: bird
  register: speaker

- name: Every session must be up
  ansible.builtin.assert:
    that: speaker.sessions | rejectattr('state', 'equalto', 'established') | length == 0

- name: Read what the kernel of a router does with the VIPs
  baremetal.dsr.bgp_info:
    provider: frr
    pools: ["203.0.113.0/24", "2001:db8:f::/64"]
  register: router
"""

RETURN = r"""
provider:
  description: The daemon that was asked, V(bird) or V(frr).
  type: str
  returned: success
  sample: bird
version:
  description: Its version; none if it does not tell.
  type: str
  returned: success
  sample: 2.17.5
sessions:
  description:
    - The BGP sessions by name. What the daemon does not tell is none.
    - C(name) is the protocol of BIRD, or the neighbor as FRR was told of it.
    - C(state) is V(established), V(idle), V(connect), V(active), V(opensent), V(openconfirm), or V(disabled) if an
      operator shut it down.
    - C(uptime) and C(hold_time) are seconds; both, and C(graceful_restart), are none while it is not established.
    - C(prefixes_received) counts those that passed the import policy.
    - C(bfd) is the BFD session to the neighbor, as in RV(bfd), or none. Its state is V(unknown) if the session wants
      BFD but no BFD daemon runs.
    - C(graceful_restart) tells for either end whether its restart would be bridged by the other one.
  type: list
  elements: dict
  returned: success
  sample:
    - name: dsr_r1_ipv4
      description: r1
      neighbor: 192.0.2.1
      families: [ipv4]
      local_asn: 64513
      remote_asn: 64512
      state: established
      uptime: 3600
      hold_time: 9
      bfd:
        state: up
        interval_ms: 300
        multiplier: 3
        detect_time_ms: 900
      prefixes_received: 0
      prefixes_sent: 2
      password: true
      ttl_security: true
      graceful_restart:
        local: false
        neighbor: false
      last_error:
bfd:
  description:
    - The BFD sessions by neighbor.
    - C(interval_ms) lies between two packets that this daemon sends, and C(multiplier) of them may be lost before the
      neighbor calls the path down.
    - C(detect_time_ms) after the neighbor's last packet this daemon calls the path down; none while the session is
      not up.
  type: list
  elements: dict
  returned: success
  sample:
    - neighbor: 192.0.2.1
      state: up
      interval_ms: 300
      multiplier: 3
      detect_time_ms: 900
announced:
  description:
    - The host routes that established neighbors get, in order of their addresses; one item per VIP and set of
      communities, with the neighbors that get it so.
    - A drained VIP carries V(65535:0).
  type: list
  elements: dict
  returned: success
  sample:
    - vip: 203.0.113.1
      communities: ["65535:0"]
      neighbors: [192.0.2.1]
routes:
  description:
    - The kernel's host routes, of its table main, to the VIPs of O(vips) and O(pools), in order of their addresses.
      Next hops whose link is down do not count.
    - A VIP of O(vips) without a route has the type V(none).
  type: list
  elements: dict
  returned: success
  sample:
    - vip: 203.0.113.1
      next_hops: [192.0.2.11, 192.0.2.12]
      type: unicast
      protocol: bgp
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.info import info
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "provider": {"type": "str", "choices": ["auto", "bird", "frr"], "default": "auto"},
    "socket": {"type": "path"},
    "config": {"type": "path"},
    "vips": {"type": "list", "elements": "str", "default": []},
    "pools": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = info(LocalRunner(), **module.params)
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
