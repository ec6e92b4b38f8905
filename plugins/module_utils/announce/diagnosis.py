# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a BGP session is down, judged from what the node itself can see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import DISABLED, Session
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

PASSWORD_COUNTERS = ("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure")
TTL_COUNTER = "TCPMinTTLDrop"
COUNTERS = (*PASSWORD_COUNTERS, TTL_COUNTER)
"""Of TcpExt in /proc/net/netstat."""


@dataclass(frozen=True)
class Facts:
    """What is seen of a session that is down.

    silent: at every look BIRD was waiting for the first answer to its TCP connection.
    unreachable: nobody answers for the router's address on the network (ARP, neighbour discovery).
    open_without_password: the router takes a TCP connection from this node that has no password; None if not tried.
    password, ttl_security: whether the node's own end has them.
    counted: by how much the kernel's counters of refused packets grew meanwhile; they are of the whole node.
    """

    session: Session
    silent: bool = False
    unreachable: bool = False
    open_without_password: bool | None = None
    password: bool = False
    ttl_security: bool = False
    counted: Mapping[str, int] = field(default_factory=dict)


def diagnose(facts: Facts) -> DsrError:
    """The reason and the cure. What the connection shows goes before BIRD's last error, which may be an old one."""
    session = facts.session
    router = f"router {session.description}" if session.description else "its router"
    reason, cure = _judge(facts)
    return DsrError(f"BGP session {session.name} to {router} ({session.neighbor})", reason, cure)


def _judge(facts: Facts) -> tuple[str, str]:
    session, error = facts.session, facts.session.last_error or ""
    if session.state == DISABLED:
        return "somebody has disabled it", f"Enable it: 'birdc -s /run/baremetal-dsr/bird.ctl enable {session.name}'"
    if facts.unreachable or "No route to host" in error:
        return (
            "not reachable, nobody answers for this address on the network (ARP, neighbour discovery)",
            "See that the router is up, and that its address in dsr_router and the network between them are right",
        )
    if "Network is unreachable" in error or (session.state == "idle" and not error):
        return (
            "no network of this node that is up has this address",
            "Give the router's address on the network of the nodes in dsr_router, and see that the node's device is up",
        )
    if facts.silent:
        return _silence(facts)
    if session.state in ("opensent", "openconfirm"):
        return _half_open(facts)
    return _told(session, error)


def _silence(facts: Facts) -> tuple[str, str]:
    """The router is there, but its TCP port 179 says nothing. That is how Linux treats a wrong password."""
    set_it = "Set dsr_bgp_password alike on both ends"
    if facts.password and (facts.open_without_password or facts.counted.get("TCPMD5NotFound")):
        return "only this node has a password: the router takes connections without one", set_it
    if not facts.password and facts.counted.get("TCPMD5Unexpected"):
        return "only the router has a password: it signs what it sends, and this node has none", set_it
    if facts.password and facts.counted.get("TCPMD5Failure"):
        return "the passwords of this node and of the router differ", set_it
    unanswered = "the router is there, but does not answer on TCP port 179"
    counters = "On the router 'nstat -az TcpExtTCPMD5*' grows if it is the password"
    if facts.password:
        return (
            f"{unanswered}: it has another password than this node, or a firewall drops the packets",
            f"{set_it}, or open the port. {counters}",
        )
    return (
        f"{unanswered}: only the router has a password, or a firewall drops the packets",
        f"{set_it}, or open the port. {counters}",
    )


def _half_open(facts: Facts) -> tuple[str, str]:
    if facts.ttl_security and facts.counted.get(TTL_COUNTER):
        return (
            "the router's packets come with too low a TTL: only this node has TTL security, or a router stands between",
            "Set dsr_bgp_ttl_security alike on both ends, and false if they are not on one network",
        )
    return (
        "the router takes the connection, but says nothing in BGP",
        "Read the log of its daemon; TTL security on one end only looks like this too (dsr_bgp_ttl_security)",
    )


def _told(session: Session, error: str) -> tuple[str, str]:
    """By BIRD's own words."""
    if "Connection refused" in error:
        return (
            "the router refuses the connection: no BGP daemon listens there, or it does not listen on this address",
            "See that its daemon runs, and that the address in dsr_router is right",
        )
    if "Connection reset" in error or "Connection closed" in error:
        return (
            "the router closes the connection at once: it has no such neighbor, or the neighbor is shut down there",
            "Run site.yml for the routers too; where others manage them, add this node's address as their neighbor",
        )
    if error == "Received: Bad peer AS":
        return (
            f"the router expects another AS number of this node than {session.local_asn}",
            "Set dsr_node_asn to what the router has for this neighbor, or correct the router",
        )
    if "Bad peer AS" in error:
        return (
            f"the router has another AS number than {session.remote_asn}",
            "Set dsr_router_asn, or asn in dsr_router, to the router's own",
        )
    if "BFD" in error:
        return (
            f"it was ended by BFD ({error})",
            "See that UDP port 3784 is open both ways and that the router has BFD for this node, or set dsr_bfd: false",
        )
    if "Hold timer expired" in error:
        return (
            "the router fell silent (hold timer expired)",
            "See whether packets are lost, it is overloaded, or only it has TTL security (dsr_bgp_ttl_security)",
        )
    if error:
        return f"BIRD says: {error}", "Read the log of the router's daemon and 'journalctl -u baremetal-dsr-bird'"
    return (
        f"it is in state {session.state}",
        "Read 'journalctl -u baremetal-dsr-bird' and the log of the router's daemon",
    )
