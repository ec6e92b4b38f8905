# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of BIRD's configuration: its mark, what of it may be shown, and what it says of its sessions. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird_config import Security, parse_security

_MARK = re.compile(r"^define (dsr_configuration_[0-9a-f]+) = 1;\n", re.MULTILINE)
_PASSWORD = re.compile(r'(\bpassword\s+)"[^"\n]*(?:"|$)', re.MULTILINE)
_PROTOCOL = re.compile(r"^protocol bgp (\w+)[^\n{]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r"^\s*local ([0-9A-Fa-f.:]+)(?: as [0-9]+)?;", re.MULTILINE)


@dataclass(frozen=True)
class Ends:
    """What a configuration says of the node's own end of its sessions, by name of the session. sources: addresses."""

    security: Mapping[str, Security] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def mark(content: str) -> str:
    """A constant that tells this configuration from every other one; BIRD shows which constants it has."""
    return f"dsr_configuration_{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def marked(content: str) -> str:
    """The file: the configuration, and its mark at the end."""
    return f"{content.rstrip()}\n\ndefine {mark(content)} = 1;\n"


def shown(text: str) -> str:
    """What a diff may show. No password, nor the mark, from which a weak one could be guessed.

    The end of the last line is missing: Ansible hides every text that has the whole secret option in it.
    """
    return _PASSWORD.sub(r'\1"(hidden)"', _MARK.sub("", text)).rstrip()


def ends(config: str) -> Ends:
    """The sessions of a configuration that the role has written."""
    sources = {}
    for name, body in _PROTOCOL.findall(config):
        source = _SOURCE.search(body)
        if source:
            sources[name] = source[1]
    return Ends(parse_security(config), sources)
