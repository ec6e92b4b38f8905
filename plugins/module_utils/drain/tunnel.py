# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections from a director through its own IPVS services and tunnels to pods.

The socket has the mark of the service. IPVS looks at the mark of what the node itself sends too (its hook in OUTPUT),
so the SYN goes to a pod as that of a client would; the pod answers the node's address, with the VIP as source.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address, parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils._fields import integer
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_WORKERS: Final = 64
_NAMED: Final = 5
"""How many of those without an answer an error names."""

Marker = Callable[[socket.socket, int], None]


@dataclass(frozen=True)
class Target:
    """A TCP port of a VIP, and the mark of its service."""

    vip: Address
    port: int
    mark: int


def parse_targets(values: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Targets from [{vip, port, mark}]; DsrError naming the first that cannot be one."""
    return [
        Target(
            parse_address("targets", value["vip"]),
            integer(f"target {value['vip']}, port", value["port"], 1, 65535),
            integer(f"target {value['vip']}, mark", value["mark"], 1, 0xFFFFFFFF),
        )
        for value in values
    ]


def set_mark(sock: socket.socket, mark: int) -> None:
    """Give what the socket sends this mark."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)


def probe(targets: Sequence[Target], sources: Sequence[str], timeout: float, mark: Marker = set_mark) -> int:
    """Connect to each target; how many there were. sources: addresses of this node, the first of a family is used.

    DsrError if one does not answer within `timeout` seconds.
    """
    addresses = [parse_address("sources", source) for source in sources]
    own = {address.version: address.text for address in reversed(addresses)}
    unasked = [target for target in targets if target.vip.version not in own]
    if unasked:
        raise DsrError(
            f"target {unasked[0].vip.text}",
            f"is IPv{unasked[0].vip.version}, but none of the sources is",
            "Give this node an address of that family in dsr_node.addresses",
        )
    with ThreadPoolExecutor(_WORKERS) as pool:
        said = list(pool.map(lambda target: _connect(target, own[target.vip.version], timeout, mark), targets))
    failed = [f"{_name(target)}: {reason}" for target, reason in zip(targets, said) if reason]
    if failed:
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        raise DsrError(
            "probe through the tunnels",
            f"{len(failed)} of {len(targets)} got no answer: {'; '.join(failed[:_NAMED])}{more}",
            "Run site.yml, see that the pods listen, and look for what drops tunnel packets between the nodes",
        )
    return len(targets)


def _connect(target: Target, source: str, timeout: float, mark: Marker) -> str:
    """Why there was no answer; "" if there was one."""
    family = socket.AF_INET if target.vip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            mark(sock, target.mark)
            sock.bind((source, 0))
            sock.connect((target.vip.text, target.port))
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return str(errno.errorcode.get(error.errno or 0, error))
    return ""


def _name(target: Target) -> str:
    vip = f"[{target.vip.text}]" if target.vip.version == 6 else target.vip.text
    return f"{vip}:{target.port}"
