# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands of the lab's tests: the machines, their pods, and the shipped playbooks."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).resolve().parent))
from hands import Cluster

REPOSITORY = Path(__file__).resolve().parent.parent
# A scenario may have another inventory, and then other routers.
INVENTORY = Path(os.environ.get("DSR_INVENTORY") or REPOSITORY / "inventories/lab")
NODES = ("n1", "n2", "n3")
FLOWS = "../bench/failover/flows.py"

Machine = Callable[[str], Host]
Playbook = Callable[..., "subprocess.CompletedProcess[str]"]


def routers_of(inventory: Path) -> dict[str, str]:
    """Name of each router -> its daemon, frr or bird."""
    found: dict[str, str] = {}
    for path in sorted(inventory.glob("*.yml")):
        hosts = yaml.safe_load(path.read_text())["all"]["children"].get("dsr_routers", {}).get("hosts", {})
        found.update({name: variables["dsr_router"].get("provider", "frr") for name, variables in hosts.items()})
    return found


ROUTERS = routers_of(INVENTORY)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `router` runs for each of the inventory."""
    if "router" in metafunc.fixturenames:
        metafunc.parametrize("router", list(ROUTERS))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """scripts/steps.py has what the limit is for."""
    if time.time() > float(os.environ.get("DSR_TEST_UNTIL", "inf")):
        pytest.skip("no time is left: DSR_TEST_UNTIL")


def lab_home() -> Path:
    """As inventories/lab and lab/dsrlab have it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("DSRLAB_HOME") or cache / "baremetal-dsr/lab")


@pytest.fixture(scope="session")
def machine() -> Machine:
    """A machine of the lab by name."""
    configuration = str(lab_home() / "run/ssh_config")

    def get(name: str) -> Host:
        return testinfra.get_host(f"ssh://{name}", ssh_config=configuration)

    return get


@pytest.fixture(scope="session")
def in_pod(machine: Machine) -> Callable[[str, str], str]:
    """Output of a shell line inside the network namespace of a pod, named as node/pod."""

    def run(pod: str, line: str) -> str:
        node, _slash, name = pod.partition("/")
        find = f"ctr task ls | awk '$1 == \"{name}\" {{print $2}}'"
        return str(machine(node).check_output(f"nsenter --net=/proc/$({find})/ns/net sh -c '{line}'"))

    return run


@pytest.fixture
def playbook(tmp_path: Path) -> Playbook:
    """Run a shipped playbook against the lab: playbook("verify", key=value, ...) with extra variables."""

    def run(name: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        extra = ["-e", json.dumps(variables)] if variables else []
        command = [
            "ansible-playbook",
            "-i",
            str(INVENTORY),
            str(REPOSITORY / f"playbooks/{name}.yml"),
            *options,
            *extra,
        ]
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=900, env=plain
        )

    return run


@pytest.fixture(scope="session")
def dump(machine: Machine) -> Callable[[], dict[str, str]]:
    """Everything of every machine that the collection could touch, as text."""
    script = (REPOSITORY / "molecule/dump.sh").read_text()

    def take() -> dict[str, str]:
        names = ("client", *ROUTERS, *NODES)
        with ThreadPoolExecutor() as pool:
            texts = pool.map(lambda name: str(machine(name).check_output(f"sh -c {shlex.quote(script)}")), names)
            return dict(zip(names, texts))

    return take


@pytest.fixture(scope="session")
def providers() -> dict[str, str]:
    """Name of each router -> its daemon, frr or bird."""
    return ROUTERS


@pytest.fixture(scope="session")
def sessions(machine: Machine) -> Callable[[str, int], dict[str, str]]:
    """sessions("r1", 4): address of each neighbor of a router -> state of its BGP session, as the daemon says.

    Of the neighbors with an address of that family, whatever routes the session carries.
    """

    def read(router: str, version: int) -> dict[str, str]:
        if ROUTERS[router] == "frr":
            shown = machine(router).check_output(f"vtysh -c 'show bgp ipv{version} unicast summary json'")
            found = {address: peer["state"] for address, peer in json.loads(shown).get("peers", {}).items()}
        else:
            shown = machine(router).check_output("birdc show protocols all")
            said = re.findall(r"BGP state: +(\w+)\n +Neighbor address: (\S+)", shown)
            found = {address: state for state, address in said}
        return {address: state for address, state in found.items() if (":" in address) == (version == 6)}

    return read


@pytest.fixture(scope="session")
def hops(machine: Machine) -> Callable[..., set[str]]:
    """Next hops of a VIP in the kernel of a router, by the last number of their address."""

    def read(vip: str, router: str = "r1") -> set[str]:
        family = "-6" if ":" in vip else "-4"
        routes = json.loads(machine(router).check_output(f"ip {family} -json route show {vip}"))
        gateways = {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}
        return {re.split(r"[.:]", gateway)[-1] for gateway in gateways}

    return read


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """until(condition, seconds) waits for what must come true."""

    def wait(condition: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.3)

    return wait


@pytest.fixture(scope="session")
def ssh() -> list[str]:
    """The command that reaches the machine named after it."""
    return ["ssh", "-F", str(lab_home() / "run/ssh_config")]


@pytest.fixture
def flows(ssh: list[str]) -> Callable[..., AbstractContextManager[dict[str, Any]]]:
    """`with flows(20, VIP, ...) as result:` keeps connections open; afterwards result tells how they fared.

    result["flows"] is there at once; the rest is what flows.py says. idle=True: nothing is sent in between.
    """

    @contextmanager
    def keep(count: int, *vips: str, idle: bool = False) -> Iterator[dict[str, Any]]:
        words = [*(["--idle"] if idle else []), str(count), *vips]
        with background(ssh, "client", FLOWS, *words) as (word, process):
            result: dict[str, Any] = {"flows": json.loads(word)}
            try:
                yield result
            finally:
                result.update(json.loads(process.communicate()[0]))

    return keep


@pytest.fixture(scope="session")
def packets(ssh: list[str]) -> Callable[..., str]:
    """packets("attacker", "syn", ...) sends what molecule/packets.py can make; what it printed."""

    def send(place: str, *words: str) -> str:
        command = helper(ssh, place, "packets.py", *words)
        return subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout

    return send


@pytest.fixture(scope="session")
def sniff(ssh: list[str]) -> Callable[..., AbstractContextManager[list[dict[str, Any]]]]:
    """`with sniff("n1/web-1", ADDRESS, ...) as seen:` afterwards seen holds the packets that show an address."""

    @contextmanager
    def watch(place: str, *addresses: str) -> Iterator[list[dict[str, Any]]]:
        with background(ssh, place, "packets.py", "sniff", *addresses) as (_word, process):
            seen: list[dict[str, Any]] = []
            try:
                yield seen
            finally:
                seen += json.loads(process.communicate()[0])

    return watch


@pytest.fixture(scope="session")
def cluster(ssh: list[str]) -> Iterator[Cluster]:
    """The modules of this checkout on all nodes, without Ansible."""
    nodes = Cluster(ssh)
    yield nodes
    nodes.end()


def helper(ssh: list[str], place: str, script: str, *words: str) -> list[str]:
    """The command that runs a script of this folder on a machine, or in a pod named as node/pod."""
    text = (Path(__file__).resolve().parent / script).read_text()
    line = f"python3 -c {shlex.quote(text)} {shlex.join(words)}"
    machine_name, _slash, pod = place.partition("/")
    if pod:
        line = f"nsenter --net=/proc/$(ctr task ls | awk '$1 == \"{pod}\" {{print $2}}')/ns/net {line}"
    return [*ssh, machine_name, line]


@contextmanager
def background(ssh: list[str], place: str, script: str, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A helper at work: what it said after "ready", and its process, whose input it is to end."""
    command = helper(ssh, place, script, *words)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ready, _space, word = process.stdout.readline().partition(" ")
        assert ready.strip() == "ready", f"{script} did not start on {place}"
        yield word, process
