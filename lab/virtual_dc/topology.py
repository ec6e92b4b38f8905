# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the data centre, from topology.json, which the guest reads too."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from virtual_dc.errors import LabError

LAB = Path(__file__).resolve().parent.parent
TOPOLOGY = LAB / "topology.json"
FIRST_PORT = 2210


@dataclass(frozen=True)
class Machine:
    """Something with an sshd: its address on the management network and its port on this computer."""

    name: str
    management: str
    port: int


def first_port() -> int:
    """The first of the forwarded ports on 127.0.0.1; DSRLAB_PORT moves it."""
    text = os.environ.get("DSRLAB_PORT", str(FIRST_PORT))
    if not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise LabError(f"DSRLAB_PORT is '{text}': set it to a number from 1024 to 65000, or unset it")
    return int(text)


def machines() -> list[Machine]:
    """The guest itself first, then every machine in it, each with its own port."""
    topology = json.loads(TOPOLOGY.read_text())
    addresses = {"guest": topology["management"]["guest"]}
    addresses.update({name: machine["management"] for name, machine in topology["machines"].items()})
    start = first_port()
    return [Machine(name, address, start + index) for index, (name, address) in enumerate(addresses.items())]
