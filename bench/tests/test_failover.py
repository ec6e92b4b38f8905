# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events on a lab that only writes down what is done to it, and what is made of their figures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from virtual_dc import ssh

from bench.__main__ import parse
from bench.benchmarks import failover
from bench.failover import fabric, verdict
from bench.failover.events import EVENTS, bring, why_not
from bench.failover.fabric import Lab
from bench.failover.measure import Load, connection_figures
from bench.failover.without import WITHOUT
from bench.harness import Goal
from bench.place import BenchmarkError

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CLUSTER: dict[str, Any] = yaml.safe_load((REPOSITORY / "inventories/lab/group_vars/all/cluster.yml").read_text())
NODES = {f"n{number}": {"addresses": [f"192.0.2.1{number}", f"2001:db8:fab::1{number}"]} for number in (1, 2, 3)}


class Written(Lab):
    """Nothing happens; `done` has what would. refusal: what drain.yml says when it fails."""

    done: list[Any]
    refusal = ""
    drained = False

    def run(self, machine: str, line: str) -> str:
        self.done.append((machine, line))
        if "drained" in line:
            return "drained\n" if self.drained else ""
        return "12.34 56.78\n"

    def attempt(self, name: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = {**self.variables, **variables}
        self.done.append((name, given))
        failed = name == "drain" and bool(self.refusal)
        return subprocess.CompletedProcess([], int(failed), self.refusal if failed else "", "")


@pytest.fixture
def lab() -> Written:
    listed = {
        "_meta": {"hostvars": {"r1": {}, **{name: {**CLUSTER, "dsr_node": node} for name, node in NODES.items()}}},
        "dsr_nodes": {"hosts": list(NODES)},
        "dsr_routers": {"hosts": ["r1"]},
    }
    read = fabric.from_inventory(Path("inventories/lab"), listed, {})
    made = Written(**vars(read))
    made.done = []
    return made


def playbooks(lab: Written) -> list[str]:
    return [name for name, _what in lab.done if name in ("site", "drain", "undrain")]


def test_the_lab_is_what_its_inventory_says(lab: Written) -> None:
    assert lab.vips == ["203.0.113.1", "2001:db8:f::1", "203.0.113.2", "2001:db8:f::2"]
    assert lab.nodes["n2"] == NODES["n2"]["addresses"]
    assert lab.bfd_detection_s == 3 and lab.hold_s == 9


def test_a_frozen_machine_sends_and_takes_nothing_either(lab: Written) -> None:
    assert lab.freeze("n2") == 12.34
    ((machine, line),) = lab.done
    assert machine == "guest"
    group, began, freeze, *cuts = line.replace("{ ", "").replace("; }", "").split(" && ")
    assert "machine@n2.service" in group and began == "cat /proc/uptime" and freeze == "echo 1 >$group/cgroup.freeze"
    assert cuts == [
        "tc -n n2 qdisc replace dev fabric root netem loss 100%",
        "tc qdisc replace dev n2-fabric root netem loss 100%",
    ]
    lab.thaw("n2")
    assert "del dev n2-fabric root" in lab.done[-1][1] and lab.done[-1][1].endswith("echo 0 >$group/cgroup.freeze")


def test_a_machine_that_shut_down_boots_with_its_pods(lab: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "hang_up", lambda *names: lab.done.append(("hung up", names)))
    event = EVENTS["shutdown"]
    assert event.start(lab) == 12.34
    event.undo(lab)
    stopped, hung_up, ended, booted, pods, site = lab.done
    assert stopped[0] == "n2" and "systemctl poweroff" in stopped[1]
    assert hung_up == ("hung up", ("n2",))
    assert "while systemctl -q is-active machine@n2" in ended[1]
    assert booted == ("guest", "systemctl start machine@n2")
    assert "until systemctl -q -M n2 is-active lab-pods" in pods[1]
    assert site == ("site", {})


def test_a_router_loses_both_its_links(lab: Written) -> None:
    assert fabric.cables("r1") == [("outside", "r1-outside"), ("fabric", "r1-fabric")]


def test_names_of_cables_are_those_that_the_lab_makes() -> None:
    made = (REPOSITORY / "lab/guest/machines.py").read_text()
    assert 'return f"{name}-{network}"[:15]' in made
    assert all(len(outer) <= 15 for _inner, outer in fabric.cables("attacker"))


def test_states_are_reached_with_as_few_playbooks_as_can_be(lab: Written) -> None:
    bring(lab, "whole")
    bring(lab, "whole")
    bring(lab, "drained")
    bring(lab, "drained")
    bring(lab, "whole")
    assert playbooks(lab) == ["site", "drain", "undrain"]
    bring(lab, "drained")
    bring(lab, "fewer")
    assert playbooks(lab)[3:] == ["drain", "undrain", "site"]


def test_whole_from_an_unknown_state_ends_a_drain_too(lab: Written) -> None:
    lab.drained = True
    bring(lab, "whole")
    assert playbooks(lab) == ["site", "undrain"]


def test_a_state_that_could_not_be_reached_is_not_known(lab: Written) -> None:
    bring(lab, "whole")
    lab.refusal = "no"
    with pytest.raises(BenchmarkError, match="drain.yml failed: no"):
        bring(lab, "drained")
    assert lab.state == ""


def test_backends_leave_and_drain_on_the_directors_node_only(lab: Written) -> None:
    bring(lab, "fewer")
    fewer = lab.done[-1][1]["dsr_services"]
    EVENTS["backend_drained"].start(lab)
    draining = lab.done[-1][1]["dsr_services"]
    assert [len(service["backends"]) for service in fewer] == [2, 2, 2, 2, 0]
    for service in draining:
        assert {each["node"] for each in service["backends"] if each.get("terminating")} <= {"n2"}
    assert sum(bool(each.get("terminating")) for service in draining for each in service["backends"]) == 4
    assert not any("terminating" in each for service in lab.services for each in service["backends"])


def test_the_refusal_must_be_the_one_that_is_meant(lab: Written) -> None:
    with pytest.raises(BenchmarkError, match="took a director out"):
        EVENTS["refused"].start(lab)
    lab.refusal = "n2: UNREACHABLE"
    with pytest.raises(BenchmarkError, match="not by its refusal"):
        EVENTS["refused"].start(lab)
    lab.refusal = "A backend still drains:\n 10.244.2.2"
    assert EVENTS["refused"].start(lab) == 12.34


def test_two_routers_are_asked_for_where_one_is_lost(lab: Written) -> None:
    assert why_not(lab, EVENTS["router"]) == "no second router"
    lab.routers = ["r1", "r2"]
    assert [name for name in EVENTS if why_not(lab, EVENTS[name])] == []


def test_the_router_that_is_lost_is_the_one_in_use(lab: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.routers = ["r1", "r2"]
    with pytest.raises(BenchmarkError, match=r"no router has the client's gateway: run molecule/routers/prepare.yml"):
        EVENTS["router"].start(lab)
    both = '[{"local": "198.51.100.254"}, {"local": "2001:db8:c::fffe"}]'
    monkeypatch.setattr(lab, "run", lambda machine, line: both if machine == "r2" else "[]")
    frozen: list[str] = []
    monkeypatch.setattr(lab, "freeze", frozen.append)
    EVENTS["router"].start(lab)
    assert frozen == ["r2"]


def test_practices_are_switched_off_for_known_events_and_come_back(lab: Written) -> None:
    for without in WITHOUT.values():
        assert set(without.events) <= set(EVENTS)
        with without.applied(lab), without.switched_off(lab):
            pass
        assert lab.variables == {}
    lines = [line for _machine, line in lab.done]
    assert (
        lines.count("sysctl -q -w net.ipv4.vs.sloppy_tcp=0")
        == 3
        == lines.count("sysctl -q -w net.ipv4.vs.sloppy_tcp=1")
    )
    assert sum("ipvsadm -Sn" in line for line in lines if isinstance(line, str)) == 0 + 1 + 2


def test_a_variable_makes_the_state_unknown_before_and_after(lab: Written) -> None:
    lab.state = "whole"
    with WITHOUT["bfd"].applied(lab):
        assert lab.state == "" and lab.variables == {"dsr_bfd": False}
        bring(lab, "whole")
        assert lab.done[-2] == ("site", {"dsr_bfd": False})
    assert lab.state == ""


def flow(node: str, broken: str = "", wait: float = 0.1) -> dict[str, Any]:
    return {"node": node, "broken": broken, "longest_wait": wait, "most_retransmissions": 1, "answers": 4}


def result(*flows: dict[str, Any]) -> dict[str, Any]:
    return {"flows": list(flows), "new": {"opened": 7, "failed": [{"at": 1, "vip": "v", "reason": "r"}]}, "lag": 0.01}


def test_connections_of_lost_pods_count_apart() -> None:
    seen = connection_figures(
        result(flow("n1", wait=0.4), flow("n2", "no answer within 20 s", 9), flow("n3", "answered {'pod'} after {}")),
        ("n2",),
    )
    assert (seen["connections"], seen["broken"], seen["connections_lost"], seen["broken_lost"]) == (2, 1, 1, 1)
    assert seen["longest_wait_s"] == 0.4 and seen["reasons"] == {"answered": 1}
    assert (seen["new"], seen["failed"], seen["failures"]) == (7, 1, {"r": 1})


def measured(**more: Any) -> dict[str, Any]:
    return {
        **connection_figures({**result(*[flow("n1")] * 1000), "new": {"opened": 50, "failed": []}}, ()),
        "fib_left_s": 1.2,
        "fib_returned_s": 6.0,
        "fib_changes": 2,
        "directors": {"n1": 300, "n2": 350, "n3": 350},
        "date": "2026-01-02",
        **more,
    }


def judged(name: str, **more: Any) -> list[str]:
    """Goals of an event that are not met."""
    found = verdict.goals(name, measured(**more), 0.9)
    return [goal.line("failover") for goal in found if isinstance(goal, Goal) and not goal.met]


@pytest.mark.parametrize("name", [name for name in EVENTS if name not in verdict.FIB_STAYS])
def test_a_good_event_meets_its_goals_and_a_broken_connection_does_not(name: str) -> None:
    assert judged(name) == []
    assert [line.split(": ", 2)[1] for line in judged(name, broken=1)] == [EVENTS[name].title]


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("drain", {"failed": 1}, "new connections failed"),
        ("drain", {"most_retransmissions": 2}, "retransmissions"),
        ("undrain", {"failed": 1}, "new connections failed"),
        ("bird", {"fib_returned_s": 10.0}, "back in ECMP: 10 s (goal < 10 s): not met"),
        ("bird", {"fib_returned_s": None}, "back in ECMP: never (goal < 10 s): not met"),
        ("power", {"longest_wait_s": 2.0}, "longest wait for an answer: 2 s (goal <= 1.90 s)"),
        ("blackhole", {"longest_wait_s": 2.0}, "longest wait for an answer"),
        ("refused", {}, "changes of the router's FIB: 2 (goal = 0): not met"),
        ("rest", {}, "changes of the router's FIB"),
    ],
)
def test_what_is_too_much_is_not_met(name: str, more: dict[str, Any], told: str) -> None:
    (line,) = judged(name, **more)
    assert told in line


def figures(**events: Any) -> dict[str, Any]:
    return {
        "kernel": "6.12",
        "connections": 1000,
        "every_s": 10.0,
        "new_per_s": 5.0,
        "patience_s": 20.0,
        "bfd_interval_ms": 300,
        "bfd_detection_s": 0.9,
        "hold_s": 9.0,
        "events": events,
        "not_run": {"router": "no second router"},
        "without": {"mh": {"blackhole": measured(broken=310)}},
    }


def test_an_event_that_failed_or_was_not_run_says_so() -> None:
    lines = [found.line("failover") for found in verdict.findings(figures(drain={"error": "the lab burnt"}))]
    assert lines[0] == ("failover: a director is drained: failed: the lab burnt (goal a measurement): not met")
    assert "failover: one of two routers loses power: not run: no second router" in lines
    without = "failover: rr instead of mh, silent blackhole of a director's link"
    assert f"{without}: connections broken, of 1,000: 310" in lines


def test_one_event_is_told_in_one_line() -> None:
    assert verdict.line("a director is drained", measured()) == (
        "a director is drained: 0 of 1000 connections broken, 0 of 50 new ones failed, longest wait 0.100 s,"
        " without the director after 1.20 s, with it after 6 s"
    )


def test_the_page_has_a_row_for_all_that_is_asked_for() -> None:
    text = verdict.page(figures(drain=measured(), bird={"error": "no"}))
    assert text.startswith("1,000 connections, each asks every 10 s; 5 new connections a second. BFD: 300 ms")
    assert "| a director is drained | 0 of 1,000 | 0 of 50 | 0.100 s | 1 |" in text
    assert "| one of two routers loses power | not run: no second router |" in text
    assert "| silent blackhole of a director's link | not yet measured |" in text
    assert "| BIRD killed (-9), restarted by systemd | failed: no |" in text
    assert "|  | silent blackhole of a director's link | 310 of 1,000 |" in text and "| 35 % |" in text
    rows = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    assert len(rows) == 2 + len(EVENTS) + sum(len(without.events) for without in WITHOUT.values())


def test_the_page_in_the_repository_has_a_place_for_the_tables() -> None:
    text = failover.PAGE.read_text()
    assert text.index("<!-- results") < text.index("| a director is drained |") < text.index("<!-- end of results")


def test_figures_of_other_conditions_are_not_mixed(lab: Written) -> None:
    kept = figures(drain=measured())
    conditions = {key: kept[key] for key in (*failover.SETTINGS, "bfd_detection_s")}
    assert failover._merged(conditions, kept)["events"] == {"drain": measured()}
    assert failover._merged({**conditions, "connections": 100}, kept)["events"] == {}
    assert failover._merged(conditions, None)["without"] == {}


def test_an_event_that_fails_is_kept_as_such_and_leaves_no_known_state(
    lab: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burn(*_arguments: Any) -> Any:
        raise BenchmarkError("the lab\n burnt")

    monkeypatch.setattr(failover, "measure", burn)
    load = Load(100, 1.0, 5.0)
    assert failover._measured(lab, "bird", load) == {"error": "the lab burnt"}
    assert lab.state == ""
    with WITHOUT["sloppy_tcp"].applied(lab):
        assert failover._measured(lab, "bird", load, "sloppy_tcp") == {"error": "the lab burnt"}
    assert lab.done[-1] == ("n3", "sysctl -q -w net.ipv4.vs.sloppy_tcp=1")


def test_words_of_the_command_line() -> None:
    asked = parse(["failover", "--connections=100", "--events=drain,undrain", "--without=none"])
    assert (asked.events, asked.without, asked.connections) == (["drain", "undrain"], [], 100)
    assert parse([]).events == list(EVENTS) and parse([]).without == list(WITHOUT)
    with pytest.raises(SystemExit):
        parse(["failover", "--events=flood"])
