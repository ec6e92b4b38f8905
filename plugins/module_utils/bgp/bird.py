# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of birdc as text, read for BIRD 2.0 to 2.20 and 3.1 to 3.4. Lines that are not known are skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.report import (
    DISABLED,
    ESTABLISHED,
    Bfd,
    Export,
    Session,
    host_address,
    neighbor_name,
    ordered_communities,
)

_TIME = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?|[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PROTOCOL = re.compile(rf"^(\S+)\s+(\S+)\s+\S+\s+(?:up|down|start|stop|flush)\s+({_TIME})?(?:\s|$)")
_FIELD = re.compile(r"^ +([A-Za-z][A-Za-z -]*):\s*(.*?)\s*$")
_CHANNEL = re.compile(r"^  Channel (\S+)\s*$")
_COUNT = re.compile(r"([0-9]{1,9}) (imported|exported)")
_VERSION = re.compile(r"^BIRD (?:version )?v?([0-9][^\s,]{0,40})", re.MULTILINE)
_CLOCK = re.compile(r"^Current server time is (\S+ \S+)", re.MULTILINE)
_BFD_LINE = re.compile(
    rf"^([0-9A-Fa-f.:]+)\s+(\S+)\s+([A-Za-z]+)\s+(?:{_TIME})\s+([0-9]{{1,6}}\.[0-9]{{3}})\s+([0-9]{{1,6}}\.[0-9]{{3}})\s*$"
)
_ROUTE = re.compile(r"^([0-9A-Fa-f.:]+/[0-9]{1,3})\s")
_COMMUNITIES = re.compile(r"^\s+(?:BGP\.|bgp_)(?:large_)?community:\s*(.*)$")
_COMMUNITY = re.compile(r"\(([0-9]{1,10}), ?([0-9]{1,10})(?:, ?([0-9]{1,10}))?\)")
_STATES = {"down": DISABLED}
_BFD_STATES = {"admindown": "admin_down"}


def parse_version(status: str) -> str | None:
    """Version in the output of `show status`."""
    found = _VERSION.search(status)
    return found[1] if found else None


def parse_clock(status: str) -> datetime | None:
    """BIRD's own clock in the output of `show status`; its zone is that of all its times."""
    found = _CLOCK.search(status)
    return _moment(found[1], None) if found else None


def parse_sessions(protocols: str, now: datetime | None = None) -> list[Session]:
    """The BGP sessions in the output of `show protocols all`; ranges that wait for neighbors are none.

    now: BIRD's clock, without which no uptime can be told.
    """
    return [session for block in _blocks(protocols) for session in _session(*block, now)]


def parse_bfd(text: str) -> list[Bfd]:
    """The BFD sessions in the output of `show bfd sessions all`, or of the short form, which lacks the multiplier."""
    found: list[Bfd] = []
    section = ""
    for line in text.splitlines():
        short = _BFD_LINE.match(line)
        if short:
            found.append(_short_bfd(short))
            continue
        field = _FIELD.match(line)
        if not field:
            continue
        key, value = field.groups()
        if key == "Address":
            found.append(Bfd(value, "unknown"))
            section = ""
        elif not value:
            section = key
        elif found:
            found[-1] = _bfd_field(found[-1], section, key, value)
    return found


def parse_exports(text: str) -> list[Export]:
    """The host routes in the output of `show route ... export NAME all`, with the communities they leave with."""
    found: dict[str, Export] = {}
    vip = None
    for line in text.splitlines():
        route = _ROUTE.match(line)
        if route:
            vip = host_address(route[1])
            if vip:
                found.setdefault(vip, Export(vip))
        elif vip and line[:1].isspace():
            communities = _COMMUNITIES.match(line)
            if communities:
                known = found[vip]
                more = _communities(communities[1])
                found[vip] = replace(known, communities=ordered_communities(known.communities + more))
    return list(found.values())


def _blocks(text: str) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Each BGP protocol's first line and the indented lines below it."""
    head: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace():
            lines.append(line)
            continue
        if head and head[2] == "BGP":
            yield head, lines
        head, lines = _PROTOCOL.match(line), []
    if head and head[2] == "BGP":
        yield head, lines


def _session(head: re.Match[str], lines: list[str], now: datetime | None) -> Iterator[Session]:
    fields, families, counts = _fields(lines)
    address = fields.get("Neighbor address")
    if not address:
        return
    bird_state = fields.get("BGP state", "").lower()
    session = Session(
        name=head[1].strip("'"),
        neighbor=address,
        description=fields.get("Description") or None,
        families=tuple(families),
        local_asn=_integer(fields.get("Local AS")),
        remote_asn=_integer(fields.get("Neighbor AS")),
        state=_STATES.get(bird_state, bird_state),
        last_error=fields.get("Last error") or None,
    )
    if session.state != ESTABLISHED:
        yield session
        return
    yield replace(
        session,
        uptime=_uptime(head[3], now),
        hold_time=_integer(fields.get("Hold timer", "").rpartition("/")[2]),
        prefixes_received=counts["imported"],
        prefixes_sent=counts["exported"],
        graceful_restart=_graceful_restart(lines),
    )


def _fields(lines: list[str]) -> tuple[dict[str, str], list[str], dict[str, int]]:
    """The session's own fields, its channels, and the routes that these count."""
    fields: dict[str, str] = {}
    families: list[str] = []
    counts = {"imported": 0, "exported": 0}
    for line in lines:
        channel, field = _CHANNEL.match(line), _FIELD.match(line)
        if channel:
            families.append(channel[1])
        elif field and not families:
            fields.setdefault(field[1], field[2])
        elif field and field[1] == "Routes":
            for number, what in _COUNT.findall(field[2]):
                counts[what] += int(number)
    return fields, families, counts


def _graceful_restart(lines: list[str]) -> dict[str, bool]:
    """An end bridges the other's restart if it has the capability, and asks to be bridged if it names families."""
    able = {"Local": False, "Neighbor": False}
    asks = {"Local": False, "Neighbor": False}
    end = item = ""
    for line in lines:
        depth, text = len(line) - len(line.lstrip()), line.strip()
        if depth <= 4:
            end = text.split()[0] if text.endswith(" capabilities") else ""
        elif end in able and depth == 6:
            item = text
            able[end] = able[end] or item == "Graceful restart"
        elif end in asks and item == "Graceful restart" and text.startswith("AF supported: "):
            asks[end] = True
    return {"local": asks["Local"] and able["Neighbor"], "neighbor": asks["Neighbor"] and able["Local"]}


def _short_bfd(found: re.Match[str]) -> Bfd:
    address, interface, state, interval, timeout = found.groups()
    return Bfd(neighbor_name(address, interface), _bfd_state(state), _ms(interval), None, _ms(timeout) or None)


def _bfd_field(bfd: Bfd, section: str, key: str, value: str) -> Bfd:
    if key == "Interface":
        return replace(bfd, neighbor=neighbor_name(bfd.neighbor, value))
    if key == "Session state":
        return replace(bfd, state=_bfd_state(value))
    if key == "Transmit timer":
        return replace(bfd, interval_ms=_ms(value.rpartition("/")[2]))
    if key == "Detect timer":
        return replace(bfd, detect_time_ms=_ms(value.rpartition("/")[2]))
    if key == "Multiplier" and section == "Local parameters":
        return replace(bfd, multiplier=_integer(value))
    return bfd


def _bfd_state(text: str) -> str:
    return _BFD_STATES.get(text.lower(), text.lower())


def _communities(text: str) -> tuple[str, ...]:
    return tuple(":".join(part for part in parts if part) for parts in _COMMUNITY.findall(text))


def _uptime(since: str | None, now: datetime | None) -> int | None:
    """Seconds since then. BIRD prints the time of day alone for the last 20 hours and the date alone before them,
    of which the end is taken, so that nothing is told to be up for longer than it is."""
    if not since or not now:
        return None
    start = _moment(since, now)
    if not start:
        return None
    if ":" not in since:
        start = min(start + timedelta(days=1), now - timedelta(hours=20))
    elif "-" not in since and start > now:
        start -= timedelta(days=1)
    return max(0, int((now - start).total_seconds()))


def _moment(text: str, today: datetime | None) -> datetime | None:
    text = text.split(".")[0]
    if today and "-" not in text:
        text = f"{today:%Y-%m-%d} {text}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _ms(seconds: str) -> int | None:
    found = re.fullmatch(r"\s*([0-9]{1,6})\.([0-9]{3})[0-9]*\s*", seconds)
    return int(found[1]) * 1000 + int(found[2]) if found else None


def _integer(text: str | None) -> int | None:
    found = re.fullmatch(r"\s*([0-9]{1,10})\s*", text or "")
    return int(found[1]) if found else None
