# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.proof.routes import parse_routes, read_routes
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Result, Runner
from hypothesis import given
from hypothesis import strategies as st

# iproute2 6.15, Linux 6.12
RECORDED4 = (
    '[{"dst":"203.0.113.1","protocol":"bgp","flags":[],"nexthops":[{"gateway":"192.0.2.9","dev":"d0","weight":1,'
    '"flags":[]},{"gateway":"192.0.2.8","dev":"d0","weight":1,"flags":[]}]}]\n'
    "[]\n"
    '[{"type":"unreachable","dst":"203.0.113.4","flags":[]}]\n'
    '[{"dst":"203.0.113.2","gateway":"192.0.2.9","dev":"d0","flags":[]}]\n'
)
RECORDED6 = (
    '[{"dst":"2001:db8:f::1","metric":1024,"flags":[],"pref":"medium","nexthops":[{"gateway":"2001:db8::9","dev":"d0",'
    '"weight":1,"flags":[]},{"gateway":"fe80::8","dev":"d0","weight":1,"flags":[]}]}]\n'
)


def hops(text: str) -> dict[str, list[str]]:
    return {route["vip"]: route["hops"] for route in parse_routes(text)}


def test_recorded_output() -> None:
    assert parse_routes(RECORDED4)[0] == {
        "vip": "203.0.113.1",
        "type": "unicast",
        "protocol": "bgp",
        "hops": ["192.0.2.9", "192.0.2.8"],
    }
    assert parse_routes(RECORDED4)[1] == {"vip": "203.0.113.4", "type": "unreachable", "protocol": "", "hops": []}
    assert hops(RECORDED4) == {
        "203.0.113.1": ["192.0.2.9", "192.0.2.8"],
        "203.0.113.4": [],
        "203.0.113.2": ["192.0.2.9"],
    }
    assert hops(RECORDED6) == {"2001:db8:f::1": ["2001:db8::9", "fe80::8"]}


def test_next_hops_that_are_down_do_not_count() -> None:
    dead = [{"dst": "203.0.113.1", "nexthops": [{"gateway": "192.0.2.8", "dev": "d0", "flags": ["dead", "linkdown"]}]}]
    assert hops(json.dumps(dead)) == {"203.0.113.1": []}


def test_ipv6_next_hops_of_an_ipv4_route_and_routes_without_gateway() -> None:
    via = [{"dst": "203.0.113.1", "via": {"family": "inet6", "host": "fe80::8"}, "dev": "d0", "flags": []}]
    assert hops(json.dumps(via)) == {"203.0.113.1": ["fe80::8"]}
    assert hops('[{"dst":"203.0.113.1","dev":"d0"}]') == {"203.0.113.1": ["dev d0"]}


def test_several_routes_to_one_vip_are_joined() -> None:
    one = '{"dst":"2001:db8:f::1","gateway":"2001:db8::8","dev":"d0","flags":[]}'
    other = '{"dst":"2001:db8:f::1/128","gateway":"2001:db8::9","dev":"d0","flags":[]}'
    assert hops(f"[{one},{other},{one}]") == {"2001:db8:f::1": ["2001:db8::8", "2001:db8::9"]}


@given(
    st.one_of(
        st.text(max_size=60),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["dst", "nexthops", "gateway", "via", "flags", "dev", "type"]), inner, max_size=4
                ),
            ),
        ).map(json.dumps),
    )
)
def test_no_output_makes_the_parser_stumble(text: str) -> None:
    try:
        routes = parse_routes(text)
    except DsrError as error:
        assert "no JSON" in str(error)
    else:
        assert all(isinstance(hop, str) for route in routes for hop in route["hops"])


class FakeRouter(Runner):
    """`ip -batch` over two tables."""

    def __init__(self, installed: bool = True) -> None:
        self.tables = {"-4": {"203.0.113.1": RECORDED4.splitlines()[0]}, "-6": {"2001:db8:f::1": RECORDED6.strip()}}
        self.commands = 0
        self._installed = installed

    def run(self, argv: Sequence[str], stdin: str | None, *, writes: bool) -> Result:
        assert not writes
        assert [argv[0], argv[1], *argv[3:]] == ["ip", "-json", "-batch", "-"]
        self.commands += 1
        wanted = [line.split() for line in (stdin or "").splitlines()]
        assert all(words[:2] == ["route", "show"] for words in wanted)
        return Result(0, "\n".join(self.tables[argv[2]].get(words[2], "[]") for words in wanted) + "\n", "")

    def has(self, command: str) -> bool:
        return self._installed


def test_routes_are_read_with_a_command_per_family() -> None:
    router = FakeRouter()
    found = read_routes(router, ["203.0.113.1", "2001:db8:f::1", "203.0.113.7"])
    assert {route["vip"]: len(route["hops"]) for route in found} == {"203.0.113.1": 2, "2001:db8:f::1": 2}
    assert router.commands == 2
    assert read_routes(router, []) == []
    assert router.commands == 2


def test_a_router_without_ip() -> None:
    with pytest.raises(DsrError, match="iproute2"):
        read_routes(FakeRouter(installed=False), ["203.0.113.1"])
