# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose daemons answer with what real ones answered. They refuse every write and every unknown command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner

FIXTURES = Path(__file__).parents[3] / "fixtures" / "bgp"
BIRDS = sorted(path.name for path in FIXTURES.glob("bird-*"))
FRRS = sorted(path.name for path in FIXTURES.glob("frr-*"))
SOCKET = "/run/test/bird.ctl"
SECRETS = ("s3cret-lab-pass", "other-lab-pass")


def text(recording: str, name: str) -> str:
    return (FIXTURES / recording / name).read_text(encoding="utf-8")


class Recorded(Runner):
    """replies: what to answer instead of the recording, by the words of a command.

    What was not recorded of a neighbor is answered as for one whose session has just ended.
    """

    def __init__(self, recording: str, replies: dict[str, Result] | None = None, *, lacks: Sequence[str] = ()) -> None:
        self.recording = recording
        self.replies = replies or {}
        self.lacks = lacks
        self.asked: list[str] = []

    def has(self, command: str) -> bool:
        return command not in self.lacks

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert not writes
        assert argv[0] not in self.lacks
        if argv[0] == "birdc":
            assert list(argv[1:4]) == ["-r", "-s", SOCKET]
            return self._answer(" ".join(argv[4:]), self._birdc)
        assert argv[0] == "vtysh"
        assert set(argv[1::2]) == {"-c"}
        answers = [self._answer(command, self._vtysh) for command in argv[2::2]]
        failed = [each for each in answers if each.rc]
        return failed[0] if failed else Result(0, "".join(each.out for each in answers), "")

    def _answer(self, command: str, find: Callable[[str], Result]) -> Result:
        self.asked.append(command)
        reply = self.replies.get(command)
        return reply or find(command)

    def _birdc(self, command: str) -> Result:
        words = command.split()
        if words[:2] == ["show", "route"]:
            assert words[-3] == "export" and words[-1] == "all"
            return self._file(f"export-{words[-2]}", Result(1, "No valid tables\n", ""))
        name = {
            "show status": "status",
            "show protocols all": "protocols",
            "show bfd sessions all": "bfd-all",
            "show bfd sessions": "bfd",
        }[command]
        found = self._file(name)
        return Result(1, found.out, "") if "syntax error" in found.out else found

    def _vtysh(self, command: str) -> Result:
        words = command.split()
        if "advertised-routes" in words:
            assert words[:2] == ["show", "bgp"] and words[3:5] == ["unicast", "neighbors"]
            assert words[6:] == ["advertised-routes", "detail", "json"]
            return self._file(f"advertised-{words[5]}.json", Result(0, "{}\n", ""))
        name = {
            "show bgp neighbors json": "neighbors.json",
            "show bfd peers json": "bfd.json",
            "show running-config bgpd no-header": "running-config",
        }[command]
        found = self._file(name)
        return found if found.out else Result(1, "", "bfdd is not running\n")

    def _file(self, name: str, missing: Result | None = None) -> Result:
        path = FIXTURES / self.recording / name
        return Result(0, path.read_text(encoding="utf-8"), "") if path.exists() or not missing else missing
