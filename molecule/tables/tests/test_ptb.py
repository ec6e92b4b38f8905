# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 13: an ICMP "too big" about a connection reaches the pod that owns it, whichever director it comes to."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

import pytest
from hands import Services, known_nodes, services

CLIENT = {"203.0.113.1": "198.51.100.10", "2001:db8:f::1": "2001:db8:c::10"}
ERROR = {"203.0.113.1": [3, 4, 1400], "2001:db8:f::1": [2, 0, 1400]}
LONG = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="the harder case is enough for make test")
PODS = [f"n{number}/web-{number}" for number in (1, 2, 3)]


def two_on_a_vip() -> Services:
    """The VIPs of web serve datagrams too, by other pods: then the VIP of a packet does not tell its service."""
    dns = {":" in service["vip"]: service["backends"] for service in services() if service["name"].startswith("dns")}
    return [
        *services(),
        *(
            {
                "name": f"echo-{vip}",
                "vip": vip,
                "ports": [{"port": 7007, "protocol": "udp"}],
                "backends": dns[":" in vip],
            }
            for vip in CLIENT
        ),
    ]


@pytest.mark.parametrize("vip", CLIENT)
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(services, id="one service", marks=LONG),
        pytest.param(two_on_a_vip, id="two services on the VIP"),
    ],
)
def test_too_big_reaches_the_pod_through_a_director_that_never_saw_the_flow(
    tables, flows, sniff, packets, through, in_pod, wanted: Any, vip: str
) -> None:
    if wanted is not services:
        tables.bring(wanted())
    client, (kind, code, mtu) = CLIENT[vip], ERROR[vip]
    with ExitStack() as stack:
        with through(vip, "n1"), sniff("client", vip) as opening:
            result = stack.enter_context(flows(1, vip, idle=True))
        (flow,) = result["flows"]
        answered = [
            packet for packet in opening if packet["layers"][0][0] == vip and packet.get("ports") == [80, flow["port"]]
        ]
        stack.enter_context(through(vip, "n2"))
        (entries,) = tables["n2"].run("ipvsadm -Lnc")
        assert f":{flow['port']} " not in entries
        with ExitStack() as sniffers:
            seen = {pod: sniffers.enter_context(sniff(pod, vip)) for pod in PODS}
            packets("r1", "too_big", vip, client, str(flow["port"]), str(answered[-1]["next"]), str(mtu))
            time.sleep(1)
        found = {pod: [packet for packet in seen[pod] if packet.get("icmp") == [kind, code, mtu]] for pod in PODS}
        owner = f"{flow['node']}/{flow['pod']}"
        assert {pod for pod in PODS if found[pod]} == {owner}, found
        outer = [packet["layers"][0] for packet in found[owner] if packet["interface"] == "eth0"]
        assert len(outer) == 1 and outer[0][2] in (4, 41), found
        if flow["node"] != "n2":
            assert outer[0][0] in known_nodes()["n2"]["addresses"]
        path = in_pod(owner, f"ip route get {client} from {vip}; ip route flush cache; ip -6 route flush cache")
        assert f"mtu {mtu}" in path, path
    assert result["broken"] == [], result
