#!/usr/bin/python
# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs
short_description: Reconcile the IPVS services of a director
version_added: "1.0.0"
description:
  - Brings every IPVS service of an owned range of firewall marks to the wanted state, in one call and one batch.
  - Services, schedulers, flags, persistence, destinations, tunnels, weights, thresholds and the I(order) of
    destinations are compared. The table of the schedulers C(mh) and C(sh) depends on the order, so that directors agree
    only when it is the same on all of them.
  - IPVS services on addresses, and those on marks outside the range, are neither changed nor shown.
  - Loads the kernel module C(ip_vs) where it is not loaded, and keeps the settings that IPVS needs behind ECMP.
options:
  state:
    description:
      - With V(present) this director has O(services), with O(sysctls) as they are asked for.
      - With V(absent) every owned service goes, and the settings get back the values that they had before this module
        changed them for the first time. A setting that someone has changed since then stays as it is.
      - The former values are kept in C(/run/baremetal-dsr-director.sysctls), which V(absent) removes.
      - With V(absent) only O(mark_base) and O(mark_mask) of the other options matter. Nothing is loaded, and where
        C(ip_vs) is not loaded there is nothing to do.
    type: str
    choices: [present, absent]
    default: present
  services:
    description:
      - The services this director shall have, for instance the list C(ipvs) of the plan.
      - The order of the list does not matter, that of the destinations does.
      - Required if O(state=present).
    type: list
    elements: dict
    suboptions:
      mark:
        description:
          - The firewall mark. It lies in the owned range and has an even distance to O(mark_base).
          - O(mark_base) itself and the odd marks are reserved.
        type: int
        required: true
      family:
        description: Address family of the VIP and the destinations.
        type: str
        choices: [ipv4, ipv6]
        required: true
      scheduler:
        description: A scheduler that the kernel of the machine has.
        type: str
        default: mh
      scheduler_flags:
        description:
          - Flags of the scheduler. C(mh) has V(mh-fallback) and V(mh-port), C(sh) has V(sh-fallback) and V(sh-port),
            others have none.
          - Without V(mh-port), C(mh) sends a client to the same pod whatever its port, on every director.
          - Without this option it is V([mh-fallback, mh-port]) for C(mh) and no flag for others.
        type: list
        elements: str
      one_packet:
        description: Schedule each UDP packet by itself. Has no effect on TCP.
        type: bool
        default: false
      persistence:
        description:
          - Seconds for which a client stays with its pod after its last connection, up to 31 days; V(0) for none.
          - Each director remembers this for itself. Clients that ECMP moves to another director are forgotten.
          - While a pod has weight V(0), its clients get another one with their next connection, as long as O(sysctls)
            has C(net.ipv4.vs.expire_quiescent_template).
        type: int
        default: 0
      tunnel:
        description:
          - How packets travel to the pods. V(gue) goes to UDP port 6080. Neither V(gue) nor V(gre) has checksums.
          - May be changed while connections last, as far as the pods take both.
        type: str
        choices: [ipip, gue, gre]
        default: ipip
      destinations:
        description:
          - The pods, in the order in which they shall stand in the kernel. Each is a dictionary with these keys.
          - C(address), required, is the address of the pod, of the family of the service.
          - C(weight), V(1) by default, is from 0 to 65535. A destination of weight 0 keeps its connections and gets no
            new ones. In the table of C(mh) it keeps the slots of its last other weight. A weight of 0 here counts as
            V(1) for that, on every director and whatever the destination weighed before.
          - C(draining), V(false) by default, gives it weight 0 in the kernel, and the slots of its C(weight) in the
            table of C(mh). Other connections keep their pods, and directors that have never seen it otherwise agree.
            While it drains its C(weight) must not change, since the kernel does not tell whose slots it keeps.
          - C(drain_until), only for one that drains, are the unix seconds after which it need not be waited for. It is
            passed on in RV(draining); this module itself removes only what is not listed.
          - C(upper_threshold) is the number of connections from which on it gets no new ones; V(0), the default, for no
            limit. Each director counts its own, so directors do not agree any more when it is reached.
          - C(lower_threshold) is the number below which it gets new ones again; V(0), the default, for three quarters
            of the upper threshold.
        type: list
        elements: dict
        default: []
  mark_base:
    description:
      - Base of the owned range, which is every mark where C(mark & mark_mask == mark_base).
      - Services on marks of another range, as of one that was used before, are never touched.
    type: str
    default: "0x00d00000"
  mark_mask:
    description: Mask of the owned range. Ones followed by zeros, of which there are three at least.
    type: str
    default: "0xfff00000"
  purge:
    description:
      - With V(true), owned services and destinations that are not listed are removed and the order of destinations is
        mended. A destination that has to change its place is deleted and added again within the batch.
      - With V(false) nothing is ever deleted. What is missing is added and what differs is changed, while stale
        services and stale destinations stay and a wrong order stays.
      - Call it with V(false) before traffic is steered to new services, and with V(true) once traffic to stale
        services has been steered away, without the destinations that have drained.
    type: bool
    default: true
  sysctls:
    description:
      - Settings of IPVS in this network namespace, by their full names. Settings that are not listed are left alone.
      - C(net.ipv4.vs.sloppy_tcp=1), since a flow that ECMP moves to this director begins here without a SYN.
      - C(net.ipv4.vs.schedule_icmp=1), since an ICMP error may come to another director than its flow does.
      - C(net.ipv4.vs.expire_nodest_conn=1), so that flows to a pod that is gone end instead of hanging. While
        destinations are moved to another place in the list, it is set to 0 for that moment, so that their flows live.
      - C(net.ipv4.vs.expire_quiescent_template=1), so that a client of a service with persistence does not come back to
        a pod of weight 0. Its next connection is scheduled anew, and those that are open go on.
      - C(net.ipv4.vs.conn_reuse_mode=1), so that a client port that is used again is scheduled afresh.
    type: dict
    default:
      net.ipv4.vs.conn_reuse_mode: 1
      net.ipv4.vs.expire_nodest_conn: 1
      net.ipv4.vs.expire_quiescent_template: 1
      net.ipv4.vs.schedule_icmp: 1
      net.ipv4.vs.sloppy_tcp: 1
attributes:
  check_mode:
    description: Predicts exactly what a run does, and writes nothing.
    support: full
  diff_mode:
    description: >-
      Returns the settings as shell commands and the table as input for C(ipvsadm -R), before and after. Destinations
      are written last first, since the kernel adds each one at the head of its list.
    support: full
requirements:
  - ipvsadm 1.31 or newer
  - Linux with IPVS (kernel module C(ip_vs) and those of the schedulers)
seealso:
  - module: baremetal.dsr.ipvs_info
  - plugin: baremetal.dsr.undrained
    plugin_type: filter
author:
  - "baremetal.dsr contributors (@baremetal-dsr)"
"""

EXAMPLES = r"""
- name: One service with two pods
  baremetal.dsr.ipvs:
    services:
      - mark: 0x00d00002
        family: ipv4
        scheduler: mh
        scheduler_flags: [mh-fallback, mh-port]
        destinations:
          - address: 10.244.1.2
          - address: 10.244.2.2

- name: Add and change services before traffic is steered to them, remove nothing yet
  baremetal.dsr.ipvs:
    services: "{{ dsr_plan['ipvs'] }}"
    purge: false

- name: Remove what is not planned
  baremetal.dsr.ipvs:
    services: "{{ dsr_plan['ipvs'] }}"

- name: Remove what has drained on all directors, too
  baremetal.dsr.ipvs:
    services: "{{ dsr_plan['ipvs'] | baremetal.dsr.undrained(results) }}"
  vars:
    nodes: "{{ ansible_play_hosts_all }}"
    found: "{{ nodes | map('extract', hostvars) | map(attribute='built', default={}) }}"
    results: "{{ dict(nodes | zip(found)) }}"

- name: Remove all owned services and leave settings alone
  baremetal.dsr.ipvs:
    services: []
    sysctls: {}

- name: Remove all owned services and put the settings back
  baremetal.dsr.ipvs:
    state: absent
"""

RETURN = r"""
lines:
  description: Number of lines given to C(ipvsadm -R), or that would be in check mode.
  type: int
  returned: success
  sample: 11
stale:
  description:
    - Whether something is left that only a run with O(purge=true) removes or puts in order, or something drains.
    - After such a run V(true) only while something drains.
  type: bool
  returned: success
  sample: false
draining:
  description:
    - The destinations that drain, with all their connections in the kernel of this director.
    - The filter P(baremetal.dsr.undrained#filter) takes it.
  type: list
  elements: dict
  returned: success
  sample:
    - mark: 13631490
      family: ipv4
      address: 10.244.2.2
      connections: 3
      drain_until: 1795363200.0
closing:
  description:
    - The listed destinations of weight 0, for draining or by their own weight, that have connections on this director.
    - While there are some, no director should join or leave, as connections that move to another one would break.
  type: list
  elements: dict
  returned: when O(state=present)
  sample:
    - mark: 13631490
      family: ipv4
      address: 10.244.2.2
      connections: 3
time:
  description: When the connections were read, in unix seconds by the clock of the director.
  type: float
  returned: when O(state=present)
  sample: 1795363123.25
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.dsr.plugins.module_utils.collector import collector_paused
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import as_result, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.remove import remove
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner

ARGUMENT_SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "services": {
        "type": "list",
        "elements": "dict",
        "options": {
            "mark": {"type": "int", "required": True},
            "family": {"type": "str", "choices": ["ipv4", "ipv6"], "required": True},
            "scheduler": {"type": "str", "default": "mh"},
            "scheduler_flags": {"type": "list", "elements": "str"},
            "one_packet": {"type": "bool", "default": False},
            "persistence": {"type": "int", "default": 0},
            "tunnel": {"type": "str", "choices": ["ipip", "gue", "gre"], "default": "ipip"},
            "destinations": {"type": "list", "elements": "dict", "default": []},
        },
    },
    "mark_base": {"type": "str", "default": "0x00d00000"},
    "mark_mask": {"type": "str", "default": "0xfff00000"},
    "purge": {"type": "bool", "default": True},
    "sysctls": {
        "type": "dict",
        "default": {
            "net.ipv4.vs.conn_reuse_mode": 1,
            "net.ipv4.vs.expire_nodest_conn": 1,
            "net.ipv4.vs.expire_quiescent_template": 1,
            "net.ipv4.vs.schedule_icmp": 1,
            "net.ipv4.vs.sloppy_tcp": 1,
        },
    },
}


@collector_paused()
def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ("services",))],
        supports_check_mode=True,
    )
    runner, check, diff = LocalRunner(), module.check_mode, module._diff
    try:
        if module.params["state"] == "absent":
            result = remove(runner, module.params, check_mode=check, diff=diff)
        else:
            result = as_result(reconcile(runner, wish(module.params), check_mode=check), diff=diff)
    except DsrError as error:
        module.fail_json(msg=str(error))
    # Ansible would send all options back and search them for secrets, which with 1,000 services takes half of the run.
    asked = f"{len(module.params['services'] or ())} services"
    module.exit_json(invocation={"module_args": {**module.params, "services": asked}}, **result)


if __name__ == "__main__":
    main()
