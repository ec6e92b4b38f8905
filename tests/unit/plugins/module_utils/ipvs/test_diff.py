# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.diff import changes, moves, outcome
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    Service,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import noted, tables
from hypothesis import given, settings
from hypothesis import strategies as st

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
    wanted = {key: one._replace(scheduler="rr", scheduler_flags=()) for key, one in table("ab").items()}
    assert [op.line for op in changes({}, wanted, purge=True)] == [
        "-A -f 13631490 -s rr",
        "-a -f 13631490 -r 10.0.0.98:0 -i -w 1",
        "-a -f 13631490 -r 10.0.0.97:0 -i -w 1",
    ]


def test_new_service_gets_the_scheduler_that_makes_tables_last() -> None:
    wanted = {key: one._replace(persistence=300, one_packet=True) for key, one in table("ab").items()}
    assert [op.line for op in changes({}, wanted, purge=True)] == [
        "-A -f 13631490 -s none -p 300 -o",
        "-a -f 13631490 -r 10.0.0.98:0 -i -w 1",
        "-a -f 13631490 -r 10.0.0.97:0 -i -w 1",
        "-E -f 13631490 -s mh -p 300 -o -b mh-fallback,mh-port",
    ]
    assert lines({}, table("a")) == ["-A 13631490", "-a a"]


def test_service_whose_making_was_cut_off_is_completed_without_scheduler() -> None:
    (cut_off,) = (one._replace(scheduler="none", scheduler_flags=()) for one in table("b").values())
    ops = changes({cut_off.key: cut_off}, table("ab"), purge=False)
    assert [op.line for op in ops] == [
        "-a -f 13631490 -r 10.0.0.97:0 -i -w 1",
        "-E -f 13631490 -s mh -b mh-fallback,mh-port",
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


def test_draining_is_one_edit_where_the_weight_is_known() -> None:
    assert shared(table("ab", b=3), table("ab", b=0), b=3) == ["-e b 0"]


def test_draining_begins_with_the_weight_whose_slots_it_keeps() -> None:
    assert shared(table("ab", b=1), table("ab", b=0), b=3) == ["-e b 3", "-e b 0"]
    assert shared(table("b"), table("ab", a=0), a=3) == ["-a a 3", "-e a 0"]
    assert shared(table("ba", b=0), table("ab", b=0, a=0), a=2, b=3) == ["-d a 0", "-a a 2", "-e a 0"]


def test_weight_nothing_counts_as_one() -> None:
    assert shared(table("ab", b=3), table("ab", b=0)) == ["-e b 1", "-e b 0"]
    assert shared(table("b"), table("ab", a=0)) == ["-a a 1", "-e a 0"]
    assert shared(table("ab", b=1), table("ab", b=0)) == ["-e b 0"]


def test_other_edits_of_what_drains_touch_no_weight() -> None:
    (wanted,) = table("ab", b=0).values()
    gre = wanted._replace(destinations=tuple(one._replace(forwarding=TUNNELS["gre"]) for one in wanted.destinations))
    assert shared(table("ab", b=0), {gre.key: gre}, b=3) == ["-e b 0", "-e a 1"]


def test_shares_are_told_whatever_the_scheduler_as_it_may_change() -> None:
    (wanted,) = table("ab", b=0).values()
    current = wanted._replace(scheduler="rr", scheduler_flags=())
    assert shared({current.key: current}, {wanted.key: wanted}, b=3) == ["-E"]
    assert shared({}, {current.key: current}, b=3) == ["-A", "-a b 3", "-e b 0", "-a a 1", "-E"]


def test_new_service_gives_what_drains_no_connections_while_it_is_made() -> None:
    (wanted,) = table("a", a=0).values()
    wanted = wanted._replace(scheduler="rr", scheduler_flags=())
    assert [op.line for op in changes({}, {wanted.key: wanted}, purge=True)] == [
        "-A -f 13631490 -s none",
        "-a -f 13631490 -r 10.0.0.97:0 -i -w 1",
        "-e -f 13631490 -r 10.0.0.97:0 -i -w 0",
        "-E -f 13631490 -s rr",
    ]


def shared(current, wanted, **shares: int) -> list[str]:
    """The lines in short with weights, such as `-a b 0`, where destinations have shares of the table."""
    known = {(0xD00002, "ipv4"): {(f"10.0.0.{ord(one)}", 0): share for one, share in shares.items()}}
    short = []
    for op in changes(current, wanted, purge=True, shares=known):
        one = op.destination
        short.append(f"-{op.verb} {chr(int(one.address[7:]))} {one.weight}" if one else f"-{op.verb}")
    return short


def test_tunnel_alone_is_an_edit() -> None:
    (wanted,) = table("a").values()
    for tunnel, words in (
        ("gue", "--tun-type gue --tun-port 6080 --tun-nocsum"),
        ("gre", "--tun-type gre --tun-nocsum"),
    ):
        other = wanted._replace(destinations=(wanted.destinations[0]._replace(forwarding=TUNNELS[tunnel]),))
        assert [op.line for op in changes(table("a"), {other.key: other}, purge=False)] == [
            f"-e -f 13631490 -r 10.0.0.97:0 -i {words} -w 1"
        ]
        assert [op.line for op in changes({other.key: other}, table("a"), purge=False)] == [
            "-e -f 13631490 -r 10.0.0.97:0 -i -w 1"
        ]


def test_note_of_thresholds_comes_first_and_goes_last() -> None:
    note = thresholds_note(MarkRange())
    (plain,) = table("a").values()
    limited = plain._replace(destinations=(plain.destinations[0]._replace(upper_threshold=9, lower_threshold=3),))
    with_note = {limited.key: limited, note.key: note}
    assert [op.line for op in changes(table("a"), with_note, purge=True)] == [
        "-A -f 13631493 -s none",
        "-e -f 13631490 -r 10.0.0.97:0 -i -w 1 -x 9 -y 3",
    ]
    assert [op.line for op in changes(with_note, table("a"), purge=True)] == [
        "-e -f 13631490 -r 10.0.0.97:0 -i -w 1",
        "-D -f 13631493",
    ]
    assert [op.line for op in changes(with_note, {}, purge=True)] == ["-D -f 13631490", "-D -f 13631493"]


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


@settings(max_examples=200, deadline=None)
@given(st.permutations("abcdefg"), st.permutations("abcdefg"), st.integers(0, 7), st.integers(0, 7))
def test_canonical_order_from_any_permutation(there, canonical, known: int, wanted: int) -> None:
    current, target = table(there[:known]), table(canonical[:wanted])
    ops = changes(current, target, purge=True)
    assert outcome(current, ops) == target
    assert changes(outcome(current, ops), target, purge=True) == []
    grown = outcome(current, changes(current, target, purge=False))
    assert outcome(grown, changes(grown, target, purge=True)) == target


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
        assert grown[key].scheduler != "none" or key == thresholds_note(MarkRange()).key
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


@settings(deadline=None)
@given(tables(), tables(plain=True), st.booleans())
def test_at_no_line_are_there_thresholds_without_their_note(current, wanted, purge: bool) -> None:
    ops = changes(current, wanted, purge=purge)
    for end in range(len(ops) + 1):
        now = outcome(current, ops[:end])
        assert noted(now).keys() <= now.keys()
