# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter import undrained as plugin
from ansible_collections.baremetal.dsr.tests.unit.plugins.filter import ansible_process
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined

UNDRAINED = plugin.FilterModule().filters()["undrained"]


def service(*destinations: dict[str, Any], mark: int = 0xD00002, family: str = "ipv4") -> dict[str, Any]:
    return {"mark": mark, "family": family, "scheduler": "mh", "destinations": list(destinations)}


def destination(address: str, *, draining: bool = True, until: float | None = None) -> dict[str, Any]:
    return {"address": address, "weight": 1, "draining": draining, "drain_until": until}


def result(*counts: tuple[str, int], time: float = 1000.0, mark: int = 0xD00002, family: str = "ipv4") -> dict:
    draining = [
        {"mark": mark, "family": family, "address": address, "connections": count, "drain_until": None}
        for address, count in counts
    ]
    return {"changed": False, "time": time, "draining": draining}


def left(services: list[dict[str, Any]], results: dict[str, Any]) -> list[list[str]]:
    return [[one["address"] for one in service["destinations"]] for service in UNDRAINED(services, results)]


POD = "10.244.1.2"
SERVICES = [service(destination(POD), destination("10.244.2.2", draining=False))]


def test_done_when_no_director_has_connections() -> None:
    assert left(SERVICES, {"n1": result((POD, 0)), "n2": result((POD, 0))}) == [["10.244.2.2"]]


def test_one_connection_anywhere_keeps_it() -> None:
    assert left(SERVICES, {"n1": result((POD, 0)), "n2": result((POD, 1))}) == [[POD, "10.244.2.2"]]


@pytest.mark.parametrize("nothing", [None, {}, {"skipped": True}, {"failed": True, "msg": "no"}, "", StrictUndefined()])
def test_a_director_that_told_nothing_may_have_connections(nothing: Any) -> None:
    assert left(SERVICES, {"n1": result((POD, 0)), "n2": nothing}) == [[POD, "10.244.2.2"]]


def test_a_director_that_has_lost_it_needs_it_no_more() -> None:
    assert left(SERVICES, {"n1": result((POD, 0)), "n2": result()}) == [["10.244.2.2"]]
    assert left(SERVICES, {"n1": result((POD, 1)), "n2": result()}) == [[POD, "10.244.2.2"]]


def test_nobody_asked_nothing_done() -> None:
    assert left(SERVICES, {}) == [[POD, "10.244.2.2"]]
    assert left([service(destination(POD, until=0.0))], {}) == [[POD]]


@pytest.mark.parametrize(("times", "done"), [((1000.0, 1200.0), True), ((999.9, 1200.0), False)])
def test_deadline_by_the_clock_furthest_behind(times: tuple[float, float], done: bool) -> None:
    results = {f"n{number}": result((POD, 5), time=time) for number, time in enumerate(times)}
    assert left([service(destination(POD, until=1000.0))], results) == [[] if done else [POD]]


def test_deadline_ends_it_though_a_director_told_nothing() -> None:
    results = {"n1": result((POD, 5), time=1000.0), "n2": None}
    assert left([service(destination(POD, until=1000.0))], results) == [[]]


def test_what_does_not_drain_stays_whatever_is_counted() -> None:
    services = [service(destination(POD, draining=False))]
    assert left(services, {"n1": result((POD, 0))}) == [[POD]]
    assert left([{"mark": 0xD00002, "family": "ipv4", "destinations": [{"address": POD}]}], {}) == [[POD]]


def test_mark_and_family_tell_destinations_apart() -> None:
    services = [
        service(destination(POD), mark=0xD00004),
        service(destination("2001:DB8::0:1"), family="ipv6"),
    ]
    counts = result((POD, 0))
    counts["draining"] += result((POD, 1), mark=0xD00004)["draining"]
    counts["draining"] += result(("2001:db8::1", 0), family="ipv6")["draining"]
    assert left(services, {"n1": counts}) == [[POD], []]


def test_other_fields_and_the_input_stay() -> None:
    services = copy.deepcopy(SERVICES)
    filtered = UNDRAINED(services, {"n1": result((POD, 0))})
    assert filtered == [{**SERVICES[0], "destinations": SERVICES[0]["destinations"][1:]}]
    assert services == SERVICES


COUNTS = st.one_of(st.none(), st.integers(0, 1))


@given(st.dictionaries(st.sampled_from(["n1", "n2", "n3"]), COUNTS, min_size=1), st.randoms())
def test_the_same_on_every_host_whatever_the_order_of_results(counts: dict[str, int | None], random: Any) -> None:
    results = {name: None if count is None else result((POD, count)) for name, count in counts.items()}
    names = list(results)
    random.shuffle(names)
    told = left(SERVICES, results)
    assert left(SERVICES, {name: results[name] for name in names}) == told
    assert (told == [["10.244.2.2"]]) is all(count == 0 for count in counts.values())


@pytest.mark.parametrize(
    ("services", "results", "message"),
    [
        (SERVICES, [], "^results of the module ipvs: is a list. Give a mapping"),
        (SERVICES, {"n1": {"draining": [{}], "time": 1}}, "^result of n1: is none of the module ipvs"),
        (SERVICES, {"n1": {"draining": None, "time": 1}}, "^result of n1: is none of the module ipvs"),
        ([{"mark": 1}], {}, "^services of undrained: cannot be read"),
        (["text"], {}, "^services of undrained: cannot be read"),
        ([service(destination("pod"))], {"n1": result()}, "^services of undrained: cannot be read"),
    ],
)
def test_bad_input_is_named(services: Any, results: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        UNDRAINED(services, results)


def test_through_ansible_with_a_director_that_registered_nothing(tmp_path: Path) -> None:
    variables = {"services": SERVICES, "n1": {"built": result((POD, 0))}, "n2": {}, "pod": POD}
    template = "{{ services | baremetal.dsr.undrained({'n1': n1.built, 'n2': n2.built | default(none)}) }}"
    assert ansible_process.result(ansible_process.say(tmp_path, template, variables)) == SERVICES
    template = "{{ services | baremetal.dsr.undrained({'n1': n1.built}) | map(attribute='destinations') }}"
    found = ansible_process.result(ansible_process.say(tmp_path, template, variables))
    assert [one["address"] for one in found[0]] == ["10.244.2.2"]


def test_through_ansible_with_hosts_mapped_to_their_variables(tmp_path: Path) -> None:
    variables = {"services": SERVICES, "facts": {"n1": {"built": result((POD, 0))}, "n2": {}}}
    results = "dict(facts | zip(facts | map('extract', facts) | map(attribute='built', default={})))"
    said = ansible_process.say(tmp_path, "{{ services | baremetal.dsr.undrained(" + results + ") }}", variables)
    assert ansible_process.result(said) == SERVICES
