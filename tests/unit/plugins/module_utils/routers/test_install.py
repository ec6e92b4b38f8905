# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router comes to its peering, keeps what is not ours, and comes back from a mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.managed import Router
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import NODES, SECRET
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.router_machine import (
    FOREIGN,
    POOLS,
    Killed,
    Machine,
    bring,
    peering,
    stay,
)


@pytest.fixture
def frr(tmp_path: Path) -> Machine:
    return Machine(tmp_path, FOREIGN)


def test_comes_and_goes_and_leaves_the_rest(frr: Machine) -> None:
    assert bring(frr, frr.frr, peering()).changed
    assert stay(frr, frr.frr)
    assert frr.config.read_text().startswith(FOREIGN)
    assert not (frr.folder / "run").exists()
    count = len(frr.writes)
    assert not bring(frr, frr.frr, peering()).changed
    assert not stay(frr, frr.frr)
    assert len(frr.writes) == count
    assert bring(frr, frr.frr, None, seconds=0).result()["clusters"] == []
    assert (frr.config.read_text(), frr.running) == (FOREIGN, FOREIGN)
    assert not bring(frr, frr.frr, None, seconds=0).changed


def test_wherever_it_is_killed_the_next_run_or_the_timer_mends_it(tmp_path: Path) -> None:
    for lives in range(20):
        (tmp_path / str(lives)).mkdir()
        machine = Machine(tmp_path / str(lives), FOREIGN)
        machine.lives = lives
        try:
            bring(machine, machine.frr, peering())
            done = True
        except Killed:
            done = False
        machine.lives = None
        if machine.timer and not done:
            before = machine.config.read_text()
            machine.elapse()
            assert machine.config.read_text() == machine.running == FOREIGN, before
        bring(machine, machine.frr, peering())
        assert machine.config.read_text() == machine.running
        stay(machine, machine.frr)
        assert not bring(machine, machine.frr, peering()).changed
        assert not machine.timer
        if done:
            return
    raise AssertionError("it never came to its end")


def test_a_session_that_stays_away_brings_the_old_file_back(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    good = frr.config.read_text()
    frr.up = {"192.0.2.21", "198.51.100.9"}
    bring(frr, frr.frr, peering(max_prefixes=7))
    frr.up = {"198.51.100.9"}
    with pytest.raises(DsrError, match=r"taken back: the sessions with 192\.0\.2\.21 did not come back"):
        stay(frr, frr.frr)
    assert frr.config.read_text() == frr.running == good
    assert not (frr.folder / "run").exists()


def test_nobody_waits_for_nodes_that_must_change_too(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    frr.up = {"192.0.2.21", "198.51.100.9"}
    bring(frr, frr.frr, peering(password=SECRET))
    frr.up = {"198.51.100.9"}
    assert stay(frr, frr.frr)


RANGES = ["192.0.2.0/24", "2001:db8:fab::/64"]


@pytest.mark.parametrize("ranges", [[], RANGES])
@pytest.mark.parametrize("forms", [("per_family", "one"), ("one", "per_family")])
def test_from_one_form_of_sessions_to_the_other(frr: Machine, forms: tuple[str, str], ranges: list[str]) -> None:
    """Sessions over IPv6 go, or are not there yet; only those of others must come back."""
    for router in (frr.frr, frr.bird):
        frr.config.write_text("" if router is not frr.frr else FOREIGN)
        bring(frr, router, peering(sessions=forms[0], listen_ranges=ranges))
        stay(frr, router)
        frr.up = {"192.0.2.21", "192.0.2.22", "198.51.100.9"}
        if forms[0] == "per_family":
            frr.up |= {"2001:db8:fab::21", "2001:db8:fab::22"}
        assert bring(frr, router, peering(sessions=forms[1], listen_ranges=ranges)).changed
        frr.up = {"192.0.2.21", "192.0.2.22", "198.51.100.9"}
        assert stay(frr, router)
        text = frr.config.read_text()
        assert ("2001:db8:fab::" in text) is ("nodes6" in text) is (forms[1] == "per_family")
        assert not bring(frr, router, peering(sessions=forms[1], listen_ranges=ranges)).changed


@pytest.mark.parametrize("ranges", [[], RANGES])
def test_both_ends_must_agree_on_the_form_of_sessions(frr: Machine, ranges: list[str]) -> None:
    """A session from a range has no neighbor line that would tell that it goes."""
    for router in (frr.frr, frr.bird):
        one, two = (router.block(peering(sessions=form, listen_ranges=ranges)) for form in ("one", "per_family"))
        nodes = re.compile(r"^(?!.*neighbor (?:range )?2001).*$", re.MULTILINE)
        assert router.shared("\n".join(nodes.findall(one))) != router.shared("\n".join(nodes.findall(two)))


def test_bird_routes_both_families_of_one_session(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "protocol device {\n}\n")
    bring(machine, machine.bird, peering(sessions="one"))
    text = machine.config.read_text()
    assert "dsr-kernel4" in text
    assert "dsr-kernel6" in text
    claims = machine.bird.claims(machine.bird.own(text, "dsr"))
    assert claims.neighbors == {"192.0.2.21", "192.0.2.22"}
    assert set(claims.pools) == set(POOLS)


def test_password_is_nowhere_to_be_seen_and_the_file_is_closed(frr: Machine) -> None:
    change = bring(frr, frr.frr, peering(password=SECRET))
    other = bring(frr, frr.frr, peering(password="another"))
    assert SECRET in change.wanted
    assert SECRET not in str(change.result()) + str(other.result()) + str(frr.writes)
    assert other.result()["diff"]["before"] != other.result()["diff"]["after"]
    assert frr.config.stat().st_mode & 0o777 == 0o640


def test_what_the_checker_refuses_changes_nothing(frr: Machine) -> None:
    frr.refuses = "maximum-paths 64"
    with pytest.raises(DsrError, match="its new text was refused"):
        bring(frr, frr.frr, peering())
    assert frr.config.read_text() == FOREIGN
    assert sorted(path.name for path in frr.folder.iterdir()) == ["daemon.conf"]


def test_a_daemon_that_does_not_take_it_gets_the_old_file_back(frr: Machine) -> None:
    frr.deaf = True
    with pytest.raises(DsrError, match="was loaded, but not taken"):
        bring(frr, frr.frr, peering())
    assert frr.config.read_text() == FOREIGN
    assert not frr.timer


def test_write_memory_took_the_markers(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    lines = [line for line in frr.config.read_text().splitlines(keepends=True) if not line.startswith("!")]
    frr.config.write_text("".join(lines))
    bring(frr, frr.frr, peering(nodes={"k8s-1": NODES["k8s-1"]}))
    assert "192.0.2.22" not in frr.config.read_text()
    assert frr.config.read_text().count("neighbor dsr-nodes4 peer-group") == 1
    bring(frr, frr.frr, None, seconds=0)
    assert "dsr-" not in frr.config.read_text()
    assert "neighbor 198.51.100.9 remote-as 64999" in frr.config.read_text()


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("  maximum-paths 64\n", "ipv4 maximum-paths 64"),
        (" bgp bestpath as-path multipath-relax\n", "bgp bestpath as-path multipath-relax"),
        (" bgp router-id 192.0.2.1\n", "bgp router-id 192.0.2.1"),
    ],
)
def test_setting_of_the_daemon_that_was_lost_comes_back(frr: Machine, lost: str, told: str) -> None:
    frr.version = "--enable-multipath=256"
    wanted = peering(router_id="192.0.2.1")
    bring(frr, frr.frr, wanted)
    stay(frr, frr.frr)
    good = frr.running
    assert good
    frr.running = good.replace(lost, "", 1)
    change = bring(frr, frr.frr, wanted)
    assert change.changed
    assert change.differs == [told]
    assert frr.running == good
    stay(frr, frr.frr)
    assert not bring(frr, frr.frr, wanted).changed


def test_another_number_of_next_hops_is_seen(frr: Machine) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    frr.running = str(frr.running).replace("maximum-paths 64", "maximum-paths 2")
    assert frr.frr.differs(frr.config.read_text(), "dsr") == ["ipv4 maximum-paths 64", "ipv6 maximum-paths 64"]


@pytest.mark.parametrize(
    ("version", "started"),
    [("--enable-multipath=64", ""), ("--enable-multipath=256", "7 /usr/lib/frr/bgpd -d -e 64"), ("", "")],
    ids=["as built", "as started", "not known"],
)
def test_next_hops_that_frr_has_by_itself_are_not_shown_by_it(frr: Machine, version: str, started: str) -> None:
    bring(frr, frr.frr, peering())
    stay(frr, frr.frr)
    frr.version, frr.started = version, started
    frr.running = str(frr.running).replace("  maximum-paths 64\n", "")
    assert not bring(frr, frr.frr, peering()).changed


def test_a_marker_without_its_end(frr: Machine) -> None:
    frr.config.write_text(FOREIGN + "! BEGIN baremetal.dsr dsr\nip prefix-list x\n")
    with pytest.raises(DsrError, match="has no counterpart"):
        bring(frr, frr.frr, peering())


STOCK = "# stock\nlog syslog all;\nprotocol device {\n}\nprotocol kernel {\n\tipv4 { export all; };\n}\n"


def test_bird_takes_the_place_of_the_packages_file_and_gives_it_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path, STOCK)
    (tmp_path / "packaged.conf").write_text(STOCK)
    bring(machine, machine.bird, peering())
    assert "merge paths yes limit 64;" in machine.config.read_text()
    assert "export all" not in machine.config.read_text()
    machine.take_back().disarm()
    assert not bring(machine, machine.bird, peering()).changed
    bring(machine, machine.bird, None, seconds=0)
    assert machine.config.read_text() == machine.running == STOCK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daemon.conf", "packaged.conf"]


def test_bird_of_an_operator(tmp_path: Path) -> None:
    machine = Machine(tmp_path, STOCK)
    with pytest.raises(DsrError, match="installs one next hop of a route"):
        bring(machine, machine.bird, peering())
    foreign = STOCK.replace("ipv4 {", "merge paths yes; ipv4 {") + "protocol bfd {}\n"
    machine = Machine(tmp_path, foreign)
    bring(machine, machine.bird, peering())
    text = machine.config.read_text()
    assert "dsr-kernel6" in text
    assert "dsr-kernel4" not in text
    assert "dsr-bfd" not in text
    other = {"cluster": "shop", "vip_pools": ["198.51.100.0/25"], "nodes": {"s1": {"addresses": ["192.0.2.51"]}}}
    bring(machine, machine.bird, peering(**other), "shop")
    assert 'proto ~ "dsr-*" || proto ~ "shop-*"' in machine.config.read_text()
    bring(machine, machine.bird, None, "shop", seconds=0)
    bring(machine, machine.bird, None, seconds=0)
    assert machine.config.read_text() == foreign


def test_a_machine_that_never_was_a_router(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.config.unlink()
    machine.installed = False
    for router in (machine.frr, machine.bird):
        assert not bring(machine, router, None, seconds=0).changed
        with pytest.raises(DsrError, match="is not there"):
            bring(machine, router, peering())
    assert machine.writes == []


@pytest.mark.parametrize("provider", ["frr", "bird"])
@pytest.mark.parametrize(
    ("change", "waits"),
    [
        ({"nodes": {"k8s-1": NODES["k8s-1"]}}, ["192.0.2.21", "198.51.100.9"]),
        ({"nodes": {**NODES, "k8s-3": {"addresses": ["192.0.2.23"]}}}, ["192.0.2.21", "192.0.2.22", "198.51.100.9"]),
        ({"node_asn": 64999}, ["198.51.100.9"]),
        ({"router_asn": 64511}, ["198.51.100.9"]),
        ({"ttl_security": False}, ["198.51.100.9"]),
        ({"password": SECRET}, ["198.51.100.9"]),
    ],
    ids=["a node less", "a node more", "AS of nodes", "AS of router", "TTL", "password"],
)
def test_who_must_be_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, change: dict[str, Any], waits: list[str]
) -> None:
    machine = Machine(tmp_path, "hostname edge\n" if provider == "frr" else "log syslog all;\n")
    router: Router = machine.frr if provider == "frr" else machine.bird
    bring(machine, router, peering(nodes=NODES))
    machine.take_back().disarm()
    monkeypatch.setattr(router, "sessions", lambda: frozenset({"192.0.2.21", "192.0.2.22", "198.51.100.9"}))
    bring(machine, router, peering(**{"nodes": NODES, **change}))
    assert machine.take_back().sessions() == waits


def test_password_in_what_the_checker_says_is_hidden(frr: Machine) -> None:
    for said in (f" neighbor x password {SECRET}", f"line 9: % Unknown command[28]:  neighbor x password 8 {SECRET}"):
        assert SECRET not in frr.frr.hidden(said)
        assert "password (hidden)" in frr.frr.hidden(said)
    for said in (f'line 9: password "{SECRET}";', f'password "{SECRET}', f"unexpected password {SECRET}"):
        assert SECRET not in frr.bird.hidden(said)
    frr.says = f"line 2: % Unknown command[28]:  neighbor dsr-nodes4 password {SECRET}"
    frr.refuses = "password"
    with pytest.raises(DsrError, match=r"was refused: line 2: .* password \(hidden\)\. Mend") as error:
        bring(frr, frr.frr, peering(password=SECRET))
    assert SECRET not in str(error.value)
