# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose tables can go and come back, with a BIRD that reads its file only when told to, for the guard."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import parse_file, prefixes, render

PROGRAM = Path(__file__).resolve().parents[4] / "roles/speaker/files/guard.py"
VIPS = prefixes(["203.0.113.1", "2001:db8:f::1"])
OTHERS = prefixes(["203.0.113.9"])
NONE: frozenset[str] = frozenset()

RULES = [
    {"priority": 0, "src": "all", "table": "255", "protocol": "2"},
    {
        "priority": 780,
        "src": "all",
        "fwmark": "0xd00000",
        "fwmask": "0xffffffff",
        "table": "79",
        "protocol": "78",
    },
    {"priority": 781, "src": "all", "fwmark": "0xd00000", "fwmask": "0xfff00000", "table": "78", "protocol": "78"},
]
ROUTES = {
    "78": [{"type": "local", "dst": "default", "dev": "lo", "protocol": "78"}],
    "79": [{"type": "unreachable", "dst": "default", "dev": "lo", "protocol": "78"}],
}
SAVED = {
    "raw": """*raw
:PREROUTING ACCEPT [0:0]
:DSR-RAW - [0:0]
-A PREROUTING -m comment --comment "baremetal.dsr" -j DSR-RAW
-A DSR-RAW -m set --match-set dsr-vip4 dst -m comment --comment "baremetal.dsr" -j CT --notrack
COMMIT
""",
    "mangle": """*mangle
:PREROUTING ACCEPT [0:0]
:DSR-MARK - [0:0]
-A PREROUTING -m comment --comment "baremetal.dsr" -j DSR-MARK
-A DSR-MARK -m set ! --match-set dsr-vip4 dst -m comment --comment "baremetal.dsr" -j RETURN
COMMIT
""",
}
IP_VS = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C6336401:0050 rr
  -> 0A000001:0050      Masq    1      0          0
FWM  00D12D52 wrr
  -> [2001:0db8:0001:0000:0000:0000:0000:0002]:0000      Tunnel  1      0          0
FWM  00D37D7A mh (mh-port,mh-fallback)
  -> 0AF40202:0000      Tunnel  3      0          0
"""


def load() -> Any:
    spec = importlib.util.spec_from_file_location("baremetal_dsr_guard", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guard = load()


class Machine:
    """Tables as the tools print them, and BIRD. What a test changes is what the guard finds."""

    def __init__(self, folder: Path) -> None:
        self.vips = folder / "vips.conf"
        self.kept = folder / "guard" / "kept"
        self.kept.parent.mkdir()
        self.drained = folder / "drained"
        self.ip_vs = folder / "ip_vs"
        self.restore()
        self.failing: tuple[str, ...] = ()
        self.bird_runs = True
        self.bird_refuses = False
        self.announced = NONE
        self.asked: list[str] = []
        self.after_reading: list[Any] = []
        self.state = "running"
        self.listed: str | None = None

    def restore(self) -> None:
        self.ip_vs.write_text(IP_VS)
        self.rules = list(RULES)
        self.routes = dict(ROUTES)
        self.saved = dict(SAVED)
        self.sets = {"dsr-vip4": 1, "dsr-vip6": 1}

    def write(self, vips: frozenset[str]) -> None:
        """As the module announcement does it."""
        self.vips.write_text(render(vips))
        self.announced = vips

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(" ".join(argv))
        if argv[0] in self.failing:
            return subprocess.CompletedProcess(argv, 4, "", "Resource temporarily unavailable")
        code, out, err = self.answer(list(argv))
        return subprocess.CompletedProcess(argv, code, out, err)

    def answer(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "ip" and argv[4] == "rule":
            return 0, json.dumps(self.rules), ""
        if argv[0] == "ip":
            found = self.routes.get(argv[-1])
            return (0, json.dumps(found), "") if found else (2, "", "Error: ipv4: FIB table does not exist.\n")
        if argv[0] in ("iptables-save", "ip6tables-save"):
            return 0, self.saved[argv[-1]], ""
        if argv[0] == "ipvsadm":
            listed = self.listed if self.listed is not None else self.ip_vs.read_text()
            return 0, re.sub(r"FWM  (\w+)", lambda mark: f"FWM  {int(mark[1], 16)}", listed), ""
        if argv[0] == "ipset":
            count = self.sets.get(argv[-1])
            if count is None:
                return 1, "", "ipset v7.17: The set with the given name does not exist\n"
            return 0, f"Name: {argv[-1]}\nType: hash:ip\nNumber of entries: {count}\n", ""
        if argv[0] == "systemctl":
            return 1, f"{self.state}\n", ""
        assert argv[0] == "birdc"
        if not self.bird_runs:
            return 1, "", "Unable to connect to server control socket (bird.ctl): No such file\n"
        if self.bird_refuses:
            return 1, "syntax error\n", ""
        self.announced = parse_file(self.vips.read_text() if self.vips.exists() else "")
        return 0, "Reconfigured\n", ""

    def start(self) -> Any:
        announcement = guard.Announcement(self.vips, self.kept, "bird.ctl", self.run)
        return guard.Guard(guard.Tables(self.run, str(self.ip_vs)), announcement, self.drained, self.pause)

    def pause(self, _seconds: float) -> None:
        if self.after_reading:
            self.after_reading.pop(0)()
