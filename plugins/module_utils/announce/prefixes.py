# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The announced prefixes as text: the file that BIRD includes, and what BIRD says it holds.

Prefixes are canonical texts ("203.0.113.1/32"); a VIP is the prefix of its full length.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address

PROTOCOLS = {4: "dsr_vip4", 6: "dsr_vip6"}
"""BIRD's static protocol of each IP version; the export filter of the speaker lets out these and no other."""

_HEADER = "# Written by the module baremetal.dsr.announcement, which overwrites every other change.\n"
_FILE_ROUTE = re.compile(r"^\s*route\s+([0-9A-Fa-f.:]+/[0-9]{1,3})\s", re.MULTILINE)
_BIRD_ROUTE = re.compile(r"^([0-9A-Fa-f.:]+/[0-9]{1,3})\s+[a-z]+ \[dsr_vip[46]\s", re.MULTILINE)


def prefixes(vips: Iterable[object]) -> frozenset[str]:
    """The prefixes of these VIPs; DsrError for one that is not an address."""
    parsed = [parse_address(f"announced VIP {vip}", vip) for vip in vips]
    return frozenset(f"{each.text}/{32 if each.version == 4 else 128}" for each in parsed)


def addresses(announced: Iterable[str]) -> list[str]:
    """The VIPs of these prefixes, in order; a prefix that is no host route keeps its length."""
    return [text.split("/")[0] if text.endswith(("/32", "/128")) else text for text in _ordered(announced)]


def render(announced: Iterable[str]) -> str:
    """The file for BIRD. Both protocols are always there, so that a change of VIPs never adds or ends one."""
    ordered = _ordered(announced)
    return _HEADER + "\n".join(_protocol(version, ordered) for version in PROTOCOLS)


def parse_file(text: str) -> frozenset[str]:
    """The prefixes in a file that `render` wrote; whatever else stands there is skipped."""
    return _canonical(_FILE_ROUTE.findall(text))


def parse_routes(text: str) -> frozenset[str]:
    """The prefixes of our protocols in the output of `birdc show route`; other lines are skipped."""
    return _canonical(_BIRD_ROUTE.findall(text))


def _protocol(version: int, ordered: Iterable[str]) -> str:
    routes = "".join(f"\troute {text} blackhole;\n" for text in ordered if (":" in text) == (version == 6))
    return f"protocol static {PROTOCOLS[version]} {{\n\tipv{version};\n{routes}}}\n"


def _canonical(found: Iterable[str]) -> frozenset[str]:
    return frozenset(text for text in map(_network, found) if text)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        return ""


def _ordered(announced: Iterable[str]) -> list[str]:
    networks = [ipaddress.ip_network(text) for text in announced]
    return [str(each) for each in sorted(networks, key=lambda each: (each.version, int(each[0]), each.prefixlen))]
