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
  - ICMP errors show no port. They go to the service that the packet they quote came from, so that the pod that owns the
    connection learns of them whichever director they reach. Later IPv4 fragments follow the service of their VIP; if it
    has several, IPVS puts them together with the first one.
  - Owns the chains C(DSR-RAW) and C(DSR-GUARD) (table raw), C(DSR-MARK) and C(DSR-ERROR) (table mangle) and C(DSR-PING)
    (table nat), the ipsets C(dsr-vip4), C(dsr-map4), C(dsr-limit4), C(dsr-allow4), C(dsr-error4), C(dsr-node4),
    C(dsr-pod4) and their twins for IPv6, and the ip rules and routes of routing protocol 78. Nothing else is touched.
  - Fails before the first change if another tool uses marks of the range, in an ip rule or in the tables raw and
    mangle, or if C(net.ipv4.conf.all.src_valid_mark) is on, which would make the kernel drop what comes for IPv4 VIPs.
  - Warns of rules of other tools that may change a mark on its way to IPVS, or that may end the way of a packet before
    it comes to the chains of this module. These are put first in C(PREROUTING) and C(OUTPUT), but not moved there again
    when another tool inserts before them.
  - Only rules that C(iptables-save) and C(ip6tables-save) show are looked at for that, so those of iptables-legacy are
    not seen by iptables-nft, nor the other way round. Where there is C(nft), it also warns of rules in tables of
    nftables that set a mark behind its own, but not of those that only a verdict map with a name leads to.
options:
  state:
    description:
      - With V(present) this node steers exactly O(vips) and O(entries). An address family without a VIP, and without a
        pod in O(guard), holds nothing.
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
      source_ranges:
        description:
          - Networks of the VIP's family that may reach it, each with its prefix length. Packets from anywhere else get
            no mark and are refused like those to a port that nobody serves. ICMP errors and later fragments are not
            limited.
          - How many were refused is counted, with O(form=ipset) by the elements of C(dsr-limit4) and C(dsr-limit6)
            (C(ipset list dsr-limit4)), with O(form=iptables) by the C(RETURN) rule behind the entry's C(MARK) rules.
          - Without it, with an empty list, or with a network of prefix length 0, everybody may.
        type: list
        elements: str
  mss:
    description:
      - Largest TCP maximum segment size that pods may announce to clients. It is written into the SYN packets that come
        from a VIP, on the node of the pod; a smaller one is never raised. What the client sends then fits into the
        tunnel to the pod.
      - The C(mss) of the plan is the MTU between the nodes without overlay, tunnel, IP and TCP headers.
      - Without it, or without a family, nothing is clamped.
    type: dict
    suboptions:
      ipv4:
        description:
          - Bytes, for IPv4 VIPs, from 256 to 65495.
        type: int
      ipv6:
        description:
          - Bytes, for IPv6 VIPs, from 256 to 65495.
        type: int
  ping:
    description:
      - Whether this node answers echo requests (ping) to the VIPs that have an entry. Otherwise, and for other VIPs,
        they are refused.
      - IPv4 takes NAT for that, so these packets alone are tracked by conntrack, and the interface that they come in by
        must have an IPv4 address.
      - An answer says that a director is there, not that a pod is.
    type: bool
    default: false
  guard:
    description:
      - Drops tunnel packets that arrive for backend pods of this node, unless a node of the cluster sent them and the
        packet inside is for a VIP. Each reason has a rule of its own in C(DSR-GUARD) for each tunnel, and so a counter.
      - Only headers as IPVS writes them pass. IPv6 extension headers, such as the encapsulation limit of C(ip6tnl), GRE
        with checksum, key or sequence number, and GUE with options are dropped.
      - Later IPv4 fragments from nodes pass. The first one, without which they come to nothing, is looked at.
      - Without it, or without a pod of a family, nothing is dropped.
    type: dict
    suboptions:
      sources:
        description:
          - Addresses that nodes send tunnel packets from. With an overlay between the nodes, such as VXLAN, these
            include the addresses of its devices.
        type: list
        elements: str
        required: true
      pods:
        description:
          - Addresses of this node's backend pods.
        type: list
        elements: str
        required: true
      pools:
        description:
          - Networks that all VIPs lie in.
        type: list
        elements: str
        required: true
      tunnels:
        description:
          - Which tunnels to look at, IP in IP (protocols 4 and 41), GRE (protocol 47), GUE (UDP port 6080).
        type: list
        elements: str
        choices: [gre, gue, ipip]
        required: true
  form:
    description:
      - With V(ipset) one rule looks the mark up in a set, so that a packet costs the same however many services.
      - With V(iptables) there is one MARK rule for each of O(entries), or for each of its O(entries[].source_ranges).
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
      - The range is all marks that are O(mark_base) under this mask. No other tool may use one of them.
      - It is ones followed by zeros, of which there are three at least.
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
  mtu_table:
    description:
      - Routing table that answers "fragmentation needed". With O(mss) for IPv4, UDP packets to a VIP that are larger
        than the MSS plus 40 bytes and must not be fragmented are routed by it.
      - IPVS itself would send that answer from the VIP, which Linux does not do in IPv4 as the VIP is on no interface.
      - With V(0) there is no answer.
    type: int
    default: 80
  rule_priority:
    description:
      - Priority of the ip rules to O(refuse_table) and O(mtu_table). The one to O(table) has the next number.
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
    mss: "{{ dsr_plan.mss }}"
    guard: "{{ dsr_plan.guard }}"

- name: Let only two networks reach a port, and answer ping
  baremetal.dsr.steering:
    vips: [203.0.113.1]
    entries:
      - vip: 203.0.113.1
        port: 443
        mark: 13631490
        source_ranges: [192.0.2.0/24, 198.51.100.7/32]
    ping: true

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
    "source_ranges": {"type": "list", "elements": "str"},
}

MSS = {"ipv4": {"type": "int"}, "ipv6": {"type": "int"}}

GUARD = {
    "sources": {"type": "list", "elements": "str", "required": True},
    "pods": {"type": "list", "elements": "str", "required": True},
    "pools": {"type": "list", "elements": "str", "required": True},
    "tunnels": {"type": "list", "elements": "str", "choices": ["gre", "gue", "ipip"], "required": True},
}

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "vips": {"type": "list", "elements": "str"},
    "entries": {"type": "list", "elements": "dict", "options": ENTRY},
    "mss": {"type": "dict", "options": MSS},
    "ping": {"type": "bool", "default": False},
    "guard": {"type": "dict", "options": GUARD},
    "form": {"type": "str", "choices": ["ipset", "iptables"], "default": "ipset"},
    "mark_base": {"type": "str", "default": "0x00d00000"},
    "mark_mask": {"type": "str", "default": "0xfff00000"},
    "table": {"type": "int", "default": 78},
    "refuse_table": {"type": "int", "default": 79},
    "mtu_table": {"type": "int", "default": 80},
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
    for warning in outcome["warnings"]:
        module.warn(warning)
    result: dict[str, Any] = {"changed": outcome["changed"], "vips": outcome["vips"]}
    if module._diff:
        result["diff"] = outcome["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
