# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A block comes and goes, and the rest of the file stays to the letter."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers import bird_file, frr_file
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.blocks import parse, with_block
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering_parse import parse_peering
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import EXPLICIT, RANGES, SECRET
from hypothesis import given
from hypothesis import strategies as st

LINES = st.lists(st.sampled_from(["a\n", "! b\n", "\n", "router bgp 1\n"])).map("".join)
CLUSTERS = st.sampled_from(["dsr", "dsr-2", "2"])
ROUTER = {"addresses": ["192.0.2.1", "2001:db8:fab::1"]}


@given(LINES, LINES, CLUSTERS, CLUSTERS, st.sampled_from("!#"))
def test_what_is_not_ours_stays(before: str, after: str, one: str, other: str, comment: str) -> None:
    text = with_block(before, comment, one, "x\n") + after
    assert with_block(text, comment, one, "x\n") == text
    assert with_block(text, comment, one, "") == before + after
    both = with_block(text, comment, other, "y\n")
    assert parse("f", both, comment).blocks == {one: "x\n", other: "y\n"}
    assert parse("f", both, comment).foreign == before + after


@pytest.mark.parametrize(
    "text",
    [
        "! BEGIN baremetal.dsr a\n",
        "! END baremetal.dsr a\n",
        "! BEGIN baremetal.dsr a\n! BEGIN baremetal.dsr b\n! END baremetal.dsr b\n! END baremetal.dsr a\n",
    ],
)
def test_markers_that_do_not_match(text: str) -> None:
    with pytest.raises(DsrError, match="has no counterpart"):
        parse("frr.conf", text, "!")


@pytest.mark.parametrize("options", [EXPLICIT, RANGES], ids=["explicit", "ranges"])
def test_both_daemons_claim_the_same(options: dict[str, object]) -> None:
    peering = parse_peering("edge-1", ROUTER, show_password=True, **options)  # type: ignore[arg-type]
    frr, bird = frr_file.block(peering), bird_file.block(peering)
    one, other = frr_file.claims(frr), bird_file.claims(bird)
    assert (one.asn, sorted(one.pools), one.neighbors, one.ranges) == (
        other.asn,
        sorted(other.pools),
        other.neighbors,
        other.ranges,
    )
    assert len(one.pools) == len(options["vip_pools"])  # type: ignore[arg-type]
    for module, text in ((frr_file, frr), (bird_file, bird)):
        assert SECRET not in module.hidden(text)  # type: ignore[attr-defined]
    assert frr_file.missing(frr, frr, peering.cluster) == []
    assert frr_file.missing(frr, "", peering.cluster) != []
    assert frr_file.without_cluster(frr, peering.cluster).count(peering.cluster) == 0


def test_names_of_another_cluster_are_not_ours() -> None:
    theirs = "ip prefix-list dsr-2-vip4 seq 5 permit 203.0.113.0/24\nroute-map x-dsr-in4 permit 5\nexit\n"
    assert not frr_file.holds(theirs, "dsr")
    assert frr_file.without_cluster(theirs, "dsr") == theirs
