# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR as a managed router: its block in frr.conf, what others claim there, and what `write memory` made of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.baremetal.dsr.plugins.module_utils.routers import frr
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.claims import Claims
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import Peering

COMMENT = "!"
_OURS = r"{}-(?:nodes[46]|vip[46]|in[46]|out|drain|bfd)(?![A-Za-z0-9-])"
_HIDDEN = re.compile(r"(\bpassword[ \t]+)\S.*")
_SHARED = re.compile(r"^\s*(router bgp .*|neighbor \S+ (?:remote-as|password|ttl-security) .*)$", re.MULTILINE)
_BGP = re.compile(r"^router bgp \d+[ \t]*\n(?P<body>(?:[ \t]+.*\n|!.*\n)*)exit[ \t]*\n(?:!\n)?", re.MULTILINE)
_RESHAPED = re.compile(r".* activate|.* description .*|bgp community-list .*|match community .*")
"""What FRR does not show where it does it by itself, or may show in other words in another release."""

_SETTING = re.compile(
    r"(bgp router-id|bgp bestpath as-path multipath-relax|bgp listen limit|maximum-paths ibgp|maximum-paths)(?: (.+))?"
)
"""What belongs to the whole router, and no cluster's name is in it."""

_WITHOUT_USE = re.compile(
    r"!|bgp router-id \S+|bgp bestpath as-path multipath-relax|bgp listen limit \d+|address-family ipv[46] unicast"
    r"|exit-address-family|maximum-paths (?:ibgp )?\d+"
)


def block(peering: Peering) -> str:
    return "".join(f"{line}\n" for line in frr.lines(peering))


def claims(text: str) -> Claims:
    """What a block, or a whole configuration, holds on this router."""
    asn = re.search(r"^router bgp (\d+)[ \t]*$", text, re.MULTILINE)
    return Claims(
        asn=int(asn[1]) if asn else None,
        pools=tuple(re.findall(r"^ip(?:v6)? prefix-list \S+-vip[46] seq \d+ permit (\S+)", text, re.MULTILINE)),
        neighbors=frozenset(re.findall(r"^\s*neighbor ([0-9a-fA-F.:]+) ", text, re.MULTILINE)),
        ranges=tuple(re.findall(r"^\s*bgp listen range (\S+) ", text, re.MULTILINE)),
        settings=_settings(text),
    )


def hidden(text: str) -> str:
    """The text without its secrets."""
    return _HIDDEN.sub(r"\1(hidden)", text)


def shared(text: str) -> frozenset[str]:
    """The lines of a block that both ends of a session must agree on; a change of them ends every session."""
    return frozenset(_SHARED.findall(text))


def missing(text: str, running: str, cluster: str, started: str = "") -> list[str]:
    """Lines of a block that the running configuration lacks.

    running: with what `show version` says. started: the command line of bgpd. Both tell the number of next hops that
    FRR has by itself, and does not show.
    """
    held = {line.strip() for line in running.splitlines()}
    ours = re.compile(_OURS.format(re.escape(cluster)))
    lines = [line.strip() for line in text.splitlines() if ours.search(line)]
    lacking = [line for line in lines if line not in held and not _RESHAPED.fullmatch(line)]
    wanted, settings = _settings(text), _settings(running)
    usual = re.search(r"(?:^|\s)(?:-e|--ecmp)[ =]?(\d+)", started) or re.search(r"--enable-multipath=(\d+)", running)
    for name, value in wanted.items():
        unseen = name not in settings and "maximum-paths" in name and (usual is None or usual[1] == value)
        if settings.get(name) != value and not unseen:
            lacking.append(f"{name} {value}".strip())
    return lacking


def unmarked_pools(text: str) -> dict[str, tuple[str, ...]]:
    """The pools of each cluster whose lines stand outside of any block, as `write memory` leaves them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, pool in re.findall(r"^ip(?:v6)? prefix-list (\S+)-vip[46] seq \d+ permit (\S+)", text, re.MULTILINE):
        if re.search(rf"^\s*neighbor {re.escape(name)}-nodes[46] peer-group[ \t]*$", text, re.MULTILINE):
            found[name] = (*found.get(name, ()), pool)
    return found


def holds(text: str, cluster: str) -> bool:
    """Whether a configuration has anything by the cluster's names."""
    return bool(re.search(rf"(?<![A-Za-z0-9-]){_OURS.format(re.escape(cluster))}", text))


def without_cluster(text: str, cluster: str) -> str:
    """A text without the lines of the cluster that stand outside of any block, as `write memory` leaves them."""
    if not holds(text, cluster):
        return text
    kept = "".join(_kept(text, cluster))
    return _BGP.sub(lambda found: found[0] if _used(found["body"]) else "", kept)


def _settings(text: str) -> dict[str, str]:
    """The settings of BGP in the default VRF, each with its address family before its first words."""
    found: dict[str, str] = {}
    inside, family = False, ""
    for line in text.splitlines():
        words = " ".join(line.split())
        if line[:1] not in ("", " ", "\t", "!"):
            inside, family = bool(re.fullmatch(r"router bgp \d+", words)), ""
        elif words.startswith("address-family "):
            family = words.split(" ", 1)[1]
        elif words == "exit-address-family":
            family = ""
        setting = _SETTING.fullmatch(words) if inside else None
        if setting:
            where = f"{family.split()[0] if family else 'ipv4'} " if "maximum-paths" in setting[1] else ""
            found[where + setting[1]] = setting[2] or ""
    return found


def _used(body: str) -> bool:
    return any(line.strip() and not _WITHOUT_USE.fullmatch(line.strip()) for line in body.splitlines())


def _kept(text: str, cluster: str) -> Iterator[str]:
    ours = re.compile(rf"(?<![A-Za-z0-9-]){_OURS.format(re.escape(cluster))}")
    group = re.escape(cluster) + r"-nodes[46]"
    members = set(re.findall(rf"^\s*neighbor (\S+) peer-group {group}[ \t]*$", text, re.MULTILINE))
    end = ""
    for line in text.splitlines(keepends=True):
        words = line.split()
        if end:
            end = "" if line.rstrip() in (end, "!") else end
        elif ours.search(line):
            end = {"route-map": "exit", "profile": " exit"}.get(words[0], "")
        elif words[:1] == ["neighbor"] and words[1:2] and words[1] in members:
            continue
        else:
            yield line
