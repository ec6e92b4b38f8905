# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of VIPs and the output of birdc as text."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.announce.prefixes import (
    addresses,
    parse_file,
    parse_routes,
    prefixes,
    render,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from hypothesis import given
from hypothesis import strategies as st

BIRD_2_17 = """BIRD 2.17.5 ready.
Table master4:
198.51.100.8/32      blackhole [dsr_vip4 12:39:59.521] * (200)
198.51.100.7/32      blackhole [dsr_vip4 2026-11-22] * (200)
192.0.2.0/24         unicast [other 12:39:59.521] * (200)
10.0.0.1/32          blackhole [dsr_vip4x 12:39:59.521] * (200)

Table master6:
2001:db8:f::1/128    blackhole [dsr_vip6 12:39:59.521] * (200)
"""

VIPS = st.frozensets(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), max_size=20)


def test_render_is_what_bird_reads() -> None:
    assert render(prefixes(["203.0.113.10", "2001:DB8:F:0::1", "203.0.113.9"])) == (
        "# Written by the module baremetal.dsr.announcement, which overwrites every other change.\n"
        "protocol static dsr_vip4 {\n"
        "\tipv4;\n"
        "\troute 203.0.113.9/32 blackhole;\n"
        "\troute 203.0.113.10/32 blackhole;\n"
        "}\n"
        "\n"
        "protocol static dsr_vip6 {\n"
        "\tipv6;\n"
        "\troute 2001:db8:f::1/128 blackhole;\n"
        "}\n"
    )


@given(VIPS)
def test_parse_undoes_render(vips: frozenset[str]) -> None:
    assert parse_file(render(prefixes(vips))) == prefixes(vips)


@given(VIPS)
def test_addresses_undo_prefixes_in_numerical_order(vips: frozenset[str]) -> None:
    ordered = addresses(prefixes(vips))
    assert ordered == [str(each) for each in sorted(map(ipaddress.ip_address, vips), key=lambda a: (a.version, int(a)))]


@given(st.text())
def test_parsers_skip_what_they_do_not_know(text: str) -> None:
    assert isinstance(parse_file(text), frozenset)
    assert isinstance(parse_routes(text), frozenset)


def test_parsers_skip_broken_prefixes() -> None:
    assert parse_file("\troute 203.0.113.1/99 blackhole;\n\troute ....../3 blackhole;\n") == frozenset()


def test_recorded_routes() -> None:
    assert parse_routes(BIRD_2_17) == {"198.51.100.7/32", "198.51.100.8/32", "2001:db8:f::1/128"}


@pytest.mark.parametrize("vip", ["", "203.0.113.0/24", "web", "203.0.113.1; }", "fe80::1%eth0", 5, None])
def test_no_address_is_refused(vip: object) -> None:
    with pytest.raises(DsrError, match="is not an IP address"):
        prefixes([vip])
