#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/routers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bgp_router
short_description: Make this machine the router of a cluster, with FRR or BIRD
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Keeps one marked block for the cluster in the configuration of FRR or BIRD. What else stands there is not touched.
  - The new file is read by the daemon's own checker before it takes the place of the old one. The daemon then loads it
    without ending sessions that did not change.
  - Before that a timer of systemd is armed which puts the former file back. O(state=confirmed), in a later task, stops
    it once the sessions that were up are up again. So a change that cuts off Ansible, or the sessions, undoes itself.
  - Several clusters may share a router. What they cannot share is told before anything is changed, and so is a change
    of another cluster that waits to be confirmed.
  - Fails where the operator's own configuration has another AS number, router id or number of next hops, or a node.
  - Where C(write memory) of FRR has taken the markers away, the cluster's lines are found by their names.
options:
  state:
    description:
      - V(present) brings the router to the options, V(absent) removes all lines of the cluster.
      - V(confirmed) waits for the sessions that were up before the change, and then lets the change stay. It does
        nothing if there was no change, and fails if the change was taken back.
    type: str
    choices: [present, confirmed, absent]
    default: present
  provider:
    description: The routing daemon.
    type: str
    choices: [frr, bird]
    default: frr
  cluster:
    description: Name of the cluster, of at most 20 letters, digits and V(-). Everything named here starts with it.
    type: str
    default: dsr
  take_back:
    description: Seconds after which a change that was not confirmed is taken back. V(0) for never.
    type: int
    default: 120
  name:
    description: Name of this router in messages.
    type: str
    default: this
  addresses:
    description:
      - Its addresses on the network of the nodes. A family that it has none of is left out.
      - Empty stands for one of each family.
    type: list
    elements: str
    default: []
  asn:
    description: AS number of this router. FRR has one only, shared with what else it does.
    type: int
    default: 64512
  node_asn:
    description: AS number of the nodes. The same as O(asn) makes it iBGP.
    type: int
    default: 64513
  router_id:
    description: BGP identifier, as an IPv4 address. Empty leaves it to the daemon.
    type: str
    default: ""
  nodes:
    description: The nodes, needed for O(state=present).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      addresses:
        description: Addresses that its speaker peers from. The first of each family is used.
        type: list
        elements: str
        required: true
  vip_pools:
    description: Networks that VIPs are taken from, needed for O(state=present). Only host routes in them are accepted.
    type: list
    elements: str
    default: []
  listen_ranges:
    description:
      - Networks that nodes are accepted from, instead of naming each. Every node must lie in one.
      - With O(sessions=one) those of the family that the sessions are between are used.
    type: list
    elements: str
    default: []
  sessions:
    description:
      - V(per_family) has a session of each address family with a node, each for the routes of its own family.
      - V(one) has the session between IPv4 addresses only, for the routes of both families. Where O(addresses) has no
        IPv4 address, it is the one between IPv6 addresses, for IPv6 routes. A node without an address of the family
        that the session is between is refused.
      - The speakers of the nodes must have the same.
    type: str
    choices: [per_family, one]
    default: per_family
  passive:
    description: Wait for the nodes to connect. Always so with O(listen_ranges).
    type: bool
    default: true
  keepalive:
    description: Seconds between keepalives.
    type: int
    default: 3
  hold:
    description: Seconds of silence after which a node counts as lost, at least three keepalives.
    type: int
    default: 9
  connect:
    description: Seconds between tries to connect. V(0) leaves it to the daemon.
    type: int
    default: 0
  password:
    description: Password of the sessions (TCP MD5). Empty for none.
    type: str
    default: ""
  ttl_security:
    description: Take BGP only from the next hop (GTSM, RFC 5082).
    type: bool
    default: true
  bfd:
    description: Detect lost nodes by BFD.
    type: bool
    default: true
  bfd_interval:
    description: Milliseconds between BFD packets, in both directions.
    type: int
    default: 300
  bfd_multiplier:
    description: BFD packets in a row that may be lost.
    type: int
    default: 3
  max_prefixes:
    description: Routes of one family that a node may announce.
    type: int
    default: 10000
  max_paths:
    description: Next hops of one route, at most V(128), and at least as many as there are nodes if those are fewer.
    type: int
    default: 64
  graceful_restart:
    description: Keep the routes of a node whose speaker restarts, and ask the nodes for the same.
    type: bool
    default: false
requirements:
  - FRR with frr-pythontools, or BIRD 2 or 3
  - systemd
  - root
attributes:
  check_mode:
    support: full
    description: Writes nothing, predicts what a run does.
  diff_mode:
    support: full
    description: Shows the cluster's block, before and after. Passwords are hidden.
seealso:
  - module: baremetal.dsr.bgp_info
"""

EXAMPLES = r"""
- name: Peer with two nodes
  baremetal.dsr.bgp_router:
    provider: frr
    nodes:
      - {name: n1, addresses: [192.0.2.11, "2001:db8:1::11"]}
      - {name: n2, addresses: [192.0.2.12, "2001:db8:1::12"]}
    vip_pools: [203.0.113.0/24, "2001:db8:f::/64"]

- name: Let it stay, now that Ansible still reaches the router
  baremetal.dsr.bgp_router:
    provider: frr
    state: confirmed
"""

RETURN = r"""
clusters:
  description: The clusters that have a block on this router afterwards.
  returned: when O(state) is V(present) or V(absent)
  type: list
  elements: str
  sample: [dsr]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed_task import run
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "state": {"type": "str", "choices": ["present", "confirmed", "absent"], "default": "present"},
    "provider": {"type": "str", "choices": ["frr", "bird"], "default": "frr"},
    "cluster": {"type": "str", "default": "dsr"},
    "take_back": {"type": "int", "default": 120},
    "name": {"type": "str", "default": "this"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "asn": {"type": "int", "default": 64512},
    "node_asn": {"type": "int", "default": 64513},
    "router_id": {"type": "str", "default": ""},
    "nodes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
        },
    },
    "vip_pools": {"type": "list", "elements": "str", "default": []},
    "listen_ranges": {"type": "list", "elements": "str", "default": []},
    "sessions": {"type": "str", "choices": ["per_family", "one"], "default": "per_family"},
    "passive": {"type": "bool", "default": True},
    "keepalive": {"type": "int", "default": 3},
    "hold": {"type": "int", "default": 9},
    "connect": {"type": "int", "default": 0},
    "password": {"type": "str", "default": "", "no_log": True},
    "ttl_security": {"type": "bool", "default": True},
    "bfd": {"type": "bool", "default": True},
    "bfd_interval": {"type": "int", "default": 300},
    "bfd_multiplier": {"type": "int", "default": 3},
    "max_prefixes": {"type": "int", "default": 10000},
    "max_paths": {"type": "int", "default": 64},
    "graceful_restart": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = run(LocalRunner(), module.params, check_mode=module.check_mode)
    except DsrError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
