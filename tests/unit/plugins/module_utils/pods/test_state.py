# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import FAMILIES, Device, Memory, State, Vip
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import (
    alias,
    lines,
    parse_alias,
    parse_state,
    parse_sysctls,
    with_ports,
)
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.pods.fake_machine import recorded
from hypothesis import given
from hypothesis import strategies as st

FAMILY4, FAMILY6 = FAMILIES
POD = {"10.244.1.2": "eth0", "2001:db8:244:1::2": "eth0", "127.0.0.1": "lo", "::1": "lo"}


def read(state: str) -> State:
    return parse_state(recorded(state, "addr.json"), recorded(state, "sysctl"))


def test_pristine_pod() -> None:
    sysctls = {"net.ipv4.conf.all.arp_ignore": "0", "net.ipv4.conf.all.arp_announce": "0"}
    assert read("pristine") == State(sysctls=sysctls, addresses=POD)


def test_complete_pod() -> None:
    memory = Memory({"arp_ignore": "0", "arp_announce": "0"})
    kept = {key: value for family in FAMILIES for key, value in family.sysctls.items() if "gre" not in key}
    assert read("complete") == State(
        {
            "dsr4": Device("10.244.1.2", "any", "ipip", True, True, memory),
            "dsr6": Device("2001:db8:244:1::2", "any", "ip6ip6", True, True, Memory()),
        },
        frozenset({Vip("dsr4", "203.0.113.1/32"), Vip("dsr4", "203.0.113.2/32"), Vip("dsr6", "2001:db8:f::1/128")}),
        kept,
        addresses=POD,
    )


def test_pod_with_every_tunnel() -> None:
    state = with_ports(read("guarded"), recorded("guarded", "fou.json"))
    memory = Memory({"arp_ignore": "0", "arp_announce": "0"}, port=True, guard=True)
    assert state.devices == {
        "dsr4": Device("10.9.0.2", "any", "ipip", True, True, memory),
        "dsr4gre": Device("10.9.0.2", "any", "", True, True, Memory()),
        "dsr6": Device("2001:db8:9::2", "any", "ip6ip6", True, True, Memory({}, port=True, guard=True)),
        "dsr6gre": Device("2001:db8:9::2", "any", "", True, True, Memory()),
    }
    assert state.ports == {4: "gue", 6: "gue"}
    assert state.sysctls == {**FAMILY4.sysctls, **FAMILY6.sysctls}
    together = f"{recorded('guarded', 'addr.json')}\n{recorded('guarded', 'fou.json')}"
    assert parse_state(together, recorded("guarded", "sysctl")) == state


@pytest.mark.parametrize(("state", "device"), [("lo", "lo"), ("interface", "vb")])
def test_vips_elsewhere_are_known_by_their_mark(state: str, device: str) -> None:
    filler = {Vip("dsr4", "192.0.0.8/32"), Vip("dsr4gre", "192.0.0.8/32")}
    assert read(state).vips == {Vip(device, "203.0.113.1/32"), Vip(device, "2001:db8:f::1/128"), *filler}
    assert read(state).addresses["10.9.0.2"] == "vb"
    assert f"ip addr add 203.0.113.1/32 dev {device} metric 13631488" in lines(read(state))


@pytest.mark.parametrize(
    ("port", "use"),
    [
        ({"port": 6080, "gue": None}, {4: "gue"}),
        ({"port": 6080, "gue": None, "family": "inet6"}, {6: "gue"}),
        ({"port": 6080, "ipproto": 4, "family": "inet"}, {4: "ipproto 4"}),
        ({"port": 6080, "gue": None, "family": "inet", "local": "10.9.0.2"}, {4: "local 10.9.0.2"}),
        ({"port": 6081, "gue": None, "family": "inet"}, {}),
        ({"port": 6080, "gue": None, "family": "ipx"}, {}),
    ],
)
def test_gue_ports(port: dict[str, object], use: dict[int, str]) -> None:
    assert with_ports(State(), json.dumps([port])).ports == use


def test_half_made_devices_are_ours_and_remember_nothing() -> None:
    assert [(device.owned, device.memory, device.up) for device in read("halfmade").devices.values()] == [
        (True, None, False),
        (True, None, False),
    ]


def test_foreign_device_of_the_same_name() -> None:
    state = read("foreign")
    assert not state.devices["dsr4"].owned
    assert not [line for line in lines(state) if "dsr4" in line and "sysctl" not in line]


def test_our_group_on_another_type_is_foreign() -> None:
    link = {"ifname": "dsr4", "group": "13631488", "linkinfo": {"info_kind": "dummy"}}
    assert not parse_state(json.dumps([link]), "").devices["dsr4"].owned


def test_lines_of_a_complete_pod_build_it_in_order() -> None:
    assert lines(read("complete")) == [
        "ip link add dsr4 group 13631488 type ipip mode ipip local 10.244.1.2 remote any",
        "ip link set dsr4 alias baremetal.dsr,arp_ignore=0,arp_announce=0",
        "ip link add dsr6 group 13631488 type ip6tnl mode ip6ip6 local 2001:db8:244:1::2 remote any",
        "ip link set dsr6 alias baremetal.dsr addrgenmode none",
        "sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "sysctl -w net.ipv4.conf.all.arp_announce=2",
        "sysctl -w net.ipv4.conf.dsr4.rp_filter=2",
        "sysctl -w net.ipv6.conf.dsr6.disable_ipv6=0",
        "ip addr add 203.0.113.1/32 dev dsr4",
        "ip addr add 203.0.113.2/32 dev dsr4",
        "ip addr add 2001:db8:f::1/128 dev dsr6 nodad",
        "ip link set dsr4 up",
        "ip link set dsr6 up",
    ]


@given(st.integers(0, 8), st.integers(0, 2), st.booleans(), st.booleans())
def test_alias_keeps_what_it_is_given(ignore: int, announce: int, port: bool, guard: bool) -> None:
    memory = Memory({"arp_ignore": str(ignore), "arp_announce": str(announce)}, port, guard)
    assert parse_alias(alias(memory), FAMILY4.remembered) == memory
    assert parse_alias(alias(memory), FAMILY6.remembered) is None
    assert len(alias(memory)) < 256, "more the kernel does not keep"


@pytest.mark.parametrize(
    "text",
    ["", None, "uplink", "baremetal.dsr", "baremetal.dsr,arp_ignore=", "baremetal.dsr,x", "baremetal.dsr,guard"],
)
def test_other_aliases_remember_nothing(text: str | None) -> None:
    assert parse_alias(text, FAMILY4.remembered) is None


@pytest.mark.parametrize("text", ["{}", "null", "[", "Object not found", "[" * 100_000])
def test_output_that_is_no_list(text: str) -> None:
    with pytest.raises(DsrError, match="is something other than a JSON list"):
        parse_state(text, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["addr_info", "local", "x"]), inner),
    max_leaves=8,
)
KEYS = ["ifname", "group", "flags", "linkinfo", "ifalias", "addr_info"]


@given(st.sampled_from(["dsr4", "dsr6", "eth0"]), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_shape_of_link_is_parsed(name: str, fields: dict[str, object]) -> None:
    assert isinstance(parse_state(json.dumps([{"ifname": name, **fields}, fields]), ""), State)


@given(st.integers(0, 5000), st.integers(0, 30), st.text(max_size=5))
def test_no_mutated_output_breaks_the_parser(place: int, cut: int, put: str) -> None:
    text = recorded("complete", "addr.json")
    try:
        state = parse_state(text[:place] + put + text[place + cut :], put)
    except DsrError:
        return
    assert isinstance(lines(state), list)


@given(st.text())
def test_no_sysctl_output_breaks_the_parser(text: str) -> None:
    assert parse_sysctls(text) == {}
