# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The practices that keep connections alive, each switched off while the others stay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.failover.fabric import Lab

SLOPPY: Final = "sysctl -q -w net.ipv4.vs.sloppy_tcp={}"
HASHING: Final = "sysctl -q -w net.ipv4.fib_multipath_hash_policy={0} net.ipv6.fib_multipath_hash_policy={0}"
# The destination at the end of every service's list comes to its head.
ROTATE: Final = (
    "sysctl -q -w net.ipv4.vs.expire_nodest_conn=0; "
    """ipvsadm -Sn | awk '/^-a/ {last[$3 ($4 == "-6")] = $0}"""
    """ END {for (each in last) {line = last[each]; sub("^-a", "-d", line); sub(" -i .*", "", line);"""
    """ print line; print last[each]}}' | ipvsadm -R; sysctl -q -w net.ipv4.vs.expire_nodest_conn=1"""
)


@dataclass(frozen=True)
class Without:
    """events: those it makes a difference to. variables: for every playbook, brought about by site.yml. off and on:
    done to the machines by hand, since the collection offers no way to be without it."""

    title: str
    events: Sequence[str]
    variables: Callable[[Lab], dict[str, Any]] = lambda _lab: {}
    off: Callable[[Lab], None] = lambda _lab: None
    on: Callable[[Lab], None] = lambda _lab: None

    @contextmanager
    def applied(self, lab: Lab) -> Iterator[None]:
        """Its variables hold; afterwards the cluster is in no known state, which `bring` mends."""
        usual = lab.variables
        lab.variables = {**usual, **self.variables(lab)}
        if lab.variables != usual:
            lab.state = ""
        try:
            yield
        finally:
            if lab.variables != usual:
                lab.state = ""
            lab.variables = usual

    @contextmanager
    def switched_off(self, lab: Lab) -> Iterator[None]:
        """Only while something is measured: undrain.yml would refuse tables that are not those planned."""
        try:
            self.off(lab)
            yield
        finally:
            self.on(lab)


def _round_robin(lab: Lab) -> dict[str, Any]:
    services = copy.deepcopy(lab.services)
    for service in services:
        service["scheduler"] = "rr"
    return {"dsr_services": services}


def _everywhere(line: str) -> Callable[[Lab], None]:
    def do(lab: Lab) -> None:
        for node in lab.nodes:
            lab.run(node, line)

    return do


def _on_routers(line: str) -> Callable[[Lab], None]:
    def do(lab: Lab) -> None:
        for router in lab.routers:
            lab.run(router, line)

    return do


def _shuffle(lab: Lab) -> None:
    """Every node has another order."""
    for turns, node in enumerate(lab.nodes):
        for _turn in range(turns):
            lab.run(node, ROTATE)


def _put_in_order(lab: Lab) -> None:
    lab.playbook("site")


WITHOUT: Final[dict[str, Without]] = {
    "mh": Without("rr instead of mh", ("bird", "blackhole"), variables=_round_robin),
    "sloppy_tcp": Without(
        "sloppy_tcp=0",
        ("bird", "blackhole"),
        off=_everywhere(SLOPPY.format(0)),
        on=_everywhere(SLOPPY.format(1)),
    ),
    "order": Without(
        "destinations in another order on each director",
        ("bird", "blackhole"),
        off=_shuffle,
        on=_put_in_order,
    ),
    "bfd": Without("no BFD", ("power", "blackhole"), variables=lambda _lab: {"dsr_bfd": False}),
    "ports": Without(
        "hash of addresses without ports (L3)",
        ("rest", "blackhole"),
        off=_on_routers(HASHING.format(0)),
        on=_on_routers(HASHING.format(1)),
    ),
}
