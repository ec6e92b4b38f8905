# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for property tests: few marks, addresses and weights, so that two of them have much in common."""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    Key,
    Service,
    Services,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from hypothesis import strategies as st

_PREFIX = {"ipv4": "10.244.0.", "ipv6": "2001:db8:244::"}
_TUNNEL = st.sampled_from(list(TUNNELS.values()))
_SCHEDULING = [("mh", ("mh-fallback", "mh-port")), ("mh", ("mh-port",)), ("rr", ())]
_THRESHOLDS = st.sampled_from([(0, 0), (0, 0), (0, 0), (7, 0), (7, 3)])


@st.composite
def _destinations(draw: st.DrawFn, family: str, forwarding: st.SearchStrategy[tuple[str, ...]], plain: bool):
    upper, lower = draw(_THRESHOLDS)
    return Destination(
        f"{_PREFIX[family]}{draw(st.integers(1, 7))}",
        draw(st.integers(0, 2)),
        0 if plain else draw(st.sampled_from([0, 0, 0, 80])),
        draw(forwarding),
        upper,
        lower,
    )


@st.composite
def _services(draw: st.DrawFn, key: Key, plain: bool) -> Service:
    scheduler, flags = draw(st.sampled_from(_SCHEDULING if plain else [*_SCHEDULING, ("none", ())]))
    forwarding = st.just(draw(_TUNNEL)) if plain else _TUNNEL | st.just(("-m",))
    destinations = draw(st.lists(_destinations(key[1], forwarding, plain), unique_by=lambda one: one.key, max_size=7))
    persistence = draw(st.sampled_from([0, 0, 300, 10800]))
    extra = () if plain or not persistence else draw(st.sampled_from([(), (), ("-M", "255.255.255.0")]))
    return Service(*key, scheduler, flags, draw(st.booleans()), persistence, extra, tuple(destinations))


@st.composite
def tables(draw: st.DrawFn, *, plain: bool = False) -> dict[Key, Service]:
    """A table, its thresholds noted. plain: one that the module could be asked for, without what only others would
    configure."""
    keys = st.tuples(st.sampled_from([0xD00002, 0xD00004, 0xD00006]), st.sampled_from(["ipv4", "ipv6"]))
    return noted({key: draw(_services(key, plain)) for key in draw(st.sets(keys, max_size=4))})


def noted(table: Services) -> dict[Key, Service]:
    """The table with the note of thresholds if it needs one."""
    note = thresholds_note(MarkRange())
    needed = any(one.upper_threshold for service in table.values() for one in service.destinations)
    return {**({note.key: note} if needed else {}), **table}
