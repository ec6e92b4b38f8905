# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.listing import (
    Connections,
    TornListing,
    foreign_lines,
    parse_listing,
    parse_thresholds,
    with_thresholds,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.table import (
    TUNNELS,
    Destination,
    Service,
    canonical_address,
    render,
    thresholds_note,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.marks import MarkRange
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import (
    FakeDirector,
    recorded,
    recorded_thresholds,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.strategies import tables
from hypothesis import given, settings

OWNED = MarkRange()
MH = ("mh-fallback", "mh-port")
NAMES = ("empty", "ipv4", "ipv6", "mixed", "tunnels")
VERSIONS = ("1.31-1+b1", "1.31-5", "1.31-5+b1")
"""Debian's builds of 1.31: those of 11 and 12, of 13, and of unstable.

There is no second version to record: 1.31 is the newest release, and older ones, which do not know --tun-info, are
refused as too old (see test_apply).
"""


def read(name: str) -> dict[tuple[int, str], Service]:
    return parse_listing(recorded(name)[0], OWNED).services


def test_empty_table() -> None:
    assert read("empty") == {}


def test_order_comes_from_the_kernel_not_from_the_sorted_dump() -> None:
    assert read("ipv4")[13631490, "ipv4"] == Service(
        13631490,
        "ipv4",
        "mh",
        MH,
        destinations=(Destination("10.244.2.2", 0), Destination("10.244.1.2"), Destination("10.244.3.2")),
    )


def test_ipv6() -> None:
    assert read("ipv6") == {
        (13631492, "ipv6"): Service(
            13631492,
            "ipv6",
            "mh",
            MH,
            one_packet=True,
            destinations=(Destination("2001:db8:244:2::2", 1), Destination("2001:db8:244:1::2", 3)),
        )
    }


def test_mixed_table_of_owned_services_with_every_option() -> None:
    services = read("mixed")
    assert sorted(services) == [
        (13631490, "ipv4"),
        (13631492, "ipv6"),
        (13631494, "ipv4"),
        (13631496, "ipv4"),
        (13631498, "ipv4"),
        (13631498, "ipv6"),
    ]
    assert services[13631494, "ipv4"].one_packet
    assert services[13631498, "ipv4"].scheduler_flags == ("flag-1", "flag-3")
    assert (services[13631498, "ipv6"].persistence, services[13631498, "ipv6"].extra) == (60, ("-M", "64"))
    assert (services[13631496, "ipv4"].persistence, services[13631496, "ipv4"].extra) == (300, ("-M", "255.255.255.0"))
    assert services[13631496, "ipv4"].destinations == (
        Destination("2001:db8::5"),
        Destination("10.244.1.5", forwarding=("-g",)),
        Destination("10.244.1.4", forwarding=("-m",)),
        Destination("10.244.1.3", forwarding=("-i", "--tun-type", "gre", "--tun-csum")),
        Destination(
            "10.244.1.2",
            port=80,
            forwarding=("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-nocsum"),
        ),
    )


def test_tunnels() -> None:
    services = read("tunnels")
    assert [one.forwarding for one in services[13631490, "ipv4"].destinations] == [
        ("-i",),
        ("-i", "--tun-type", "gre", "--tun-csum"),
        ("-i", "--tun-type", "gre", "--tun-nocsum"),
        ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-remcsum"),
        ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-csum"),
        ("-i", "--tun-type", "gue", "--tun-port", "6080", "--tun-nocsum"),
    ]
    assert services[13631490, "ipv4"].destinations[0].weight == 65535


def test_long_addresses_keep_their_column() -> None:
    assert read("tunnels")[13631492, "ipv6"] == Service(
        13631492,
        "ipv6",
        "sh",
        ("sh-fallback", "sh-port"),
        True,
        300,
        (),
        (
            Destination("2001:db8:2444:1111:2222:3333:4444:5556", 3, forwarding=("-m",)),
            Destination("2001:db8:2444:1111:2222:3333:4444:5555", 3, 65535),
        ),
    )


def test_marks_above_two_to_the_31_are_printed_negative() -> None:
    listing, save = recorded("tunnels")
    high = MarkRange(0xFFF00000, 0xFFF00000)
    assert list(parse_listing(listing, high).services) == [(0xFFFFFFFF, "ipv4")]
    assert "-A -f -1 -s rr -p 300 --pe sip" in foreign_lines(save, OWNED)
    assert "-A -f -1 -s rr -p 300 --pe sip" not in foreign_lines(save, high)


@pytest.mark.parametrize("version", VERSIONS)
def test_table_with_every_feature_in_every_recorded_version(version: str) -> None:
    listing = parse_listing(recorded("full", version)[0], OWNED)
    services = with_thresholds(listing, parse_thresholds(recorded_thresholds("full", version), OWNED)).services
    note = thresholds_note(OWNED)
    assert services == {
        note.key: note,
        (13631490, "ipv4"): Service(
            13631490,
            "ipv4",
            "mh",
            MH,
            destinations=(
                Destination("10.244.1.2", 3, 0, TUNNELS["gue"], 200),
                Destination("10.244.1.3", 1, 0, TUNNELS["gue"]),
                Destination("10.244.1.4", 1, 0, TUNNELS["gue"], 2147483647, 100),
            ),
        ),
        (13631490, "ipv6"): Service(
            13631490,
            "ipv6",
            "mh",
            ("mh-fallback",),
            persistence=10800,
            destinations=(
                Destination("2001:db8:244:1::2", 0, 0, TUNNELS["gre"]),
                Destination("2001:db8:244:1::3", 1, 0, TUNNELS["gre"], 10, 10),
            ),
        ),
        (13631492, "ipv4"): Service(
            13631492,
            "ipv4",
            "wlc",
            persistence=86400,
            destinations=(Destination("10.244.1.3", 5, 0, TUNNELS["gre"]),),
        ),
        (13631494, "ipv4"): Service(13631494, "ipv4", "none", destinations=(Destination("10.244.1.5", 5),)),
        (13631496, "ipv4"): Service(13631496, "ipv4", "mh", ("mh-port",)),
        (13631498, "ipv4"): Service(13631498, "ipv4", "mh"),
        (13631500, "ipv4"): Service(13631500, "ipv4", "rr", ("flag-3",), one_packet=True),
    }


def test_listings_of_different_moments_are_torn() -> None:
    listing = parse_listing(recorded("full", "1.31-5")[0], OWNED)
    thresholds = dict(parse_thresholds(recorded_thresholds("full", "1.31-5"), OWNED))
    del thresholds[(13631490, "ipv4"), ("10.244.1.3", 0)]
    with pytest.raises(TornListing, match=r"lacks a destination of mark 13631490 \(ipv4\)"):
        with_thresholds(listing, thresholds)


@pytest.mark.parametrize("name", ["ipv4", "ipv6", "mixed", "tunnels"])
def test_what_is_rendered_is_what_the_tool_saves(name: str) -> None:
    listing, save = recorded(name)

    def words(text: str) -> set[tuple[str, ...]]:
        lines = [line.replace(" --tun-type ipip", "") for line in text.splitlines()]
        return {tuple(sorted(line.split())) for line in lines}

    ours = [line for line in save.splitlines() if line not in foreign_lines(save, OWNED)]
    assert words(render(parse_listing(listing, OWNED).services.values())) == words("\n".join(ours))


def test_foreign_lines_are_kept_as_they_stand() -> None:
    _listing, save = recorded("mixed")
    foreign = foreign_lines(save, OWNED)
    assert foreign == [line for line in save.splitlines() if "-f 136314" not in line]
    assert "-a -f 7 -r 192.0.2.11:0 -g -w 1" in foreign
    assert "-A -u 198.51.100.1:5060 -s wlc -p 60 --pe sip" in foreign


def test_connections_are_read_with_the_order() -> None:
    listing, _save = recorded("ipv4")
    line = "  -> 10.244.1.2:0                 Tunnel  ipip          1      0          0         "
    assert line in listing
    listing = listing.replace(line, line.replace("0          0 ", "7          12"))
    assert Connections(13631490, "ipv4", "10.244.1.2", 7, 12) in parse_listing(listing, OWNED).connections


@settings(deadline=None)
@given(tables())
def test_rendered_text_restored_and_listed_reads_back_as_the_same_table(table) -> None:
    director = FakeDirector()
    director.restore(render(table.values()))
    listing = parse_listing(director.listing(), OWNED)
    assert with_thresholds(listing, parse_thresholds(director.thresholds(), OWNED)).services == table


def test_no_listing_is_no_empty_table() -> None:
    for parse in (parse_listing, parse_thresholds):
        with pytest.raises(DsrError, match="cannot read the line ''"):
            parse("", OWNED)


@pytest.mark.parametrize("line", ["", "warning: something", "FWM  13631490 rr persistent", "FWM  13631490 rr new 7"])
def test_lines_of_an_unknown_kind_are_no_end_of_a_service(line: str) -> None:
    with pytest.raises(DsrError, match=re.escape(f"cannot read the line '{line}'")):
        parse_listing(f"IP Virtual Server version 1.2.1 (size=4096)\nFWM  13631492 rr\n{line}\n", OWNED)


@pytest.mark.parametrize("parser", ["listing", "thresholds", "save"])
def test_ten_thousand_mutilated_outputs_and_no_traceback(parser: str) -> None:
    parse = {"listing": parse_listing, "thresholds": parse_thresholds, "save": foreign_lines}[parser]
    rng = random.Random(parser)
    refused = 0
    texts = list(outputs(parser))
    for number in range(10_000):
        try:
            parse(mutilated(texts[number % len(texts)], rng), OWNED)
        except DsrError as error:
            assert "cannot read the line" in str(error) or isinstance(error, TornListing)
            refused += 1
    assert 100 < refused < 10_000


def outputs(parser: str) -> Iterator[str]:
    """All recorded outputs that a parser is for, and one as large as a table may be with every feature."""
    if parser == "thresholds":
        for version in VERSIONS:
            yield recorded_thresholds("full", version)
        return
    for name, version in [*((name, "1.31") for name in NAMES), *(("full", version) for version in VERSIONS)]:
        yield recorded(name, version)[0 if parser == "listing" else 1]


def mutilated(text: str, rng: random.Random) -> str:
    junk = ("", " ", "\n", "FWM", "FWM 13631490 ", "-f", "9" * 30, "\x00", "é²٣", ":", "[", "-1", "()", "IPv6", "->")
    for _each in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 3, 20, 200)))
        text = text[:start] + rng.choice((*junk, text[start:end])) + text[end:]
    return text


@pytest.mark.parametrize(
    ("text", "family"),
    [("10.0.0.01", "ipv4"), ("10.0.0", "ipv4"), ("2001:db8::1", "ipv4"), ("10.0.0.1", "ipv6"), ("fe80::1%e", "ipv6")],
)
def test_what_is_no_address_of_the_family(text: str, family: str) -> None:
    with pytest.raises(ValueError, match=f"not an {family} address"):
        canonical_address(text, family)


def test_one_spelling_of_an_address() -> None:
    assert canonical_address("2001:DB8:0::0:1", "ipv6") == "2001:db8::1"
