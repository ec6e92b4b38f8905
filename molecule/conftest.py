# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands of the lab's tests: the machines, their pods, and the shipped playbooks."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

REPOSITORY = Path(__file__).resolve().parent.parent
INVENTORY = REPOSITORY / "inventories/lab"
NODES = ("n1", "n2", "n3")

Machine = Callable[[str], Host]
Playbook = Callable[..., "subprocess.CompletedProcess[str]"]


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
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=600)

    return run


@pytest.fixture(scope="session")
def dump(machine: Machine) -> Callable[[], dict[str, str]]:
    """Everything of every machine that the collection could touch, as text."""
    script = (REPOSITORY / "molecule/dump.sh").read_text()

    def take() -> dict[str, str]:
        return {name: machine(name).check_output(f"sh -c {shlex.quote(script)}") for name in ("client", "r1", *NODES)}

    return take


@pytest.fixture
def flows() -> Callable[..., AbstractContextManager[dict[str, Any]]]:
    """`with flows(20, VIP, ...) as result:` keeps connections open; afterwards result tells how they fared."""
    script = shlex.quote((REPOSITORY / "molecule/flows.py").read_text())

    @contextmanager
    def keep(count: int, *vips: str) -> Iterator[dict[str, Any]]:
        line = f"python3 -c {script} {count} {' '.join(vips)}"
        command = ["ssh", "-F", str(lab_home() / "run/ssh_config"), "client", line]
        result: dict[str, Any] = {}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin and process.stdout
            assert process.stdout.readline() == "ready\n", "the connections could not be opened"
            try:
                yield result
            finally:
                process.stdin.close()
                result.update(json.loads(process.stdout.read()))

    return keep
