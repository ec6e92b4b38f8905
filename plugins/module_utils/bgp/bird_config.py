# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What BIRD does not tell but its configuration file does: whether a session has a password and TTL security.

The file holds secrets: of a string nothing but that it is one gets past the tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]* | /\*.*?(?:\*/|\Z)
      | (?P<string>"[^"]*(?:"|\Z))
      | (?P<word>'[^'\n]*' | [;{}] | [^\s;{}"'\#/]+ | .)""",
    re.VERBOSE | re.DOTALL,
)
_STRING = '""'
_OFF = frozenset(("off", "no", "false"))
_SECRETS = frozenset(("password", "passwords", "keys"))


class Security(NamedTuple):
    """How a session is guarded."""

    password: bool = False
    ttl_security: bool = False


def parse_security(config: str) -> dict[str, Security]:
    """Guards of the BGP protocols in a configuration file, by name. Templates are followed, included files are not."""
    templates: dict[str, Security] = {}
    protocols: dict[str, Security] = {}
    for head, body in _definitions(config):
        if len(head) < 2 or head[1] != "bgp" or head[0] not in ("protocol", "template"):
            continue
        parent = head[head.index("from") + 1 :][:1] if "from" in head else []
        name = head[2] if len(head) > 2 and head[2] != "from" else ""
        security = _guards(body, templates.get("".join(parent), Security()))
        (templates if head[0] == "template" else protocols)[name.strip("'")] = security
    return protocols


def _definitions(config: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The words before each top-level block and the statements in it; a block inside a statement ends it."""
    head: list[str] = []
    body: list[list[str]] = [[]]
    depth = 0
    for word in _words(config):
        if word == "{":
            depth += 1
            if depth > 1:
                body.append([])
        elif word == "}" and depth:
            depth -= 1
            body.append([])
            if not depth:
                yield head, body
                head, body = [], [[]]
        elif word == ";" and depth:
            body.append([])
        elif word == ";":
            head = []
        elif depth <= 1:
            (body[-1] if depth else head).append(word)


def _guards(body: list[list[str]], inherited: Security) -> Security:
    security = inherited
    for words in body:
        if words and words[0] in _SECRETS:
            security = security._replace(password=True)
        elif words[:2] == ["authentication", "none"]:
            security = security._replace(password=False)
        elif words[:2] == ["ttl", "security"]:
            security = security._replace(ttl_security=not _OFF.intersection(words[2:3]))
    return security


def _words(config: str) -> Iterator[str]:
    for found in _TOKEN.finditer(config):
        if found["string"] is not None:
            yield _STRING
        elif found["word"] is not None:
            yield found["word"]
