# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.baremetal.dsr.plugins.modules import steering
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.steering.fake_director import FakeDirector

WISH = {"vips": ["203.0.113.1"], "entries": [{"vip": "203.0.113.1", "port": 80, "mark": 0xD00002}]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the module against a director; what it returned."""

    def run_module(director: FakeDirector, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(steering, "LocalRunner", lambda: director)
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            steering.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_from_nothing_and_back(run) -> None:
    director = FakeDirector()
    before = director.snapshot()
    done = run(director, **WISH, _ansible_diff=True)
    assert done["changed"]
    assert done["vips"] == ["203.0.113.1"]
    assert director.fate("203.0.113.1", "tcp:80") == "local 0xd00002"
    assert done["diff"]["before"] == ""
    assert "add dsr-map4 203.0.113.1,tcp:80 skbmark 0xd00002\n" in done["diff"]["after"]
    again = run(director, **WISH)
    assert not again["changed"]
    assert "diff" not in again
    gone = run(director, state="absent", _ansible_diff=True)
    assert gone["changed"]
    assert gone["diff"] == {"before": done["diff"]["after"], "after": ""}
    assert director.snapshot() == before


def test_numbers_are_taken_as_numbers_and_as_text(run) -> None:
    director = FakeDirector()
    run(director, **WISH)
    director.read_only = True
    assert not run(director, **WISH, mark_base=0xD00000, mark_mask="4293918720")["changed"]


def test_check_mode_writes_nothing(run) -> None:
    director = FakeDirector()
    director.read_only = True
    assert run(director, **WISH, _ansible_check_mode=True)["changed"]


def test_bad_input_fails_with_a_message(run) -> None:
    director = FakeDirector()
    director.read_only = True
    failed = run(director, vips=[], entries=WISH["entries"])
    assert failed["failed"]
    assert failed["msg"] == (
        "entry 203.0.113.1 tcp/80: VIP 203.0.113.1 is not in vips. Add it to vips or drop the entry"
    )


def test_present_needs_vips_and_entries(run) -> None:
    assert "vips, entries" in run(FakeDirector())["msg"]


def test_everything_on(run) -> None:
    director = FakeDirector()
    entries = [{**WISH["entries"][0], "source_ranges": ["192.0.2.0/24"]}]
    guard = {"sources": ["198.51.100.11"], "pods": ["10.244.1.2"], "pools": ["203.0.113.0/24"], "tunnels": ["ipip"]}
    wish = {"vips": WISH["vips"], "entries": entries, "mss": {"ipv4": 1400}, "ping": True, "guard": guard}
    assert run(director, **wish)["changed"]
    assert director.fate("203.0.113.1", "tcp:80", "198.51.100.9") == "refused"
    assert director.fate("203.0.113.1", "icmp:8") == "answered"
    director.read_only = True
    assert not run(director, **wish)["changed"]


def test_none_is_as_good_as_nothing(run) -> None:
    director = FakeDirector()
    run(director, **WISH)
    director.read_only = True
    assert not run(director, **WISH, mss=None, guard=None)["changed"]


@pytest.mark.parametrize("guard", [{"pods": []}, {"sources": [], "pods": [], "pools": [], "tunnels": ["vxlan"]}])
def test_guard_is_checked(run, guard: dict[str, Any]) -> None:
    assert run(FakeDirector(), **WISH, guard=guard)["failed"]


def test_warnings_are_given(run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(steering.AnsibleModule, "warn", lambda _module, text: given.append(text))
    director = FakeDirector()
    director.tables[4]["mangle"]["INPUT"].append("-j MARK --set-xmark 0x1/0x1")
    run(director, **WISH)
    assert len(given) == 1
    assert "mangle INPUT '-j MARK --set-xmark 0x1/0x1'" in given[0]
