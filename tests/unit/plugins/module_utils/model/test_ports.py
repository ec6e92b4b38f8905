# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Port
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.model.changes import (
    Change,
    parsed_web,
    port,
    refusal,
    web,
)

REFUSED: dict[str, tuple[Change, str]] = {
    "duplicate port": (
        web(ports=[{"port": 80}, {"port": "80", "protocol": "tcp"}]),
        "service web: 203.0.113.1 port 80/tcp is twice in this service",
    ),
    "port zero": (port({"port": 0}), "service web, port: is 0, out of range. Use a whole number from 1 to 65535"),
    "port too high": (port({"port": 65536}), "service web, port: is 65536, out of range"),
    "port a word": (port({"port": "http"}), "service web, port: is 'http', not a number"),
    "port a bool": (port({"port": True}), "service web, port: is True, not a number"),
    "port a fraction": (port({"port": 80.5}), "service web, port: is 80.5, not a number"),
    "port negative text": (port({"port": "-80"}), "service web, port: is '-80', not a number"),
    "port a scalar": (port(80), "service web, ports: is 80, not a mapping"),
    "port of unknown key": (
        port({"port": 80, "proto": "tcp"}),
        "service web, ports: has unknown keys: proto. Valid keys are port, protocol, targetPort",
    ),
    "port without number": (port({"protocol": "tcp"}), "service web, ports: lacks the keys port"),
    "ports empty": (web(ports=[]), "service web: has no ports"),
    "ports not a list": (web(ports={"port": 80}), "service web, ports: is {'port': 80}, not a list"),
    "protocol unknown": (
        port({"port": 80, "protocol": "icmp"}),
        "service web, port 80: unknown protocol 'icmp'. Use one of tcp, udp",
    ),
    "protocol not a string": (port({"port": 80, "protocol": 6}), "service web, port 80: unknown protocol 6"),
    "protocol sctp": (port({"port": 80, "protocol": "SCTP"}), "service web, port 80: is SCTP, which is not supported"),
    "targetPort differs": (port({"port": 80, "targetPort": 8080}), "Direct Server Return cannot rewrite ports"),
    "targetPort named": (port({"port": 80, "targetPort": "http"}), "service web, port 80: has targetPort 'http'"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    assert message in refusal(change)


def test_numbers_may_come_as_text() -> None:
    assert parsed_web(port({"port": "80", "targetPort": 80})).ports == (Port(80, "tcp"),)


def test_ports_stand_in_numeric_order() -> None:
    ports = [{"port": 1000}, {"port": 53, "protocol": "UDP"}, {"port": 53}]
    assert parsed_web(web(ports=ports)).ports == (Port(53, "tcp"), Port(53, "udp"), Port(1000, "tcp"))
