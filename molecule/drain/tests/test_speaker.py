# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's own BIRD: a configuration that it must have read, one that it must not keep, and who is in its way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
from conftest import INVENTORY, REPOSITORY

VIPS = ["203.0.113.1", "203.0.113.2", "2001:db8:f::1", "2001:db8:f::2"]
CONFIG = "/etc/bird/baremetal-dsr.conf"
BIRDC = "birdc -s /run/baremetal-dsr/bird.ctl"
OTHER = "/run/other-bird"
ANOTHER_BIRD = """log stderr all;
router id 192.0.2.211;
protocol device { }
protocol bgp other {
    local 192.0.2.11 port 179 as 65001;
    neighbor 192.0.2.250 as 65002;
    passive;
    ipv4 { import none; export none; };
}
"""

Module = Callable[..., str]


@pytest.fixture
def module() -> Module:
    """module("n1", "preflight", option=value): all that a module of the collection says on a node."""

    def run(node: str, name: str, **options: object) -> str:
        command = ["ansible", "-i", str(INVENTORY), node, "--become", "-m", f"baremetal.dsr.{name}"]
        done = subprocess.run(
            [*command, "-a", json.dumps(options)],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
            timeout=120,
        )
        return done.stdout + done.stderr

    return run


@pytest.fixture
def another_bird(machine) -> Iterator[Callable[[str], None]]:
    """Another BIRD on n1, with its own socket and port 179, and with more configuration if wanted."""
    node = machine("n1")

    def start(more: str) -> None:
        node.run("systemctl stop other-bird")
        node.check_output(f"cat >/root/other-bird.conf <<'END'\n{ANOTHER_BIRD}{more}\nEND")
        node.check_output(f"systemd-run --collect --unit=other-bird bird -f -c /root/other-bird.conf -s {OTHER}.ctl")

    yield start
    node.run("systemctl stop other-bird; rm -f /root/other-bird.conf; systemctl start baremetal-dsr-bird")


@pytest.fixture
def another_password(machine, sessions, until) -> Iterator[None]:
    """r1 has a password for n3, which has none."""

    def tell(order: str) -> None:
        orders = [order.format(address) for address in ("192.0.2.13", "2001:db8:fab::13")]
        lines = ["configure terminal", "router bgp 64512", *orders]
        machine("r1").check_output("vtysh " + " ".join(f"-c '{line}'" for line in lines))

    tell("neighbor {} password another")
    yield
    tell("no neighbor {} password")
    until(lambda: set(sessions("r1", 4).values()) | set(sessions("r1", 6).values()) == {"Established"}, 60)


def has_read(node) -> bool:
    """Whether BIRD goes by the file that is there."""
    mark = node.check_output(f"sed -n 's/^define \\(dsr_configuration_[0-9a-f]*\\) = 1;$/\\1/p' {CONFIG}")
    return bool(mark) and f"{mark}\tconstant" in node.check_output(f"{BIRDC} show symbols")


def test_file_changed_by_hand_and_file_never_read_are_mended(machine, playbook) -> None:
    """n1: somebody edited the file. n2: BIRD has not read the file, as a run leaves it that was killed."""
    kept = machine("n1").check_output(f"cat {CONFIG}")
    machine("n1").check_output(f"sed -i 's/hold time 9;/hold time 30;/' {CONFIG}")
    machine("n2").check_output(
        f"cp -p {CONFIG} /root/kept; sed -i 's/^define dsr_configuration_[0-9a-f]*/&0/' {CONFIG};"
        f"{BIRDC} configure; cp -p /root/kept {CONFIG}; rm /root/kept"
    )
    assert not has_read(machine("n2"))
    done = playbook("site", dsr_site_routers="none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine("n1").check_output(f"cat {CONFIG}") == kept
    assert has_read(machine("n1"))
    assert has_read(machine("n2"))


def test_wrong_password_on_one_node_is_undone_and_told(machine, playbook, announced, hops, until) -> None:
    kept = machine("n1").check_output(f"cat {CONFIG}")
    done = playbook(
        "site", "--diff", dsr_site_routers="none", dsr_site_nodes="n1", dsr_bgp_password="not-theirs", speaker_wait=10
    )
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "only this node has a password" in told
    assert "the former file is back and the sessions are up again" in told
    assert "not-theirs" not in told
    assert machine("n1").check_output(f"cat {CONFIG}") == kept
    assert has_read(machine("n1"))
    assert announced("n1") == set(VIPS)
    until(lambda: hops("203.0.113.1") == {"11", "12", "13"}, 10)


@pytest.mark.usefixtures("another_password")
def test_session_that_cannot_come_up_is_diagnosed(module: Module, sessions, until) -> None:
    until(lambda: sessions("r1", 4)["192.0.2.13"] != "Established", 15)
    told = module("n3", "announcement", vips=VIPS, wait=15)
    assert "FAILED" in told
    assert "none is up that carries IPv4 and IPv6" in told
    assert "only the router has a password, or a firewall drops the packets" in told


def test_another_bird_on_the_node(machine, module: Module, another_bird, announced, until) -> None:
    needs = {"addresses": ["192.0.2.11"], "bfd": True, "listen_port": 1790}
    another_bird("")
    until(lambda: machine("n1").run(f"birdc -s {OTHER}.ctl show status").rc == 0, 15)
    assert "SUCCESS" in module("n1", "preflight", **needs)
    assert announced("n1") == set(VIPS)
    machine("n1").check_output("systemctl stop baremetal-dsr-bird")
    another_bird("protocol bfd { }")
    until(lambda: machine("n1").run("ss -Hlun sport = :3784 | grep -q .").rc == 0, 15)
    told = module("n1", "preflight", **needs)
    assert "FAILED" in told
    assert "UDP port 3784: bird (process " in told
    assert "SUCCESS" in module("n1", "preflight", **{**needs, "bfd": False})
