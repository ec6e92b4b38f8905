# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped playbooks do with two routers. The tests build on each other, in their order."""

from __future__ import annotations

import os
import re

import pytest

RANGES = ["192.0.2.0/24", "2001:db8:fab::/64"]
ATTRIBUTES = {"speaker_med": 50, "speaker_local_pref": 150, "speaker_communities": ["64513:100", "64513:1:2"]}
INTERNAL = {"dsr_router_asn": 64512, "dsr_node_asn": 64512, "dsr_listen_ranges": RANGES, "router_hash_policy": 3}

pytestmark = pytest.mark.skipif(not os.environ.get("DSR_TEST_FULL"), reason="twenty minutes: under make test-full only")


def changes(done) -> set[str]:
    """The counts of changed tasks in the recap, of a run that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"changed=(\d+)", done.stdout))


def test_verify_is_green(playbook) -> None:
    done = playbook("verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_bird_3_as_speaker_and_as_router(playbook, machine, peered, hops, vips) -> None:
    """Its programs take the place of those of BIRD 2 on n3 and r2."""
    units = {"n3": "baremetal-dsr-bird", "r2": "bird"}
    for name, unit in units.items():
        machine(name).check_output(
            f"mkdir /root/bird2 && cp /usr/sbin/bird /usr/sbin/birdc /root/bird2 &&"
            f" install /opt/dsrlab/bird3/* /usr/sbin && systemctl restart {unit}"
        )
    try:
        peered()
        for name, socket in (("n3", "-s /run/baremetal-dsr/bird.ctl"), ("r2", "")):
            assert "BIRD 3." in machine(name).check_output(f"birdc {socket} show status")
        assert changes(playbook("site")) == {"0"}
        assert changes(playbook("drain", dsr_drain_nodes="n3")) - {"0"}
        assert [hops(vip, "r2") for vip in vips] == [{"11", "12"}] * len(vips)
        assert changes(playbook("undrain", dsr_drain_nodes="n3")) - {"0"}
        peered()
        done = playbook("verify")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        for name, unit in units.items():
            machine(name).check_output(f"install /root/bird2/* /usr/sbin && systemctl restart {unit}")
    peered()


def test_password_changes_and_is_never_shown(playbook, password, peered) -> None:
    done = playbook("site", "--diff", dsr_bgp_password="and-another-one")
    assert changes(done) - {"0"}
    assert password not in done.stdout + done.stderr
    assert "and-another-one" not in done.stdout + done.stderr
    peered()


def test_one_session_for_both_families(playbook, peered, sessions, providers, machine) -> None:
    """Between IPv4 addresses, with the first password again. The next test goes back to two sessions."""
    assert changes(playbook("site", dsr_bgp_sessions="one")) - {"0"}
    peered([4])
    for router in providers:
        assert sessions(router, 6) == {}, router
    assert "nodes6" not in machine("r1").check_output("vtysh -c 'show running-config'")
    assert "nodes6" not in machine("r2").check_output("cat /etc/bird/bird.conf")
    assert changes(playbook("site", dsr_bgp_sessions="one")) == {"0"}


def test_internal_sessions_from_ranges(playbook, peered, machine) -> None:
    """iBGP, and routers that know no node by name and hash by named fields."""
    assert changes(playbook("site", **INTERNAL, **ATTRIBUTES)) - {"0"}
    peered()
    assert "bgp listen range 192.0.2.0/24" in machine("r1").check_output("vtysh -c 'show running-config'")
    assert "neighbor range 192.0.2.0/24 as 64512" in machine("r2").check_output("cat /etc/bird/bird.conf")
    assert changes(playbook("site", **INTERNAL, **ATTRIBUTES)) == {"0"}
    peered()


def test_attributes_reach_the_routers(machine) -> None:
    told = machine("r1").check_output("vtysh -c 'show bgp ipv4 unicast 203.0.113.1/32'")
    for attribute in ("metric 50", "localpref 150", "Community: 64513:100", "Large Community: 64513:1:2"):
        assert told.count(attribute) == 3, told
    told = machine("r2").check_output("birdc show route all for 2001:db8:f::1")
    for attribute in ("med: 50", "local_pref: 150", "community: (64513,100)", "large_community: (64513, 1, 2)"):
        assert told.count(attribute) == 3, told


def test_flows_are_spread_by_named_fields(machine, playbook, providers) -> None:
    for router in providers:
        names = [f"net.ipv{version}.fib_multipath_hash_{what}" for version in (4, 6) for what in ("policy", "fields")]
        assert machine(router).check_output(f"sysctl -n {' '.join(names)}").split() == ["3", "55"] * 2, router
    done = playbook("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r" n[123]:0 ", done.stdout), done.stdout


def test_teardown_gives_both_daemons_back(playbook, machine, hops, vips, providers) -> None:
    assert changes(playbook("teardown", **INTERNAL)) - {"0"}
    for router in providers:
        assert [hops(vip, router) for vip in vips] == [set()] * len(vips), router
        left = "grep -rl baremetal.dsr /etc/frr /etc/bird /etc/sysctl.d; ls -d /run/baremetal-dsr* 2>/dev/null; true"
        assert machine(router).check_output(left) == "", router
    bird = machine("r2").check_output("cmp /etc/bird/bird.conf /usr/share/bird2/bird.conf; systemctl is-active bird")
    assert bird == "active"
    assert machine("r1").run("pgrep 'bgpd|bfdd'").rc == 1
