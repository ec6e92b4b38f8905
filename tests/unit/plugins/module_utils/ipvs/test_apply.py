# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import as_result, read_table, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import Drain, Wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish as desired_wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.listing import COMMAND
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import Destination, Service, render
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import FakeDirector, Killed
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import noted, tables
from hypothesis import assume, given, settings
from hypothesis import strategies as st

OWNED = MarkRange()
SYSCTLS = {
    "net.ipv4.vs.conn_reuse_mode": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
    "net.ipv4.vs.schedule_icmp": "1",
    "net.ipv4.vs.sloppy_tcp": "1",
}
KEEPING = ("install", "mv")
"""What writes the former values of the settings to their file."""
FOREIGN = (
    "-A -t 198.51.100.1:80 -s rr\n"
    "-a -t 198.51.100.1:80 -r 192.0.2.10:8080 -m -w 7\n"
    "-A -f 7 -s rr\n"
    "-a -f 7 -r 192.0.2.11:0 -g -w 1\n"
)


def service(*addresses: str, scheduler: str = "rr", mark: int = 0xD00002) -> Service:
    return Service(mark, "ipv4", scheduler, destinations=tuple(Destination(each) for each in addresses))


def wish(*services: Service, **others: Any) -> Wish:
    return Wish({one.key: one for one in services}, others.pop("sysctls", SYSCTLS), OWNED, **others)


def director(table: str = "", **options: Any) -> FakeDirector:
    fake = FakeDirector(**options)
    fake.restore(FOREIGN + table)
    return fake


def services(fake: FakeDirector) -> dict[tuple[int, str], Service]:
    found = read_table(fake, OWNED)
    assert found is not None
    return found.services


ONE = service("10.0.0.1", "10.0.0.2")


def test_first_run_and_second_run() -> None:
    fake = director()
    first = reconcile(fake, wish(ONE), check_mode=False)
    assert first.changed
    assert first.lines == 3
    assert [argv for argv, _stdin in fake.writes if argv[0] not in KEEPING] == [
        [
            "sysctl",
            "-q",
            "-w",
            "net.ipv4.vs.expire_nodest_conn=1",
            "net.ipv4.vs.expire_quiescent_template=1",
            "net.ipv4.vs.schedule_icmp=1",
            "net.ipv4.vs.sloppy_tcp=1",
        ],
        ["ipvsadm", "-R"],
    ]
    assert services(fake) == {ONE.key: ONE}
    fake.read_only = True
    fake.reads.clear()
    assert not reconcile(fake, wish(ONE), check_mode=False).changed
    assert [argv[0] for argv in fake.reads] == ["test", "ipvsadm", "sysctl"]


def test_foreign_services_stay_and_are_in_no_difference() -> None:
    fake = director(render([service("10.0.0.9", mark=0xD00004)]))
    outcome = reconcile(fake, wish(ONE), check_mode=False)
    assert set(FOREIGN.splitlines()) <= set(fake.save().splitlines())
    assert "198.51.100.1" not in outcome.before.table_text() + outcome.after.table_text()
    assert "-f 7" not in outcome.before.table_text() + outcome.after.table_text()


def test_settings_come_before_services() -> None:
    fake = director()
    fake.sysctls["net.ipv4.vs.sync_threshold"] = "9\t90"
    reconcile(fake, wish(ONE, sysctls={"net.ipv4.vs.sync_threshold": "3 50"}), check_mode=False)
    assert [argv[0] for argv, _stdin in fake.writes] == [*KEEPING, "sysctl", "ipvsadm"]
    assert fake.sysctls["net.ipv4.vs.sync_threshold"] == "3\t50"
    assert fake.sysctls["net.ipv4.vs.sloppy_tcp"] == "0"


def test_ip_vs_is_loaded_where_it_is_not() -> None:
    fake = FakeDirector(loaded=False)
    outcome = reconcile(fake, wish(ONE), check_mode=False)
    assert fake.writes[0][0] == ["modprobe", "ip_vs"]
    assert outcome.before.settings_text() == ""
    assert outcome.after.settings_text().startswith("modprobe ip_vs\nsysctl -w 'net.ipv4.vs.conn_reuse_mode=1'\n")
    assert reconcile(fake, wish(ONE), check_mode=False).before == outcome.after


def test_nothing_wanted_loads_nothing() -> None:
    fake = FakeDirector(loaded=False)
    fake.read_only = True
    assert not reconcile(fake, wish(sysctls={}), check_mode=False).changed


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        pytest.param(
            FakeDirector(loaded=False, modules=["ip_vs_rr"]),
            "kernel module ip_vs: is not loaded and this kernel has none of that name. Install all",
            id="no ip_vs",
        ),
        pytest.param(
            FakeDirector(modules=["ip_vs"]),
            "IPVS scheduler rr: this kernel has no module ip_vs_rr. Choose another scheduler",
            id="no scheduler",
        ),
    ],
)
def test_what_the_kernel_lacks_is_told_before_any_write(fake: FakeDirector, message: str, check_mode: bool) -> None:
    fake.read_only = True
    with pytest.raises(DsrError) as caught:
        reconcile(fake, wish(ONE), check_mode=check_mode)
    assert str(caught.value).startswith(message)


def test_sysctl_the_kernel_lacks_is_told_before_any_write() -> None:
    fake = director()
    fake.read_only = True
    with pytest.raises(DsrError, match=r"sysctl net\.ipv4\.vs\.nosuch: cannot be read"):
        reconcile(fake, wish(ONE, sysctls={**SYSCTLS, "net.ipv4.vs.nosuch": "1"}), check_mode=False)


def test_ipvsadm_missing() -> None:
    fake = director()
    fake.commands.remove("ipvsadm")
    with pytest.raises(DsrError, match="command ipvsadm: not found on this machine. Install the package ipvsadm"):
        reconcile(fake, wish(ONE), check_mode=True)


def test_line_the_kernel_refused_is_named_and_the_others_stand() -> None:
    fake = director()
    fake.refuse.add("-a -f 13631490 -r 10.0.0.1:0 -i -w 1")
    with pytest.raises(DsrError) as caught:
        reconcile(fake, wish(ONE, service("10.0.0.3", mark=0xD00004)), check_mode=False)
    assert "did not take the line '-a -f 13631490 -r 10.0.0.1:0 -i -w 1' (Memory allocation problem)" in str(
        caught.value
    )
    assert "-a -f 13631492 -r 10.0.0.3:0 -i -w 1 --tun-type ipip\n" in fake.save()
    fake.refuse.clear()
    assert "-A -f 13631490 -s rr" in fake.save()
    assert reconcile(fake, wish(ONE, service("10.0.0.3", mark=0xD00004)), check_mode=False).lines == 1


def test_flows_are_kept_while_destinations_move() -> None:
    fake = director(render([service("10.0.0.2", "10.0.0.1")]))
    reconcile(fake, wish(ONE), check_mode=False)
    assert fake.weak_moments == ["0"]
    assert fake.sysctls["net.ipv4.vs.expire_nodest_conn"] == "1"
    reconcile(fake, wish(service("10.0.0.2")), check_mode=False)
    assert fake.weak_moments == ["0", "1"]


def test_a_setting_that_is_not_ours_is_not_touched_for_a_move() -> None:
    fake = director(render([service("10.0.0.2", "10.0.0.1")]))
    fake.sysctls["net.ipv4.vs.expire_nodest_conn"] = "1"
    reconcile(fake, wish(ONE, sysctls={}), check_mode=False)
    assert [argv[0] for argv, _stdin in fake.writes] == ["ipvsadm"]


def test_service_with_thresholds_is_read_with_a_second_listing() -> None:
    fake = director()
    limited = ONE._replace(
        destinations=(Destination("10.0.0.1", upper_threshold=9, lower_threshold=3), Destination("10.0.0.2"))
    )
    reconcile(fake, wish(*noted({ONE.key: limited}).values()), check_mode=False)
    assert services(fake)[ONE.key] == limited
    fake.read_only = True
    fake.reads.clear()
    assert not reconcile(fake, wish(*noted({ONE.key: limited}).values()), check_mode=False).changed
    assert [argv[:1] + argv[3:] for argv in fake.reads if argv[0] == "ipvsadm"] == [
        ["ipvsadm", "--tun-info"],
        ["ipvsadm", "--thresholds"],
    ]
    fake.read_only = False
    reconcile(fake, wish(ONE), check_mode=False)
    fake.reads.clear()
    assert services(fake) == {ONE.key: ONE}
    assert len(fake.reads) == 2
    assert set(fake.thresholds().splitlines()) >= {
        "  -> 10.0.0.1:0                   0          0          0          0         "
    }


def test_without_purge_thresholds_of_stale_destinations_stay_noted() -> None:
    fake = director()
    limited = ONE._replace(destinations=(Destination("10.0.0.9", upper_threshold=9),))
    reconcile(fake, wish(*noted({ONE.key: limited}).values()), check_mode=False)
    assert reconcile(fake, wish(ONE, purge=False), check_mode=False).stale
    assert services(fake) == noted({ONE.key: ONE._replace(destinations=(*ONE.destinations, *limited.destinations))})
    assert not reconcile(fake, wish(ONE), check_mode=False).stale
    assert services(fake) == {ONE.key: ONE}


def test_ipvsadm_that_cannot_tell_tunnels() -> None:
    class OldDirector(FakeDirector):
        def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
            if "--tun-info" in argv:
                return Result(255, "", "--tun-info: unknown option\n")
            return super().run(argv, stdin, writes=writes)

    with pytest.raises(DsrError, match=r"command ipvsadm: is too old: .*unknown option. Install ipvsadm 1.31"):
        reconcile(OldDirector(), wish(ONE), check_mode=True)


def draining_wish(*addresses: str, **others: Any) -> Wish:
    """ONE with some of its destinations draining."""
    destinations = tuple(one._replace(weight=int(one.address not in addresses)) for one in ONE.destinations)
    draining = tuple(Drain(*ONE.key, each, 1000.0) for each in addresses)
    return wish(ONE._replace(destinations=destinations), draining=draining, **others)


@pytest.mark.parametrize("check_mode", [False, True])
def test_connections_of_what_drains_are_counted(check_mode: bool) -> None:
    fake = director(render([ONE]))
    fake.active = {"10.0.0.1:0": 4, "10.0.0.2:0": 7}
    outcome = reconcile(fake, draining_wish("10.0.0.1", purge=False), check_mode=check_mode)
    assert outcome.draining == ((Drain(*ONE.key, "10.0.0.1", 1000.0), 4),)
    assert outcome.stale
    assert abs(outcome.time - time.time()) < 60
    assert as_result(outcome, diff=False)["time"] == outcome.time


@pytest.mark.parametrize("check_mode", [False, True])
def test_connections_of_what_has_weight_0_are_told(check_mode: bool) -> None:
    """Whether it drains or not; one without connections needs nobody's care."""
    fake = director(render([ONE]))
    fake.active = {"10.0.0.1:0": 4}
    quiet = ONE._replace(destinations=tuple(each._replace(weight=0) for each in ONE.destinations))
    for asked in (wish(quiet, purge=False), draining_wish("10.0.0.1", purge=False)):
        outcome = reconcile(fake, asked, check_mode=check_mode)
        assert outcome.closing == (((*ONE.key, "10.0.0.1"), 4),)
    assert reconcile(fake, wish(ONE, purge=False), check_mode=True).closing == ()


def test_connections_are_counted_after_the_weight_was_taken() -> None:
    """One that began before the write must not be missed, as the pod is removed when none is left."""

    class LateDirector(FakeDirector):
        def restore(self, text: str) -> Result:
            result = super().restore(text)
            self.active["10.0.0.1:0"] = 1 if self.table else 0
            return result

    fake = LateDirector()
    fake.restore(render([ONE]))
    fake.active.clear()
    assert reconcile(fake, draining_wish("10.0.0.1"), check_mode=False).draining[0][1] == 1


def test_director_without_the_destination_has_no_connections_to_it() -> None:
    fake = FakeDirector(loaded=False)
    assert reconcile(fake, draining_wish("10.0.0.1"), check_mode=True).draining[0][1] == 0
    assert reconcile(fake, draining_wish("10.0.0.1"), check_mode=False).draining[0][1] == 0


def test_what_has_drained_does_not_come_back() -> None:
    fake = director()
    reconcile(fake, draining_wish("10.0.0.1"), check_mode=False)
    reconcile(fake, wish(service("10.0.0.2")), check_mode=False)
    fake.read_only = True
    again = reconcile(fake, draining_wish("10.0.0.1"), check_mode=False)
    assert (again.changed, again.stale, again.draining) == (False, False, ())


def test_nothing_drains_nothing_is_stale() -> None:
    outcome = reconcile(director(), draining_wish(), check_mode=False)
    assert (outcome.draining, outcome.stale) == ((), False)


SHARES = {"10.244.0.1": 2, "10.244.0.2": 1, "10.244.0.3": 3, "10.244.0.4": 0}
"""Weights of backends that drain. Those that do not have any."""
STATES = st.dictionaries(st.sampled_from(sorted(SHARES)), st.none() | st.integers(1, 3))
SCHEDULERS = st.sampled_from(["mh", "mh", "rr"])


def cluster_wish(state: dict[str, int | None], scheduler: str, purge: bool) -> Wish:
    """Backends in canonical order as the module is asked for them. state: their weights, None for one that drains."""
    destinations = [
        {"address": address, "weight": SHARES[address] if weight is None else weight, "draining": weight is None}
        for address, weight in sorted(state.items())
    ]
    one = {"mark": 0xD00002, "family": "ipv4", "scheduler": scheduler, "scheduler_flags": None, "one_packet": False}
    ranges = {"mark_base": OWNED.base, "mark_mask": OWNED.mask}
    return desired_wish({"services": [{**one, "destinations": destinations}], "sysctls": {}, "purge": purge, **ranges})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(STATES, SCHEDULERS, st.booleans(), st.none() | st.integers(0, 12)), max_size=6), STATES)
def test_directors_of_any_history_have_the_same_table(history, last: dict[str, int | None]) -> None:
    """Whatever was wanted before, and wherever runs were killed, a director has the table of a new one."""
    old, new = FakeDirector(), FakeDirector()
    for state, scheduler, purge, die_after in history:
        old.die_after = die_after
        with suppress(Killed):
            reconcile(old, cluster_wish(state, scheduler, purge), check_mode=False)
    old.die_after = None
    service = old.table.get(("-f", str(0xD00002)))
    if service is not None and "none" not in service.options:
        # What drains and is not there any more does not come back.
        assume(all(f"{each}:0" in service.destinations for each, weight in last.items() if weight is None))
    for each in (old, new):
        reconcile(each, cluster_wish(last, "mh", True), check_mode=False)
    assert old.save() == new.save()
    key = ("-f", str(0xD00002))
    assert old.table[key].mh_table() == new.table[key].mh_table()
    shares = [SHARES[each] if last[each] is None else last[each] for each in sorted(last)]
    assert [share for _server, share in new.table[key].mh_table()] == [share or 1 for share in shares]


@settings(max_examples=60, deadline=None)
@given(tables(), tables(plain=True), st.booleans())
def test_check_mode_predicts_and_writes_nothing(current, wanted, purge: bool) -> None:
    fake = director(render(current.values()))
    asked = wish(*wanted.values(), purge=purge)
    fake.read_only = True
    predicted = reconcile(fake, asked, check_mode=True)
    fake.read_only = False
    done = reconcile(fake, asked, check_mode=False)
    assert predicted == done
    fake.read_only = True
    again = reconcile(fake, asked, check_mode=False)
    assert not again.changed
    assert again.before == done.after
    assert set(FOREIGN.splitlines()) <= set(fake.save().splitlines())


@settings(max_examples=25, deadline=None)
@given(tables(), tables(plain=True))
def test_killed_at_any_line_the_next_run_converges(current, wanted) -> None:
    asked = wish(*wanted.values())
    whole = director(render(current.values()))
    reconcile(whole, asked, check_mode=False)
    steps = sum(len(stdin.splitlines()) if argv[0] == "ipvsadm" else 1 for argv, stdin in whole.writes)
    for alive in range(steps):
        fake = director(render(current.values()))
        fake.die_after = alive
        with pytest.raises(Killed):
            reconcile(fake, asked, check_mode=False)
        fake.die_after = None
        reconcile(fake, asked, check_mode=False)
        assert services(fake) == wanted
        assert {name: fake.sysctls[name] for name in SYSCTLS} == SYSCTLS


class TearingDirector(FakeDirector):
    """Shows a service twice in its first listings, as a kernel does whose table changes under the dump."""

    def __init__(self, torn: int) -> None:
        super().__init__()
        self.torn = torn

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        result = super().run(argv, stdin, writes=writes)
        if list(argv) == list(COMMAND) and self.torn and "FWM" in result.out:
            self.torn -= 1
            last = result.out[result.out.rindex("FWM") :]
            return replace(result, out=result.out + last)
        return result


def test_torn_listing_is_read_again() -> None:
    director = TearingDirector(torn=2)
    director.restore("-A -f 13631490 -s rr\n-a -f 13631490 -r 10.244.1.2:0 -i -w 1\n")
    listing = read_table(director, OWNED)
    assert listing is not None and list(listing.services) == [(13631490, "ipv4")]


def test_listing_that_stays_torn_is_an_error() -> None:
    director = TearingDirector(torn=99)
    director.restore("-A -f 13631490 -s rr\n")
    with pytest.raises(DsrError, match="twice"):
        read_table(director, OWNED)
