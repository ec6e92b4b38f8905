#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and wiring; the work is done in module_utils/steering."""

from __future__ import annotations

DOCUMENTATION = r"""
module: steering
short_description: Steer packets for VIPs to the IPVS of this director
version_added: "1.0.0"
author: "baremetal.dsr contributors (@baremetal-dsr)"
description:
  - Gives every packet for a served VIP and port the firewall mark of its service, and delivers marked packets locally,
    where IPVS takes them, though no interface of the node has the VIP.
  - Packets for a VIP that no service takes are answered with ICMP "unreachable" by this node, never sent back.
  - Packets from and to VIPs are not tracked by conntrack, in both directions.
  - ICMP errors and fragments show no port. They follow the service of their VIP. If the VIP has several, IPVS gets
    them for the connections it has.
  - Owns the chains C(DSR-RAW) (table raw) and C(DSR-MARK) (table mangle), the ipsets C(dsr-vip4), C(dsr-vip6),
    C(dsr-map4) and C(dsr-map6), and the ip rules and routes of routing protocol 78.
    Nothing else is touched.
options:
  state:
    description:
      - With V(present) this node steers exactly O(vips) and O(entries). An address family without a VIP holds nothing.
      - With V(absent) everything this module owns is removed.
    type: str
    choices: [present, absent]
    default: present
  vips:
    description:
      - All VIPs, also those that no service takes now. None may be an address of this node's interfaces.
      - Required if O(state=present).
    type: list
    elements: str
  entries:
    description:
      - What is served.
      - Required if O(state=present).
    type: list
    elements: dict
    suboptions:
      vip:
        description:
          - One of O(vips).
        type: str
        required: true
      protocol:
        description:
          - Protocol of the port.
        type: str
        choices: [tcp, udp]
        default: tcp
      port:
        description:
          - Port, from 1 to 65535.
        type: int
        required: true
      mark:
        description:
          - Mark of the IPVS service that takes it, from O(mark_base) plus 2 to the last of the range.
        type: int
        required: true
  form:
    description:
      - With V(ipset) one rule looks the mark up in a set, so that a packet costs the same however many services.
      - With V(iptables) there is one MARK rule for each of O(entries).
    type: str
    choices: [ipset, iptables]
    default: ipset
  mark_base:
    description:
      - First mark of the owned range, as number or text such as V(0x00d00000). Itself it marks what is to be refused.
    type: str
    default: "0x00d00000"
  mark_mask:
    description:
      - The range is all marks that are O(mark_base) under this mask.
    type: str
    default: "0xfff00000"
  table:
    description:
      - Routing table that delivers locally.
    type: int
    default: 78
  refuse_table:
    description:
      - Routing table that answers "unreachable".
    type: int
    default: 79
  rule_priority:
    description:
      - Priority of the ip rule to O(refuse_table). The one to O(table) has the next number.
    type: int
    default: 780
requirements:
  - iptables 1.8 (nft or legacy)
  - ipset 6.22
  - iproute2 5.0
attributes:
  check_mode:
    support: full
    description: Writes nothing, predicts what a run does.
  diff_mode:
    support: full
    description: Shows what this module owns as input for ip, ipset and iptables-restore, before and after.
"""

EXAMPLES = r"""
- name: Steer two ports of a VIP to the service with mark 0xd00002
  baremetal.dsr.steering:
    vips: [203.0.113.1]
    entries:
      - {vip: 203.0.113.1, protocol: tcp, port: 80, mark: 13631490}
      - {vip: 203.0.113.1, protocol: udp, port: 53, mark: 13631490}

- name: Steer what the plan of this node says
  baremetal.dsr.steering:
    vips: "{{ dsr_plan.steering.vips }}"
    entries: "{{ dsr_plan.steering.entries }}"

- name: Remove all steering from this node
  baremetal.dsr.steering:
    state: absent
"""

RETURN = r"""
vips:
  description: The VIPs steered afterwards, IPv4 before IPv6, in numerical order.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.1, "2001:db8:f::1"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.apply import reconcile

ENTRY = {
    "vip": {"type": "str", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "port": {"type": "int", "required": True},
    "mark": {"type": "int", "required": True},
}

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "vips": {"type": "list", "elements": "str"},
    "entries": {"type": "list", "elements": "dict", "options": ENTRY},
    "form": {"type": "str", "choices": ["ipset", "iptables"], "default": "ipset"},
    "mark_base": {"type": "str", "default": "0x00d00000"},
    "mark_mask": {"type": "str", "default": "0xfff00000"},
    "table": {"type": "int", "default": 78},
    "refuse_table": {"type": "int", "default": 79},
    "rule_priority": {"type": "int", "default": 780},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ("vips", "entries"))],
        supports_check_mode=True,
    )
    try:
        outcome = reconcile(LocalRunner(), module.params, check_mode=module.check_mode)
    except DsrError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": outcome["changed"], "vips": outcome["vips"]}
    if module._diff:
        result["diff"] = outcome["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
