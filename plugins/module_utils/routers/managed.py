# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routing daemons that this collection configures: where they keep what, and how they are asked and told."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.daemons import BirdDaemon, FrrDaemon
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import ESTABLISHED, Report
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import bird_file, frr_file
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.blocks import parse, with_block
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.claims import (
    Claims,
    check_operator,
    check_other_cluster,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

FRR_CONFIG: Final = "/etc/frr/frr.conf"
FRR_BGPD: Final = "/run/frr/bgpd.pid"
BIRD_CONFIG: Final = "/etc/bird/bird.conf"
BIRD_SOCKET: Final = "/run/bird/bird.ctl"
BIRD_PACKAGED: Final = ("/usr/share/bird2/bird.conf", "/usr/share/bird3/bird.conf", "/usr/share/bird/bird.conf")
"""What Debian's packages make the configuration from."""


class Router(ABC):
    """A routing daemon. path: its configuration. comment: what starts a comment there."""

    comment: str
    load: Sequence[str]
    """The command by which it reads its configuration; sessions that did not change go on."""

    def __init__(self, runner: Runner, path: str) -> None:
        self._runner = runner
        self.path = path

    def clusters(self, text: str) -> list[str]:
        """The clusters that have a block in the file."""
        return sorted(name for name in parse(self.path, text, self.comment).blocks if name != bird_file.SHARED)

    def own(self, text: str, cluster: str) -> str:
        """The cluster's block in the file; empty if it has none."""
        return parse(self.path, text, self.comment).blocks.get(cluster, "")

    def sessions(self) -> frozenset[str]:
        """Addresses of the neighbors whose session is up; none if the daemon does not run."""
        try:
            report = self._report()
        except DsrError:
            return frozenset()
        return frozenset(each.neighbor for each in report.sessions if each.state == ESTABLISHED)

    def reload(self) -> None:
        result = self._runner.run(list(self.load), None, writes=True)
        if result.rc != 0:
            said = " ".join(self.hidden(result.err or result.out).split())
            raise DsrError(f"file {self.path}", f"could not be loaded: {said}", "Read the log of the daemon")

    def check(self, path: str) -> None:
        """DsrError if the daemon's own checker refuses the file at this path."""
        result = self._runner.run(self._checker(path), None, writes=False)
        if result.rc != 0:
            said = " ".join(self.hidden(result.err + " " + result.out).replace(path, self.path).split())
            raise DsrError(f"file {self.path}", f"its new text was refused: {said}", "Mend what it names and run again")

    def _conflicts(self, cluster: str, peering: Peering, blocks: Mapping[str, str], *, one_asn: bool) -> None:
        for other in sorted(blocks.keys() - {cluster, bird_file.SHARED}):
            theirs = self.claims(blocks[other])
            check_other_cluster(cluster, self.claims(self.block(peering)), other, theirs, one_asn=one_asn)

    @abstractmethod
    def block(self, peering: Peering) -> str:
        """The block of this peering."""

    @abstractmethod
    def claims(self, text: str) -> Claims:
        """What a block holds on the router."""

    @abstractmethod
    def hidden(self, text: str) -> str:
        """The text without its secrets."""

    @abstractmethod
    def shared(self, text: str) -> frozenset[str]:
        """The lines of a block that both ends of a session must agree on."""

    @abstractmethod
    def text(self, current: str, cluster: str, peering: Peering | None) -> str:
        """The file with the block of this peering; without any of the cluster's lines if it is None."""

    @abstractmethod
    def differs(self, text: str, cluster: str) -> list[str] | None:
        """What the running daemon lacks, or has too much, of the cluster in this file; None if it does not run."""

    @abstractmethod
    def _checker(self, path: str) -> list[str]:
        """The command that checks a file."""

    @abstractmethod
    def _report(self) -> Report:
        """What the daemon says of itself."""


class Frr(Router):
    """FRR with integrated configuration."""

    comment = frr_file.COMMENT
    load = ("systemctl", "reload", "frr.service")

    def __init__(self, runner: Runner, path: str = FRR_CONFIG) -> None:
        super().__init__(runner, path)

    def block(self, peering: Peering) -> str:
        return frr_file.block(peering)

    def claims(self, text: str) -> Claims:
        return frr_file.claims(text)

    def hidden(self, text: str) -> str:
        return frr_file.hidden(text)

    def shared(self, text: str) -> frozenset[str]:
        return frr_file.shared(text)

    def text(self, current: str, cluster: str, peering: Peering | None) -> str:
        found = parse(self.path, current, self.comment)
        block = frr_file.block(peering) if peering else ""
        if peering:
            foreign = frr_file.without_cluster(found.foreign, cluster)
            self._conflicts(cluster, peering, found.blocks, one_asn=True)
            for other, pools in frr_file.unmarked_pools(foreign).items():
                check_other_cluster(cluster, frr_file.claims(block), other, Claims(pools=pools), one_asn=True)
            check_operator(cluster, frr_file.claims(block), frr_file.claims(foreign))
        if frr_file.holds(found.foreign, cluster):
            # `write memory` has taken the markers; where it was run, it has taken those of every cluster.
            others = {name: text for name, text in found.blocks.items() if name != cluster}
            current = frr_file.without_cluster(found.foreign, cluster)
            for name, text in others.items():
                current = with_block(current, self.comment, name, text)
        return with_block(current, self.comment, cluster, block)

    def differs(self, text: str, cluster: str) -> list[str] | None:
        if not self._runner.has("vtysh"):
            return None
        argv = ["vtysh", "-c", "show version", "-c", "show running-config"]
        result = self._runner.run(argv, None, writes=False)
        if result.rc != 0:
            return None
        block = self.own(text, cluster)
        if not block:
            return [f"lines of cluster {cluster}"] if frr_file.holds(result.out, cluster) else []
        argv = ["pgrep", "--list-full", "--pidfile", FRR_BGPD, "bgpd"]
        started = self._runner.run(argv, None, writes=False).out
        return [frr_file.hidden(line) for line in frr_file.missing(block, result.out, cluster, started)]

    def _checker(self, path: str) -> list[str]:
        return ["vtysh", "-C", "-f", path]

    def _report(self) -> Report:
        return FrrDaemon(self._runner).report()


class Bird(Router):
    """The BIRD of the distribution's package."""

    comment = bird_file.COMMENT

    def __init__(
        self,
        runner: Runner,
        path: str = BIRD_CONFIG,
        socket: str = BIRD_SOCKET,
        packaged: Sequence[str] = BIRD_PACKAGED,
    ) -> None:
        super().__init__(runner, path)
        self._socket = socket
        self._packaged = packaged
        self.load = ("birdc", "-s", socket, "configure")

    @property
    def found(self) -> str:
        """Where the package's own file is kept while another one stands in its place."""
        return f"{self.path}.baremetal-dsr-found"

    def block(self, peering: Peering) -> str:
        return bird_file.block(peering)

    def claims(self, text: str) -> Claims:
        return bird_file.claims(text)

    def hidden(self, text: str) -> str:
        return bird_file.hidden(text)

    def shared(self, text: str) -> frozenset[str]:
        return bird_file.shared(text)

    def packaged(self, text: str) -> bool:
        """Whether this is the file as the package brought it. It has kernel protocols for one next hop."""
        return any(_text(path) == text for path in self._packaged)

    def text(self, current: str, cluster: str, peering: Peering | None) -> str:
        if peering and self.packaged(current):
            current = bird_file.FRESH.format(self.found)
        found = parse(self.path, current, self.comment)
        blocks = {name: text for name, text in found.blocks.items() if name not in (cluster, bird_file.SHARED)}
        if peering:
            self._conflicts(cluster, peering, blocks, one_asn=False)
            blocks[cluster] = bird_file.block(peering)
            check_operator(cluster, self.claims(blocks[cluster]), bird_file.operator_claims(found.foreign))
        old = found.blocks.get(bird_file.SHARED, "")
        limits = [int(each) for each in re.findall(r"merge paths yes limit (\d+)", old)]
        paths = max([peering.max_paths] if peering and len(blocks) == 1 else [*limits, *_paths(peering)] or [64])
        shared = bird_file.shared_block(self.path, found.foreign, blocks.values(), paths)
        current = with_block(current, self.comment, cluster, blocks.get(cluster, ""))
        current = with_block(current, self.comment, bird_file.SHARED, shared)
        if not blocks and current == bird_file.FRESH.format(self.found) and os.path.exists(self.found):
            return _text(self.found) or ""
        return current

    def differs(self, text: str, cluster: str) -> list[str] | None:
        if not self._runner.has("birdc"):
            return None
        argv = ["birdc", "-r", "-s", self._socket, "show", "protocols"]
        result = self._runner.run(argv, None, writes=False)
        if result.rc != 0:
            return None
        held = {line.split()[0] for line in result.out.splitlines() if line.split()[1:2] == ["BGP"]}
        wanted = bird_file.names(self.own(text, cluster))
        stale = [name for name in held if re.match(rf"{re.escape(cluster)}-(?:range[46]-\d+|[0-9a-f.:]+)\Z", name)]
        return sorted({*wanted, *stale} - (held & set(wanted)))

    def _checker(self, path: str) -> list[str]:
        return ["bird", "-p", "-c", path]

    def _report(self) -> Report:
        return BirdDaemon(self._runner, self._socket, None).report()


def _paths(peering: Peering | None) -> list[int]:
    return [peering.max_paths] if peering else []


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None
