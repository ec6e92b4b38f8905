# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for property tests: few marks, addresses and weights, so that two of them have much in common."""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import Destination, Key, Service
from hypothesis import strategies as st

_PREFIX = {"ipv4": "10.244.0.", "ipv6": "2001:db8:244::"}
_GUE = ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-nocsum")
_FORWARDING = st.sampled_from([("-i",), ("-i",), ("-m",), _GUE])
_SCHEDULING = st.sampled_from([("mh", ("mh-fallback", "mh-port")), ("mh", ("mh-port",)), ("rr", ())])


@st.composite
def _services(draw: st.DrawFn, key: Key, plain: bool) -> Service:
    scheduler, flags = draw(_SCHEDULING)
    destinations = draw(
        st.lists(
            st.builds(
                Destination,
                st.integers(1, 7).map(lambda number: f"{_PREFIX[key[1]]}{number}"),
                st.integers(0, 2),
                st.just(0) if plain else st.sampled_from([0, 0, 0, 80]),
                st.just(("-i",)) if plain else _FORWARDING,
            ),
            unique_by=lambda one: one.key,
            max_size=7,
        )
    )
    extra = () if plain else draw(st.sampled_from([(), (), ("-p", "300"), ("-p", "60", "-M", "255.255.255.0")]))
    return Service(*key, scheduler, flags, draw(st.booleans()), extra, tuple(destinations))


@st.composite
def tables(draw: st.DrawFn, *, plain: bool = False) -> dict[Key, Service]:
    """A table. plain: one that the module could be asked for, without what only others would configure."""
    keys = st.tuples(st.sampled_from([0xD00002, 0xD00004, 0xD00006]), st.sampled_from(["ipv4", "ipv6"]))
    return {key: draw(_services(key, plain)) for key in draw(st.sets(keys, max_size=4))}
