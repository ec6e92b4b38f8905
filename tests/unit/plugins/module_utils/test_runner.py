# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import CrashTest, LocalRunner


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


SHOPPING = (
    (["tee", "-a", "{list}"], "milk\nbread\nsalt\n"),
    (["touch", "{list}"], None),
    (["tee", "-a", "{list}"], "tea\nrice\n"),
)


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """Make the writes in a child with these variables: (the signal that ended it or 0, the lines it wrote)."""

    def run(**variables: str) -> tuple[int, list[str]]:
        path = tmp_path / "list"
        path.write_text("")
        child = os.fork()
        if child == 0:
            try:
                os.environ.update(variables)
                for argv, stdin in SHOPPING:
                    runner = LocalRunner()  # as each module has its own
                    runner.read(["cat", str(path)])
                    runner.write([word.format(list=path) for word in argv], stdin)
            finally:
                os._exit(0)
        _pid, status = os.waitpid(child, 0)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, path.read_text().split()

    return run


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        ("1:0", []),
        ("1:2", ["milk", "bread"]),
        ("1:3", ["milk", "bread", "salt"]),
        ("1", ["milk", "bread", "salt"]),
        ("2:0", ["milk", "bread", "salt"]),
        ("2", ["milk", "bread", "salt"]),
        ("3:1", ["milk", "bread", "salt", "tea"]),
        ("3", ["milk", "bread", "salt", "tea", "rice"]),
    ],
)
def test_fault_kills_at_the_chosen_line(shop, fault: str, written: list[str]) -> None:
    assert shop(BAREMETAL_DSR_FAULT=fault) == (signal.SIGKILL, written)


def test_fault_beyond_the_last_write_and_no_fault_do_nothing(shop) -> None:
    everything = ["milk", "bread", "salt", "tea", "rice"]
    assert shop(BAREMETAL_DSR_FAULT="4") == shop(BAREMETAL_DSR_FAULT="4:0") == shop() == (0, everything)


def test_writes_are_listed_and_reads_are_not(shop, tmp_path: Path) -> None:
    assert shop(BAREMETAL_DSR_WRITES=str(tmp_path / "writes"))[0] == 0
    told = [json.loads(line) for line in (tmp_path / "writes").read_text().splitlines()]
    assert [(one["number"], one["argv"][0], one["lines"]) for one in told] == [
        (1, "tee", ["milk\n", "bread\n", "salt\n"]),
        (2, "touch", []),
        (3, "tee", ["tea\n", "rice\n"]),
    ]


@pytest.mark.parametrize(
    ("fault", "written"), [("1:1", "a"), ("1:2", "ab"), ("1:3", "abc"), ("1", "abc"), ("2", "abcd")]
)
def test_fault_counts_the_tries_of_a_write_as_one(tmp_path: Path, fault: str, written: str) -> None:
    """A program that takes one line, then fails, unless it is the last; it is fed again from the line that failed."""
    path = tmp_path / "list"
    program = ["sh", "-c", f"read line; printf %s $line >>{path}; ! read line"]
    child = os.fork()
    if child == 0:
        try:
            runner = LocalRunner()
            runner._crash_test = CrashTest({"BAREMETAL_DSR_FAULT": fault})
            for text in ("a\nb\nc\n", "b\nc\n", "c\n", "d\n"):
                runner.run(program, text, writes=True)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert path.read_text() == written
