# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a session is down, from what BIRD 2.17 showed against FRR 10.3 in each of these cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.diagnosis import COUNTERS, Facts, diagnose
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import is_unreachable, parse_counters
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird import parse_sessions
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import Session

FIXTURES = Path(__file__).parents[3] / "fixtures" / "announce"


def session(recording: str) -> Session:
    (found,) = parse_sessions((FIXTURES / recording).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("recording", "reason", "cure"),
    [
        ("refused", "refuses the connection", "its daemon runs"),
        ("closed", "has no such neighbor", "Run site.yml for the routers"),
        ("unreachable", "nobody answers for this address", "that the router is up"),
        ("off-network", "no network of this node", "dsr_router"),
        ("half-open", "says nothing in BGP", "dsr_bgp_ttl_security"),
        ("other-router-as", "another AS number than 64999", "dsr_router_asn"),
        ("other-node-as", "expects another AS number of this node than 64513", "dsr_node_asn"),
    ],
)
def test_what_bird_shows_is_enough(recording: str, reason: str, cure: str) -> None:
    told = diagnose(Facts(session(recording)))
    assert told.item.startswith("BGP session dsr_r1_ipv4 to router r1 (")
    assert reason in told.reason
    assert cure in told.cure


@pytest.mark.parametrize(
    ("password", "opens", "counter", "reason"),
    [
        (True, True, "", "only this node has a password"),
        (True, False, "", "another password than this node, or a firewall"),
        (False, None, "", "only the router has a password, or a firewall"),
        (True, False, "TCPMD5NotFound", "only this node has a password"),
        (False, None, "TCPMD5Unexpected", "only the router has a password: it signs"),
        (True, False, "TCPMD5Failure", "differ"),
    ],
)
def test_silence_of_a_router_that_is_there(password: bool, opens: bool | None, counter: str, reason: str) -> None:
    facts = Facts(session("silent"), silent=True, password=password, open_without_password=opens, counted={counter: 4})
    assert reason in diagnose(facts).reason
    assert "dsr_bgp_password" in diagnose(facts).cure


def test_silence_of_a_router_that_is_not_there_is_no_matter_of_passwords() -> None:
    facts = Facts(session("silent"), silent=True, unreachable=True, password=True)
    assert "nobody answers for this address" in diagnose(facts).reason


def test_too_low_a_ttl() -> None:
    facts = Facts(session("half-open"), ttl_security=True, counted={"TCPMinTTLDrop": 3})
    assert "only this node has TTL security" in diagnose(facts).reason
    assert "too low" not in diagnose(replace(facts, ttl_security=False)).reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("BFD session down", "ended by BFD"),
        ("Received: Hold timer expired", "fell silent"),
        ("Received: Administrative shutdown", "BIRD says: Received: Administrative shutdown"),
    ],
)
def test_what_bird_says_last(error: str, reason: str) -> None:
    assert reason in diagnose(Facts(replace(session("refused"), last_error=error))).reason


def test_session_that_is_disabled() -> None:
    assert "enable dsr_r1_ipv4" in diagnose(Facts(replace(session("refused"), state="disabled"))).cure


def test_connection_goes_before_an_old_error() -> None:
    old = replace(session("silent"), last_error="Received: Bad peer AS")
    assert "port 179" in diagnose(Facts(old, silent=True)).reason


@pytest.mark.parametrize(
    ("text", "unreachable"),
    [
        ('[{"dst":"192.0.2.77","dev":"eth0","state":["INCOMPLETE"]}]', True),
        ('[{"dst":"192.0.2.77","dev":"eth0","state":["FAILED"]}]', True),
        ('[{"dst":"192.0.2.77","dev":"eth0","lladdr":"02:00:00:00:00:01","state":["STALE"]}]', False),
        ("[ ]", False),
        ("", False),
        ("garbage", False),
        ("[1]", False),
    ],
)
def test_neighbors(text: str, unreachable: bool) -> None:
    assert is_unreachable(text) is unreachable


def test_counters() -> None:
    found = parse_counters((FIXTURES / "netstat").read_text(encoding="ascii"))
    assert found.keys() == set(COUNTERS)
    assert found["TCPMinTTLDrop"] > 0
    assert parse_counters("garbage\nTcpExt: 1\n") == {}
