# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of vtysh as text, as FRR 10.3 prints it. What is not known is skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

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
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError

_FAMILIES = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}
_ADDRESS = re.compile(r"[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")
_VERSION = re.compile(r"^frr version (\S{1,40})", re.MULTILINE)
_GUARDED = re.compile(r"^ neighbor (\S+) ttl-security ", re.MULTILINE)
_BGP = re.compile(r"^router bgp [0-9.]+ *\n((?: .*\n|!.*\n)*)", re.MULTILINE)
_BFD_STATES = {"shutdown": "admin_down"}
_WELL_KNOWN = {
    "internet": "0:0",
    "gracefulShutdown": "65535:0",
    "acceptOwn": "65535:1",
    "routeFilterTranslatedV4": "65535:2",
    "routeFilterV4": "65535:3",
    "routeFilterTranslatedV6": "65535:4",
    "routeFilterV6": "65535:5",
    "llgrStale": "65535:6",
    "noLlgr": "65535:7",
    "acceptOwnNexthop": "65535:8",
    "blackhole": "65535:666",
    "noExport": "65535:65281",
    "noAdvertise": "65535:65282",
    "localAs": "65535:65283",
    "noPeer": "65535:65284",
}


def parse_version(config: str) -> str | None:
    """Version in the output of `show running-config`."""
    found = _VERSION.search(config)
    return found[1] if found else None


def parse_guarded(config: str) -> frozenset[str]:
    """Neighbors and peer groups with TTL security in `show running-config`, of the default VRF; all else is dropped."""
    return frozenset(name for block in _BGP.findall(config) for name in _GUARDED.findall(block))


def parse_sessions(neighbors: str, guarded: frozenset[str] | None = None) -> list[Session]:
    """The sessions in the output of `show bgp neighbors json`.

    guarded: what `parse_guarded` found, without which it is not known who has TTL security.
    """
    told = _object(neighbors, "show bgp neighbors json")
    return [_session(str(name), each, guarded) for name, each in told.items() if _is_neighbor(each)]


def parse_bfd(peers: str) -> list[Bfd]:
    """The BFD sessions in the output of `show bfd peers json`."""
    found = []
    for document in parse_documents(peers, "show bfd peers json"):
        for peer in document if isinstance(document, list) else []:
            if isinstance(peer, dict) and isinstance(peer.get("peer"), str):
                found.append(_bfd(peer))
    return found


def parse_exports(document: object) -> list[Export]:
    """The host routes in one document of `show bgp ... neighbors ADDRESS advertised-routes detail json`."""
    routes = document.get("advertisedRoutes") if isinstance(document, dict) else None
    found = []
    for prefix, route in routes.items() if isinstance(routes, dict) else ():
        vip = host_address(str(prefix))
        if vip:
            found.append(Export(vip, _communities(route if isinstance(route, dict) else {})))
    return found


def parse_documents(text: str, command: str) -> list[Any]:
    """The JSON documents that stand one after the other in the output of vtysh."""
    decoder = json.JSONDecoder()
    found = []
    rest = text.strip()
    at = 0
    while at < len(rest):
        try:
            document, at = decoder.raw_decode(rest, at)
        except (ValueError, RecursionError):
            raise _no_json(command) from None
        found.append(document)
        while at < len(rest) and rest[at].isspace():
            at += 1
    return found


def _is_neighbor(told: object) -> bool:
    return isinstance(told, dict) and isinstance(told.get("bgpState"), str)


def _session(name: str, told: Mapping[str, Any], guarded: frozenset[str] | None) -> Session:
    families = _mapping(told, "addressFamilyInfo")
    state = str(told["bgpState"]).lower()
    up = state == ESTABLISHED
    return Session(
        name=name,
        neighbor=_neighbor(name, told),
        description=_text(told, "nbrDesc"),
        families=tuple(_FAMILIES.get(family, family) for family in families),
        local_asn=_integer(told, "localAs"),
        remote_asn=_integer(told, "remoteAs"),
        state=DISABLED if told.get("adminShutDown") is True else state,
        uptime=_seconds(told, "bgpTimerUpMsec") if up else None,
        hold_time=_seconds(told, "bgpTimerHoldTimeMsecs") if up else None,
        bfd=_wanted_bfd(_neighbor(name, told), _mapping(told, "peerBfdInfo")),
        prefixes_received=_sum(families, "acceptedPrefixCounter") if up else 0,
        prefixes_sent=_sum(families, "sentPrefixCounter") if up else 0,
        password=bool(told.get("authenticationEnabled")),
        ttl_security=None if guarded is None else bool(guarded.intersection((name, _text(told, "peerGroup")))),
        graceful_restart=_graceful_restart(_mapping(told, "gracefulRestartInfo")) if up else None,
        last_error=_last_error(told),
    )


def _neighbor(name: str, told: Mapping[str, Any]) -> str:
    """Its address; a session that is configured by interface is named after that."""
    remote = _text(told, "hostForeign")
    if _ADDRESS.fullmatch(name) or not remote or not _ADDRESS.fullmatch(remote):
        return name
    return neighbor_name(remote, name)


def _wanted_bfd(neighbor: str, told: Mapping[str, Any]) -> Bfd | None:
    """What bgpd keeps of a BFD session; its state is not believed, as it outlives the BFD daemon."""
    if not told:
        return None
    return Bfd(neighbor, "unknown", _integer(told, "txMinInterval"), _integer(told, "detectMultiplier"))


def _bfd(peer: Mapping[str, Any]) -> Bfd:
    status = str(peer.get("status", "unknown")).lower()
    state = _BFD_STATES.get(status, status)
    sends = _integer(peer, "transmit-interval")
    takes = _integer(peer, "receive-interval")
    detects = None
    if state == "up":
        sends = max(sends or 0, _integer(peer, "remote-receive-interval") or 0) or None
        takes = max(takes or 0, _integer(peer, "remote-transmit-interval") or 0)
        detects = takes * (_integer(peer, "remote-detect-multiplier") or 0) or None
    neighbor = neighbor_name(str(peer["peer"]), str(peer.get("interface", "")))
    return Bfd(neighbor, state, sends, _integer(peer, "detect-multiplier"), detects)


def _graceful_restart(told: Mapping[str, Any]) -> dict[str, bool]:
    own = str(told.get("localGrMode", "")).rstrip("*")
    other = str(told.get("remoteGrMode", "")).rstrip("*")
    able = ("Helper", "Restart")
    return {"local": own == "Restart" and other in able, "neighbor": other == "Restart" and own in able}


def _last_error(told: Mapping[str, Any]) -> str | None:
    due = _text(told, "lastResetDueTo")
    notified = _text(told, "lastNotificationReason")
    return f"{due}: {notified}" if due and notified else due or notified


def _communities(route: Mapping[str, Any]) -> tuple[str, ...]:
    path = _best(route)
    found = [_WELL_KNOWN.get(each, each) for each in _texts(_mapping(path, "community"), "list")]
    return ordered_communities([*found, *_texts(_mapping(path, "largeCommunity"), "list")])


def _best(route: Mapping[str, Any]) -> Mapping[str, Any]:
    paths = route.get("paths")
    maps = [path for path in paths if isinstance(path, dict)] if isinstance(paths, list) else []
    best = (path for path in maps if _mapping(path, "bestpath").get("overall") is True)
    return next(best, maps[0] if maps else {})


def _object(text: str, command: str) -> Mapping[str, Any]:
    for document in parse_documents(text, command):
        if isinstance(document, dict):
            return document
    raise _no_json(command)


def _no_json(command: str) -> DsrError:
    return DsrError(
        "FRR",
        f"`{command}` printed what is no JSON that can be read",
        "This was written for FRR 10.3; update an older FRR",
    )


def _mapping(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = told.get(key)
    return value if isinstance(value, dict) else {}


def _texts(told: Mapping[str, Any], key: str) -> Iterator[str]:
    value = told.get(key)
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else iter(())


def _text(told: Mapping[str, Any], key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) and value else None


def _integer(told: Mapping[str, Any], key: str) -> int | None:
    value = told.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _seconds(told: Mapping[str, Any], key: str) -> int | None:
    value = _integer(told, key)
    return None if value is None else value // 1000


def _sum(families: Mapping[str, Any], key: str) -> int:
    return sum(_integer(each, key) or 0 for each in families.values() if isinstance(each, dict))
