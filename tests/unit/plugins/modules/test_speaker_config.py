# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, against a bird and birdc of sh whose daemon is a folder."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.configuration import ends, marked, shown
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.sessions import Watch
from ansible_collections.baremetal.dsr.plugins.modules import speaker_config

BIRD = """#!/bin/sh
grep -q bogus "$3" && { echo "$3:1:1 syntax error" >&2; exit 1; }
exit 0
"""
BIRDC = """#!/bin/sh
# The folder of the socket is the daemon: running = the configuration that it goes by. A session is up if the password
# is the router's.
home=$(dirname "$2"); shift 2
[ -e "$home/bird.ctl" ] || { echo "Unable to connect to server control socket" >&2; exit 1; }
case "$*" in
"configure confirm") echo confirm >>"$home/log" ;;
configure*) echo "$*" >>"$home/log"; cp "$home/bird.conf" "$home/running" ;;
"show symbols "*) grep -q "define $3 " "$home/running" && printf '%s\\tconstant\\n' "$3" || exit 1 ;;
"show protocols all")
    state=Connect
    grep -q "password \\"$(cat "$home/router")\\"" "$home/running" && state=Established
    sed -n 's/^protocol bgp \\([^ ]*\\) .*/\\1/p' "$home/running" | while read -r name; do
        printf '%s BGP --- start 12:00:00.000 %s\\n  Description: r1\\n  BGP state: %s\\n' "$name" $state $state
        printf '    Neighbor address: 192.0.2.1\\n    Neighbor AS: 64512\\n    Local AS: 64513\\n  Channel ipv4\\n'
    done ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
home=$(dirname "$0")/..
echo "systemctl $*" >>"$home/log"
[ "$1" != restart ] || { cp "$home/bird.conf" "$home/running"; touch "$home/bird.ctl"; }
"""
IP = "#!/bin/sh\necho '[]'\n"


def content(password: str = "old", more: str = "", names: tuple[str, ...] = ("dsr_r1_ipv4",)) -> str:
    sessions = "".join(f"protocol bgp {name} from dsr_router {{\n\tlocal 192.0.2.11;\n}}\n" for name in names)
    return f'{more}template bgp dsr_router {{\n\tpassword "{password}";\n}}\n{sessions}'


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"bird": BIRD, "birdc": BIRDC, "systemctl": SYSTEMCTL, "ip": IP}.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(
        speaker_config,
        "Watch",
        lambda runner, bird: Watch(runner, bird, pause=lambda _seconds: None, connect=lambda _source, _address: True),
    )
    (tmp_path / "router").write_text("old", encoding="utf-8")
    (tmp_path / "log").touch()
    return tmp_path


@pytest.fixture
def running(node: Path) -> Path:
    """A node with a session that is up."""
    for name in ("bird.conf", "running"):
        (node / name).write_text(marked(content()), encoding="utf-8")
        (node / name).chmod(0o640)
    (node / "bird.ctl").touch()
    return node


def run(node: Path, capsys: pytest.CaptureFixture[str], text: str, **options: Any) -> dict[str, Any]:
    places = {
        "path": str(node / "bird.conf"),
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
        "socket": str(node / "bird.ctl"),
        "program": str(node / "bin" / "bird"),
        "wait": 3,
    }
    given = {
        **places,
        "content": text,
        **{f"_ansible_{key}": options.pop(key) for key in ("check_mode",) if key in options},
    }
    with patch_module_args({**given, **options}), pytest.raises(SystemExit):
        speaker_config.main()
    printed = capsys.readouterr().out
    assert not re.search('password [^"]*"(old|new)', printed), "a password was shown"
    told: dict[str, Any] = json.loads(printed)
    return told


def log(node: Path) -> list[str]:
    return (node / "log").read_text(encoding="utf-8").splitlines()


def file(node: Path) -> str:
    return (node / "bird.conf").read_text(encoding="utf-8")


def test_bird_that_does_not_run_yet(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(node, capsys, content())["changed"] is True
    assert file(node) == marked(content())
    assert (node / "bird.conf").stat().st_mode & 0o777 == 0o640
    assert run(node, capsys, content())["changed"] is False
    assert log(node) == []


def test_nothing_to_do(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content())
    assert (told["changed"], told["diff"]["before"]) == (False, told["diff"]["after"])
    assert log(running) == []


def test_change_is_read_and_confirmed(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content(more="# more\n"))
    assert (told["changed"], told["waited_for"], told["pending"]) == (True, ["dsr_r1_ipv4"], False)
    assert log(running) == ["configure timeout 33", "confirm"]
    assert run(running, capsys, content(more="# more\n"))["changed"] is False


def test_file_that_bird_has_not_read(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a run leaves it that was killed before it told BIRD."""
    (running / "bird.conf").write_text(marked(content(more="# more\n")), encoding="utf-8")
    told = run(running, capsys, content(more="# more\n"))
    assert told["changed"] is True
    assert "has not read this file" in told["diff"]["before"]
    assert (running / "running").read_text(encoding="utf-8") == file(running)
    assert run(running, capsys, content(more="# more\n"))["changed"] is False


def test_change_that_ends_the_sessions_is_undone_and_told(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content("new"))
    assert told["failed"]
    assert "the former file is back and the sessions are up again" in told["msg"]
    assert "only this node has a password" in told["msg"]
    assert file(running) == marked(content()) == (running / "running").read_text(encoding="utf-8")
    assert log(running) == ["configure timeout 33", "configure"]


def test_change_that_brings_the_sessions_up_is_no_matter_of_undo(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The routers were given the new password first, so nothing was up."""
    (running / "router").write_text("new", encoding="utf-8")
    told = run(running, capsys, content("new"), only_if_idle=True)
    assert (told["changed"], told["pending"], told["waited_for"]) == (True, False, [])
    assert file(running) == marked(content("new"))


def test_session_that_is_taken_out_is_not_waited_for(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = content(names=("dsr_r1_ipv4", "dsr_r2_ipv4"))
    run(running, capsys, two)
    assert run(running, capsys, content())["waited_for"] == ["dsr_r1_ipv4"]
    assert file(running) == marked(content())


def test_session_that_is_up_is_left_to_a_later_task(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content(more="# more\n"), only_if_idle=True)
    assert (told["changed"], told["pending"]) == (True, True)
    assert file(running) == marked(content())
    assert run(running, capsys, content(), only_if_idle=True)["pending"] is False


def test_check_mode_writes_nothing_and_predicts(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file(running)
    told = run(running, capsys, content("new", "# more\n"), check_mode=True)
    assert (told["changed"], file(running), log(running)) == (True, before, [])
    assert "# more" in told["diff"]["after"]


def test_file_that_bird_refuses_is_not_put_there(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content(more="bogus;\n"))
    assert "BIRD would refuse it" in told["msg"]
    assert file(running) == marked(content())
    assert sorted(path.name for path in running.glob("bird.conf*")) == ["bird.conf"]


def test_restart_reads_the_file_and_waits(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(running, capsys, content(more="# more\n"), restart=True)
    assert (told["changed"], told["waited_for"]) == (True, ["dsr_r1_ipv4"])
    assert log(running) == ["systemctl daemon-reload", "systemctl restart baremetal-dsr-bird.service"]
    assert "# more" in (running / "running").read_text(encoding="utf-8")


def test_wrong_mode_is_mended(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (running / "bird.conf").chmod(0o644)
    assert run(running, capsys, content())["changed"] is True
    assert (running / "bird.conf").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("new", ["new", ""])
def test_password_is_never_shown(running: Path, capsys: pytest.CaptureFixture[str], new: str) -> None:
    """Also when the change takes it away."""
    (running / "bird.ctl").unlink()
    text = content(new).replace('\tpassword "";\n', "")
    told = run(running, capsys, text)
    assert told["diff"]["before"] != told["diff"]["after"]
    assert '"(hidden)"' in told["diff"]["before"]
    assert "old" not in json.dumps(told["diff"])


def test_what_may_be_shown_tells_no_password() -> None:
    assert "old" not in shown(marked(content()))
    assert "dsr_configuration" not in shown(marked(content()))


def test_ends() -> None:
    found = ends(marked(content()))
    assert found.sources == {"dsr_r1_ipv4": "192.0.2.11"}
    assert found.security["dsr_r1_ipv4"].password is True
