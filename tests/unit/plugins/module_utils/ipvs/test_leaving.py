# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destinations that drain, that have thresholds, and tunnels other than IPIP."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import Outcome, info, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import FakeDirector, Killed

MARK = 0xD00002
NOTE = 0xD00005


def destination(number: int, **changed: Any) -> dict[str, Any]:
    return {"address": f"10.244.1.{number}", "weight": 3, **changed}


def asked(*destinations: dict[str, Any], purge: bool = True, **changed: Any) -> dict[str, Any]:
    service = {
        "mark": MARK,
        "family": "ipv4",
        "scheduler": "mh",
        "scheduler_flags": None,
        "one_packet": False,
        "destinations": list(destinations),
        **changed,
    }
    return {
        "services": [service],
        "mark_base": "0xd00000",
        "mark_mask": "0xfff00000",
        "purge": purge,
        "sysctls": {},
    }


def run(fake: FakeDirector, params: dict[str, Any], check_mode: bool = False) -> Outcome:
    return reconcile(fake, wish(params), check_mode=check_mode)


def lines(fake: FakeDirector) -> list[str]:
    return [line for _argv, stdin in fake.writes for line in stdin.splitlines()]


DRAINING = (destination(1), destination(2, draining=True, drain_until=1000.0))


def test_draining_destination_gets_no_new_connections_and_is_reported() -> None:
    fake = FakeDirector()
    run(fake, asked(destination(1), destination(2)))
    fake.writes.clear()
    fake.connections["10.244.1.2:0"] = 4
    outcome = run(fake, asked(*DRAINING, purge=False))
    assert lines(fake) == ["-e -f 13631490 -r 10.244.1.2:0 -i -w 0"]
    told = {"mark": MARK, "family": "ipv4", "address": "10.244.1.2", "connections": 4, "drain_until": 1000.0}
    assert list(outcome.draining) == [told]
    assert outcome.stale
    assert outcome.time > 1_600_000_000
    again = run(fake, asked(*DRAINING))
    assert not again.changed
    assert not again.stale


def test_mh_keeps_its_slots_on_every_director() -> None:
    """By the last weight above 0: of a new director, of an old one, and of one whose weight changes at that moment."""
    new, old, other = FakeDirector(), FakeDirector(), FakeDirector()
    run(old, asked(destination(1), destination(2)))
    run(other, asked(destination(1), destination(2, weight=9)))
    for fake in (new, old, other):
        run(fake, asked(*DRAINING))
        assert fake.last_weights["10.244.1.2:0"] == 3
        assert fake.save() == new.save()


def test_slots_are_kept_where_the_order_is_mended() -> None:
    fake = FakeDirector()
    run(fake, asked(destination(2), destination(1)))
    run(fake, asked(*DRAINING))
    assert fake.last_weights["10.244.1.2:0"] == 3
    assert not run(fake, asked(*DRAINING)).changed


def test_what_has_drained_does_not_come_back() -> None:
    fake = FakeDirector()
    run(fake, asked(*DRAINING))
    run(fake, asked(destination(1)))
    outcome = run(fake, asked(*DRAINING, purge=False))
    assert not outcome.changed
    assert not outcome.stale
    assert list(outcome.draining) == []


def test_draining_ends_when_the_backend_is_ready_again() -> None:
    fake = FakeDirector()
    run(fake, asked(*DRAINING))
    run(fake, asked(destination(1), destination(2)))
    assert "-a -f 13631490 -r 10.244.1.2:0 -i -w 3" in fake.save()


LIMITED = (destination(1, upper_threshold=100, lower_threshold=50), destination(2))


def test_thresholds_come_after_the_note_and_go_before_it() -> None:
    fake = FakeDirector()
    run(fake, asked(*LIMITED))
    assert lines(fake)[0] == f"-A -f {NOTE} -s none"
    assert lines(fake)[-1] == "-a -f 13631490 -r 10.244.1.1:0 -i -w 3 -x 100 -y 50"
    fake.writes.clear()
    assert not run(fake, asked(*LIMITED)).changed
    run(fake, asked(destination(1), destination(2)))
    assert lines(fake) == ["-e -f 13631490 -r 10.244.1.1:0 -i -w 3", f"-D -f {NOTE}"]


def test_thresholds_are_read_only_where_there_are_any() -> None:
    fake = FakeDirector()
    run(fake, asked(destination(1)))
    fake.reads.clear()
    run(fake, asked(destination(1)))
    assert ["ipvsadm", "-Ln", "--nosort", "--thresholds"] not in fake.reads


@pytest.mark.parametrize(("before", "after"), [((destination(1), destination(2)), LIMITED), (LIMITED, DRAINING)])
def test_killed_at_any_line_the_next_run_converges(before: Any, after: Any) -> None:
    whole = FakeDirector()
    run(whole, asked(*before))
    run(whole, asked(*after))
    for death in range(6):
        fake = FakeDirector()
        run(fake, asked(*before))
        fake.die_after = death
        try:
            run(fake, asked(*after))
        except Killed:
            pass
        fake.die_after = None
        run(fake, asked(*after))
        assert (fake.save(), fake.thresholds()) == (whole.save(), whole.thresholds())


def test_info_tells_thresholds_and_not_the_note() -> None:
    fake = FakeDirector()
    run(fake, asked(*LIMITED, tunnel="gre", persistence=300))
    (service,) = info(fake, MarkRange(), foreign=False)["services"]
    assert (service["tunnel"], service["persistence"]) == ("gre", 300)
    assert [each["upper_threshold"] for each in service["destinations"]] == [100, 0]
    assert not run(fake, {**asked(), "services": [service]}).changed


def test_another_tunnel_is_an_edit() -> None:
    fake = FakeDirector()
    run(fake, asked(destination(1)))
    fake.writes.clear()
    run(fake, asked(destination(1), tunnel="gue", purge=False))
    assert lines(fake) == ["-e -f 13631490 -r 10.244.1.1:0 -i --tun-type gue --tun-port 6080 --tun-nocsum -w 3"]
    assert not run(fake, asked(destination(1), tunnel="gue")).changed


def test_persistence() -> None:
    fake = FakeDirector()
    run(fake, asked(destination(1), persistence=300))
    assert lines(fake)[0] == "-A -f 13631490 -s mh -p 300 -b mh-fallback,mh-port"
    assert not run(fake, asked(destination(1), persistence=300)).changed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (asked(persistence=-1), "has persistence -1"),
        (asked(persistence=86400 * 31 + 1), "Choose seconds from 1 to 2678400"),
        (asked(destination(1, upper_threshold=-1)), "thresholds -1 and 0"),
        (asked(destination(1, upper_threshold=2**31)), "from 0 (none) to 2147483647"),
        (asked(destination(1, upper_threshold=5, lower_threshold=6)), "lower_threshold 6 above upper_threshold 5"),
        (asked(destination(1, weight=70000, draining=True)), "weight from 0 to 65535"),
        (
            {**asked(destination(1, upper_threshold=5)), "mark_base": "0xd00000", "mark_mask": "0xfffffffc"},
            "leaves no mark to note thresholds by",
        ),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DsrError) as caught:
        wish(given)
    assert message in str(caught.value)
