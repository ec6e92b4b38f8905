# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods of this machine a capture looks into, and the capture as a background job."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Namespace, Paths, held_open, scan
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.background import Background, Job, Stop
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.capture import open_sources, watch
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.frames import address_bytes
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.routes import read_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.tally import HOST, Tally
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner, Runner

FOLDER = Path("/run/baremetal-dsr-capture")
MAX_SECONDS = 3600


class Pod(NamedTuple):
    """A namespace to look into. place: its name in the capture. addresses: those of the given ones that it holds."""

    place: str
    addresses: tuple[str, ...]
    namespace: Namespace


def find_pods(addresses: Iterable[str], namespaces: Sequence[Namespace]) -> tuple[list[Pod], list[str]]:
    """The pods that hold the addresses, each once, and the addresses found nowhere."""
    held: dict[int, list[str]] = {}
    by_inode = {namespace.inode: namespace for namespace in namespaces}
    missing = []
    for address in dict.fromkeys(addresses):
        namespace = next((space for space in namespaces if address in space.contents.addresses), None)
        if namespace is None:
            missing.append(address)
        else:
            held.setdefault(namespace.inode, []).append(address)
    return [Pod(found[0], tuple(found), by_inode[inode]) for inode, found in held.items()], missing


def start(params: dict[str, Any]) -> dict[str, Any]:
    """Start to count packets from and to the VIPs; returns as soon as every packet is seen.

    params: vips, pods (addresses), seconds.
    """
    vips = frozenset(address_bytes(vip) for vip in _addresses("vips", params["vips"]))
    pods = _addresses("pods", params["pods"])
    seconds = params["seconds"]
    if not 1 <= seconds <= MAX_SECONDS:
        raise DsrError("option seconds", f"{seconds} is out of range", f"Give a value from 1 to {MAX_SECONDS}")
    Background(FOLDER).start(lambda: _prepare(vips, pods, seconds))
    return {}


def collect(params: dict[str, Any]) -> dict[str, Any]:
    """End the capture and return what it found, with the routes to the VIPs if params["routes"].

    drained: whether there is a file params["drained"].
    """
    found = Background(FOLDER).collect()
    found["drained"] = os.path.lexists(params["drained"])
    if params["routes"]:
        found["routes"] = read_routes(LocalRunner(), _addresses("vips", params["vips"]))
    return found


def _prepare(vips: frozenset[bytes], addresses: Sequence[str], seconds: float) -> Job:
    runner: Runner = LocalRunner()
    pods, missing = find_pods(addresses, scan(runner, Paths()) if addresses else ())
    with ExitStack() as stack:
        paths = {pod.place: stack.enter_context(held_open(pod.namespace)) for pod in pods}
        sources = open_sources(vips, {place: path for place, path in paths.items() if path})
    places = {pod.place: list(pod.addresses) for pod in pods if pod.place in sources}
    missing += [address for pod in pods if pod.place not in places for address in pod.addresses]

    def job(stop: Stop) -> dict[str, Any]:
        tally = Tally(vips)
        dropped = watch(sources, tally, stop, seconds)
        return {
            "packets": tally.entries(),
            "places": {HOST: [], **places},
            "missing": missing,
            "dropped": dropped,
            "left_out": tally.left_out,
        }

    return job


def _addresses(option: str, values: Iterable[str]) -> list[str]:
    """Canonical, each once; DsrError naming the first that is no address."""
    found = []
    for value in values:
        try:
            found.append(str(ipaddress.ip_address(value)))
        except ValueError:
            raise DsrError(
                f"option {option}",
                f"'{value}' is not an IP address",
                "Give plain IPv4 or IPv6 addresses without prefix length",
            ) from None
    return list(dict.fromkeys(found))
