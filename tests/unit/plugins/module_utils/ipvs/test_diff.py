# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.diff import changes, moves, outcome
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import Destination, Service
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import tables
from hypothesis import given, settings

FLAGS = ("mh-fallback", "mh-port")


def table(order: str, **weights: int):
    """One service whose destinations are named by letters, in that order."""
    destinations = tuple(Destination(f"10.0.0.{ord(one)}", weights.get(one, 1)) for one in order)
    return {(0xD00002, "ipv4"): Service(0xD00002, "ipv4", "mh", FLAGS, destinations=destinations)}


def lines(current, wanted, *, purge: bool = True) -> list[str]:
    """The lines in short, such as `-a b`."""
    short = []
    for op in changes(current, wanted, purge=purge):
        server = chr(int(op.destination.address.rsplit(".", 1)[1])) if op.destination else str(op.service.mark)
        short.append(f"-{op.verb} {server}")
    return short


def test_new_service_is_added_last_destination_first() -> None:
    assert [op.line for op in changes({}, table("ab"), purge=True)] == [
        "-A -f 13631490 -s mh -b mh-fallback,mh-port",
        "-a -f 13631490 -r 10.0.0.98:0 -i -w 1",
        "-a -f 13631490 -r 10.0.0.97:0 -i -w 1",
    ]


def test_ipv6_lines() -> None:
    service = Service(0xD00002, "ipv6", "rr", (), True, destinations=(Destination("2001:db8::1", 5),))
    assert [op.line for op in changes({}, {service.key: service}, purge=True)] == [
        "-A -f 13631490 -6 -s rr -o",
        "-a -f 13631490 -6 -r [2001:db8::1]:0 -i -w 5",
    ]
    assert [op.line for op in changes({service.key: service}, {}, purge=True)] == ["-D -f 13631490 -6"]


def test_weight_alone_is_an_edit() -> None:
    assert lines(table("abc"), table("abc", b=0)) == ["-e b"]


def test_scheduler_alone_is_an_edit_of_the_service() -> None:
    wanted = {key: Service(*key, "rr", destinations=one.destinations) for key, one in table("ab").items()}
    assert [op.line for op in changes(table("ab"), wanted, purge=True)] == ["-E -f 13631490 -s rr"]


def test_removal_leaves_the_others_alone() -> None:
    assert lines(table("abcd"), table("acd")) == ["-d b"]


def test_addition_at_the_head_moves_nothing() -> None:
    assert lines(table("bcd"), table("abcd")) == ["-a a"]


def test_addition_in_the_middle_moves_only_what_stands_before_it() -> None:
    assert lines(table("acd"), table("abcd")) == ["-a b", "-d a", "-a a"]


def test_wrong_order_is_mended_with_the_fewest_moves() -> None:
    assert lines(table("cab"), table("abc")) == ["-d b", "-a b", "-d a", "-a a"]
    assert lines(table("bcda"), table("abcd")) == ["-d a", "-a a"]


def test_stale_goes_after_new_has_come() -> None:
    assert lines(table("x"), table("ab")) == ["-a b", "-a a", "-d x"]


def test_without_purge_nothing_is_deleted() -> None:
    assert lines(table("cxa"), table("abc", a=2), purge=False) == ["-a b", "-e a"]
    assert lines(table("abc"), {}, purge=False) == []


def test_what_counts_as_a_move() -> None:
    assert moves(changes(table("ba"), table("ab"), purge=True))
    assert not moves(changes(table("ax"), table("ya"), purge=True))


@settings(deadline=None)
@given(tables(), tables(plain=True))
def test_difference_leads_to_the_wanted_table(current, wanted) -> None:
    assert outcome(current, changes(current, wanted, purge=True)) == wanted


@settings(deadline=None)
@given(tables())
def test_no_difference_no_lines(table) -> None:
    assert changes(table, table, purge=True) == []
    assert changes(table, table, purge=False) == []


@settings(deadline=None)
@given(tables(), tables(plain=True))
def test_growing_keeps_all_there_was_and_has_all_that_is_wanted(current, wanted) -> None:
    ops = changes(current, wanted, purge=False)
    grown = outcome(current, ops)
    assert not {op.verb for op in ops} & {"d", "D"}
    assert set(grown) == {*current, *wanted}
    for key, service in wanted.items():
        stale = current[key].destinations if key in current else ()
        assert grown[key].header == service.header
        assert set(service.destinations) <= set(grown[key].destinations)
        assert {each.key for each in stale} <= {each.key for each in grown[key].destinations}
    assert changes(grown, wanted, purge=False) == []
    assert outcome(grown, changes(grown, wanted, purge=True)) == wanted


@settings(deadline=None)
@given(tables(), tables(plain=True))
def test_at_no_line_is_a_service_without_the_destinations_it_keeps_but_one(current, wanted) -> None:
    """A move takes one destination at a time out of the table."""
    ops = changes(current, wanted, purge=True)
    for key in set(current) & set(wanted):
        keep = {one.key for one in current[key].destinations} & {one.key for one in wanted[key].destinations}
        for end in range(len(ops) + 1):
            now = outcome(current, ops[:end])[key].destinations
            assert len(keep - {one.key for one in now}) <= 1
