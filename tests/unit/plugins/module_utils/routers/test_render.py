# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every dialect must say, and must not.

The golden files are read by people and, those of FRR and BIRD, by the daemons (test_daemons.py). After an intended
change: scripts/run python tests/unit/plugins/module_utils/routers/cases.py, and read the difference.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.peering import PASSWORD_PLACEHOLDER
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.render import DIALECTS, render
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import (
    BARE,
    CASES,
    EXPLICIT,
    GOLDEN,
    NODES,
    ONE,
    RANGES,
    SECRET,
    rendered,
    router,
    text,
)
from hypothesis import given
from hypothesis import strategies as st

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)

BFD = {
    "frr": "bfd",
    "sonic": "bfd",
    "bird": "bfd",
    "eos": "bfd",
    "nxos": "feature bfd",
    "junos": "bfd-",
    "cumulus": "bfd",
}
GTSM = {
    "frr": "ttl-security hops 1",
    "sonic": "ttl-security hops 1",
    "bird": "ttl security yes",
    "eos": "ttl maximum-hops 1",
    "nxos": "ttl-security hops 1",
    "junos": "ttl 255",
    "cumulus": "ttl-security hops 1",
}
PASSIVE = {"nxos": "transport connection-mode passive"}
RELAX = {"frr": "multipath-relax", "sonic": "multipath-relax", "eos": "multipath-relax", "nxos": "multipath-relax"}
RELAX |= {"junos": "multiple-as", "cumulus": "aspath-ignore"}
NOTHING_OUT = {
    "bird": "export none;",
    "junos": "policy-statement dsr-out then reject",
    "cumulus": "route-map dsr-out rule 10 action deny",
}
_V4 = r"ipv4 unicast\n +neighbor dsr-nodes4 activate\n.*dsr-in4 in\n"
_FRR = _V4 + r".*ipv6 unicast\n +neighbor dsr-nodes4 activate\n.* neighbor dsr-nodes4 route-map dsr-in6 in\n"
BOTH = {
    "frr": _FRR,
    "sonic": _FRR,
    "bird": r"'dsr-nodes4' .*\tipv4 \{\n\t\timport filter 'dsr-in4';.*\tipv6 \{\n\t\timport filter 'dsr-in6';",
    "eos": _FRR.replace(" unicast", ""),
    "nxos": r"template peer dsr-nodes4\n.*ipv4 unicast\n +route-map dsr-in4 in\n.*ipv6 unicast\n +route-map dsr-in6 in",
    "junos": r"nodes4 family inet unicast .*nodes4 family inet6 unicast .*nodes4 import \[ dsr-in4 dsr-in6 dsr-out \]",
    "cumulus": r"nodes4 address-family ipv4-unicast enable on\n.*nodes4 address-family ipv6-unicast enable on\n",
}
LOWEST = {"bird": "bgp_local_pref = 0"}


def effective(config: str) -> str:
    """Without comments."""
    return "\n".join(line for line in config.splitlines() if not re.match(r"\s*[!#]", line))


@every_dialect
@pytest.mark.parametrize("name", CASES)
def test_golden_file(name: str, dialect: str) -> None:
    got = rendered(name, dialect)
    assert got.file == f"{name}.{dialect}.conf"
    assert got.text == (GOLDEN / got.file).read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}.{dialect}.conf" for name in CASES for dialect in DIALECTS
    }


@every_dialect
def test_first_line_says_that_it_was_not_run(dialect: str) -> None:
    first = text(dialect, EXPLICIT).splitlines()[0]
    assert first[0] == DIALECTS[dialect].comment
    assert "NOT RUN" in first


@every_dialect
def test_what_is_on_by_default(dialect: str) -> None:
    config = effective(text(dialect, EXPLICIT))
    assert BFD[dialect] in config
    assert GTSM[dialect] in config
    assert PASSIVE.get(dialect, "passive") in config
    assert LOWEST.get(dialect, "local-preference 0") in config
    assert "65535" in config or "graceful-shutdown" in config
    assert NOTHING_OUT.get(dialect, "route-map dsr-out deny 10") in config
    assert "10000" in config
    assert "64" in config


@every_dialect
def test_every_node_is_named_with_its_addresses(dialect: str) -> None:
    config = effective(text(dialect, EXPLICIT))
    for name, node in NODES.items():
        assert name in config
        for address in node["addresses"]:
            assert re.search(rf"neighbor {re.escape(address)}(?![\d/])", config)


@every_dialect
def test_with_ranges_no_node_is_named(dialect: str) -> None:
    config = effective(text(dialect, RANGES))
    for network in RANGES["listen_ranges"]:
        assert network in config
    assert "k8s-1" not in config
    assert "192.0.2.21" not in config


@every_dialect
def test_only_host_routes_of_the_pools(dialect: str) -> None:
    config = effective(text(dialect, RANGES))
    for pool, length in (("203.0.113.0/24", 32), ("2001:db8:f::/64", 128)):
        for line in (line for line in config.splitlines() if pool in line):
            assert str(length) in line.split(pool)[1], line
    assert "198.51.100.7/32" in config
    assert "2001:db8:e::7/128" in config


@every_dialect
def test_bfd_password_and_ttl_security_can_be_off(dialect: str) -> None:
    config = effective(text(dialect, BARE)).lower()
    for word in ("bfd", "password", "authentication", "ttl", "hop-limit"):
        assert word not in config


@every_dialect
def test_ibgp_needs_no_relaxed_multipath(dialect: str) -> None:
    inside = {**EXPLICIT, "router_asn": 64512, "node_asn": 64512}
    if dialect in RELAX:
        assert RELAX[dialect] in effective(text(dialect, EXPLICIT))
        assert RELAX[dialect] not in effective(text(dialect, inside))
    assert "iBGP" in text(dialect, inside)
    assert "eBGP" in text(dialect, EXPLICIT)


@every_dialect
def test_secret_stays_out(dialect: str) -> None:
    config = text(dialect, EXPLICIT)
    assert SECRET not in config
    assert effective(config).count(PASSWORD_PLACEHOLDER) == 2
    assert PASSWORD_PLACEHOLDER in config.split(effective(config)[:20])[0]


@every_dialect
def test_secret_is_there_when_asked_for(dialect: str) -> None:
    config = text(dialect, {**EXPLICIT, "show_password": True})
    assert effective(config).count(SECRET) == 2
    assert PASSWORD_PLACEHOLDER not in config


@every_dialect
def test_family_that_the_router_lacks_is_left_out(dialect: str) -> None:
    config = text(dialect, EXPLICIT, addresses=["192.0.2.1"])
    assert "2001:db8" not in config
    assert "nodes6" not in config


@every_dialect
def test_family_without_a_pool_is_left_out(dialect: str) -> None:
    assert "nodes4" not in text(dialect, {**EXPLICIT, "vip_pools": ["2001:db8:f::/64"]})


@every_dialect
@pytest.mark.parametrize("ranges", [False, True])
def test_one_session_for_both_families(dialect: str, ranges: bool) -> None:
    """Peers over IPv4 only, what is accepted of both families, and no password twice."""
    more = {key: RANGES[key] for key in ("listen_ranges",)} if ranges else {}
    config = effective(text(dialect, {**ONE, **more}, interface="Vlan10.1"))
    assert "2001:db8:fab:" not in config
    assert "nodes6" not in config
    assert "ttl6" not in config
    assert config.count(PASSWORD_PLACEHOLDER) == 1
    for name in ("dsr-in4", "dsr-in6", "203.0.113.0/24", "2001:db8:f::/64"):
        assert name in config
    assert config.count("10000") == (1 if dialect == "eos" else 2)
    assert re.search(BOTH[dialect], config, re.DOTALL)


@every_dialect
def test_own_asn_of_the_router(dialect: str) -> None:
    config = effective(text(dialect, EXPLICIT, asn=65001))
    assert "65001" in config
    assert "64512" not in config


@every_dialect
def test_two_clusters_share_no_name(dialect: str) -> None:
    """What one cluster defines, the other does not, but for what is the whole router's."""
    shop, bank = (effective(text(dialect, {**EXPLICIT, "cluster": name})) for name in ("shop", "bank"))
    owned = set(re.findall(r"[\w-]+", shop)) - set(re.findall(r"[\w-]+", bank))
    assert owned
    assert all(word.startswith("shop") for word in owned)
    assert "dsr" not in shop


@pytest.mark.parametrize("dialect", ["frr", "sonic", "cumulus", "eos"])
def test_sessions_over_ipv6_carry_no_ipv4(dialect: str) -> None:
    """FRR activates IPv4 on them by itself, and on neighbors from a listen range whatever the group says."""
    config = effective(text(dialect, RANGES, addresses=["2001:db8:fab::1"]))
    closed = {
        "cumulus": "peer-group shop-eu-1-nodes6 address-family ipv4-unicast policy inbound route-map shop-eu-1-out",
        "eos": "no neighbor shop-eu-1-nodes6 activate",
    }
    assert closed.get(dialect, "address-family ipv4 unicast\n  neighbor shop-eu-1-nodes6 activate\n") in config
    assert closed.get(dialect, "  neighbor shop-eu-1-nodes6 route-map shop-eu-1-out in\n") in config


def test_one_session_for_ipv6_routes_alone_is_closed_to_ipv4() -> None:
    config = effective(text("frr", {**ONE, "vip_pools": ["2001:db8:f::/64"]}))
    assert "address-family ipv4 unicast\n  no neighbor dsr-nodes4 activate\n exit" in config
    assert "address-family ipv6 unicast\n  neighbor dsr-nodes4 activate\n" in config


def test_junos_refuses_the_rest_at_the_end_of_the_chain_only() -> None:
    assert "rest then reject" not in effective(text("junos", ONE))
    assert effective(text("junos", EXPLICIT)).count("term rest then reject") == 2


def test_interface_towards_the_nodes() -> None:
    assert "interface Vlan10\n" in effective(text("nxos", EXPLICIT, interface="Vlan10"))
    assert "interface" not in effective(text("nxos", BARE, interface="Vlan10"))
    junos = "set interfaces ae0 unit 10 family inet6 filter input dsr-ttl6"
    assert junos in effective(text("junos", EXPLICIT, interface="ae0.10"))
    assert "set interfaces" not in effective(text("junos", EXPLICIT))


def test_junos_takes_certain_numbers_of_next_hops() -> None:
    assert "maximum-ecmp 32" in text("junos", {**EXPLICIT, "max_paths": 17})
    assert "maximum-ecmp 128" in text("junos", {**EXPLICIT, "max_paths": 128})


@pytest.mark.parametrize("option, value", [("bfd_interval", 1000), ("max_paths", 65)])
def test_what_nxos_does_not_take(option: str, value: int) -> None:
    with pytest.raises(DsrError, match=f"router edge-1: dsr_{option} is {value}"):
        text("nxos", {**EXPLICIT, option: value})
    assert str(value) in text("eos", {**EXPLICIT, option: value})


@pytest.mark.parametrize("chosen", ["ios", "EOS", "", 7, ["eos"], {"eos": 1}])
def test_unknown_dialect(chosen: Any) -> None:
    with pytest.raises(
        DsrError, match="router edge-1: dialect .* is not known. Set dsr_router.dialect to one of frr, bird"
    ):
        render("edge-1", router(chosen), **EXPLICIT)


@pytest.mark.parametrize("machine", [{"addresses": ["192.0.2.1"]}, {}, None, "eos"])
def test_missing_dialect(machine: Any) -> None:
    with pytest.raises(DsrError, match="router edge-1: has no dialect"):
        render("edge-1", machine, **EXPLICIT)


@given(
    dialect=st.sampled_from(sorted(DIALECTS)),
    asn=st.integers(1, 4294967295).filter(lambda asn: asn != 23456),
    count=st.integers(1, 60),
    ranges=st.booleans(),
    flags=st.fixed_dictionaries({"bfd": st.booleans(), "ttl_security": st.booleans(), "show_password": st.booleans()}),
)
def test_any_cluster(dialect: str, asn: int, count: int, ranges: bool, flags: dict[str, bool]) -> None:
    nodes = {f"n{i}": {"addresses": [f"192.0.2.{i}", f"2001:db8:fab::{i:x}"]} for i in range(1, count + 1)}
    options = {**EXPLICIT, **flags, "nodes": nodes, "node_asn": asn}
    if ranges:
        options["listen_ranges"] = ["192.0.2.0/24", "2001:db8:fab::/64"]
    got = text(dialect, options)
    assert got == text(dialect, options)
    assert got.endswith("\n") and not got.endswith("\n\n")
    assert not [line for line in got.splitlines() if line != line.rstrip()]
    assert (SECRET in got) is flags["show_password"]
    assert str(asn) in got
