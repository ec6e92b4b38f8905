# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner


def test_input_goes_in_and_output_comes_out() -> None:
    assert LocalRunner().read(["cat"], "a\nb\n") == "a\nb\n"
    assert LocalRunner().read(["cat"]) == ""


def test_no_shell_is_involved() -> None:
    assert LocalRunner().write(["printf", "%s", "$HOME; *"]) == "$HOME; *"


def test_commands_speak_english_and_are_found_in_sbin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    said = dict(line.partition("=")[::2] for line in LocalRunner().read(["env"]).splitlines())
    assert said["LC_ALL"] == "C"
    assert said["PATH"].split(":") == ["/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_command_that_fails_is_told_with_what_it_said(verb: str) -> None:
    with pytest.raises(DsrError) as told:
        getattr(LocalRunner(), verb)(["sh", "-c", "echo one; echo two >&2; echo three >&2; exit 3"])
    assert told.value.reason == "failed: two three"
    with pytest.raises(DsrError, match="command 'false': failed: exit status 1"):
        getattr(LocalRunner(), verb)(["false"])


def test_run_leaves_the_judgement_to_the_caller() -> None:
    result = LocalRunner().run(["sh", "-c", "echo out; echo err >&2; exit 4"], None, writes=False)
    assert (result.rc, result.out, result.err) == (4, "out\n", "err\n")


def test_a_command_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    runner = LocalRunner()
    assert not runner.has("no-such-command")
    with pytest.raises(DsrError, match="command no-such-command: not found on this machine. Install the package"):
        runner.read(["no-such-command"])


def test_a_command_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("neither a script nor a binary")
    program.chmod(0o755)
    with pytest.raises(DsrError, match=f"command {program}: cannot be run: Exec format error"):
        LocalRunner().read([str(program)])
