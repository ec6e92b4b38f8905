# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIRD as a managed router: each cluster's block in bird.conf, and the one block that all of them share. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import bird
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.claims import Claims
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering

COMMENT = "#"
SHARED = "*"
"""Stands for the name of a cluster in the markers of the block that all clusters share."""

FRESH = (
    "# Takes the place of the file that came with the package; that one is in {}.\n"
    "log syslog all;\nprotocol device {{\n}}\n"
)
"""Its protocol device must keep the name: BIRD loses the interfaces when one takes the place of another."""

_HIDDEN = re.compile(r'(\bpassword\s+)(?:"[^"\n]*"?|[^\s"(]\S*)')
_BOTH_ENDS = re.compile(r"^\s*(?:neighbor .* )?((?:local )?as \d+|password .*|ttl security .*);$", re.MULTILINE)
_ROUTER_ID = "# router id {}"
"""Stands in the block of a cluster that wants this router id, which stands in the block that all share."""
_GROUPS = re.compile(r"^template bgp '.*-nodes[46]'", re.MULTILINE)
_COMMENTS = re.compile(r"/\*.*?(?:\*/|\Z)|#[^\n]*", re.DOTALL)
_NAMES = re.compile(r"^protocol bgp '([^']+)'", re.MULTILINE)


def block(peering: Peering) -> str:
    wish = [_ROUTER_ID.format(peering.router_id)] if peering.router_id else []
    return "".join(f"{line}\n" for line in (*wish, *bird.sessions(peering)))


def shared_block(path: str, foreign: str, blocks: Iterable[str], max_paths: int) -> str:
    """What the daemon needs once for all clusters, as far as the operator's own part does not have it.

    max_paths: next hops of one route. DsrError if the operator's kernel protocol would install one next hop only.
    """
    plain = _COMMENTS.sub("", foreign)
    ours = "\n".join(blocks)
    clusters = sorted(set(re.findall(r"^template bgp '(.+)-nodes[46]'", ours, re.MULTILINE)))
    if not clusters:
        return ""
    versions = [version for version in (4, 6) if re.search(rf"^filter '.+-in{version}' {{", ours, re.MULTILINE)]
    return "".join(f"{line}\n" for line in _shared(path, plain, ours, clusters, versions, max_paths))


def _shared(
    path: str, plain: str, ours: str, clusters: list[str], versions: list[int], max_paths: int
) -> Iterator[str]:
    wish = claims(ours).settings
    if wish and not re.search(r"\brouter\s+id\b", plain):
        yield from (f"{name} {value};" for name, value in wish.items())
    if not _bodies(plain, "device"):
        yield from ("protocol device 'dsr-device' {", "}")
    if "\tbfd {" in ours and not _bodies(plain, "bfd"):
        yield from ("protocol bfd 'dsr-bfd' {", "}")
    kernels = _bodies(plain, "kernel")
    ways = " || ".join(f'proto ~ "{cluster}-*"' for cluster in clusters)
    for version in versions:
        theirs = [body for body in kernels if (version == 6) == bool(re.search(r"\bipv6\b", body))]
        if any(not re.search(r"\bmerge\s+paths\b", body) for body in theirs):
            raise DsrError(
                f"file {path}",
                f"its kernel protocol for IPv{version} installs one next hop of a route, not all of them",
                f"Add 'merge paths yes limit {max_paths};' to it, or delete it: then this role adds one",
            )
        if not theirs:
            yield f"protocol kernel 'dsr-kernel{version}' {{"
            yield f"\tmerge paths yes limit {max_paths};"
            yield from (f"\tipv{version} {{", f"\t\texport where source = RTS_BGP && ({ways});", "\t};", "}")


def claims(text: str) -> Claims:
    """What a block holds on this router."""
    nets = re.findall(r"if net !~ \[ (.*?) \]", text)
    asn = re.search(r"^\s*local as (\d+);", text, re.MULTILINE)
    return Claims(
        asn=int(asn[1]) if asn else None,
        pools=tuple(net.strip().partition("{")[0] for each in nets for net in each.split(", ")),
        neighbors=frozenset(re.findall(r"^\s*neighbor ([0-9a-fA-F.:]+) ", text, re.MULTILINE)),
        ranges=tuple(re.findall(r"^\s*neighbor range (\S+) ", text, re.MULTILINE)),
        settings=dict(re.findall(r"^# (router id) (\S+)$", text, re.MULTILINE)),
    )


def operator_claims(foreign: str) -> Claims:
    """What the operator's own part sets that a cluster may want, too."""
    return Claims(settings=dict(re.findall(r"\b(router id)\s+([0-9.]+)\s*;", _COMMENTS.sub("", foreign))))


def hidden(text: str) -> str:
    """The text without its secrets."""
    return _HIDDEN.sub(r'\1"(hidden)"', text)


def shared(text: str) -> frozenset[str]:
    """The lines of a block that both ends of a session must agree on; a change of them ends every session."""
    return frozenset(_BOTH_ENDS.findall(text)) | frozenset(_GROUPS.findall(text))


def names(text: str) -> list[str]:
    """The sessions of a block. A protocol for a range is there without a neighbor, too."""
    return _NAMES.findall(text)


def _bodies(plain: str, kind: str) -> list[str]:
    """What stands in the braces of each protocol of this kind."""
    found = []
    for head in re.finditer(rf"\bprotocol\s+{kind}\b[^{{;]*\{{", plain):
        depth, at = 1, head.end()
        while depth and at < len(plain):
            depth += {"{": 1, "}": -1}.get(plain[at], 0)
            at += 1
        found.append(plain[head.end() : at])
    return found
