# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's end of on_node.py: plans for the lab's nodes, and this checkout's modules run on all at once."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ansible.module_utils
import yaml
from ansible_collections.baremetal.dsr.plugins.filter.plan import plan
from ansible_collections.baremetal.dsr.plugins.filter.undrained import undrained

REPOSITORY = Path(__file__).resolve().parent.parent
INVENTORY = REPOSITORY / "inventories/lab"
FOLDER = "/tmp/dsr-tables"
NODES = ("n1", "n2", "n3")

Options = dict[str, dict[str, Any]]
Services = list[dict[str, Any]]
Order = Mapping[str, Any]


@functools.cache
def inventory() -> dict[str, Any]:
    """The cluster's variables."""
    return dict(yaml.safe_load((INVENTORY / "group_vars/all/cluster.yml").read_text()))


@functools.cache
def known_nodes() -> dict[str, Any]:
    groups = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["children"]
    return {name: variables["dsr_node"] for name, variables in groups["dsr_nodes"]["hosts"].items()}


def services(without: Callable[[Mapping[str, Any]], bool] = lambda _backend: False, **changes: Any) -> Services:
    """Those of the inventory, without such backends, and with changed fields: services(web={"scheduler": "rr"})."""
    return [
        {
            **service,
            "backends": [backend for backend in service["backends"] if not without(backend)],
            **changes.get(service["name"], {}),
        }
        for service in inventory()["dsr_services"]
    ]


def planned(node: str, wanted: Services) -> dict[str, Any]:
    """The plan of a node of the lab if these were the services."""
    return dict(plan(wanted, node, known_nodes(), inventory()["dsr_vip_pools"]))


def options(made: Mapping[str, Any], **steering: Any) -> Options:
    """What the roles give the modules for a plan; steering: more options of that module."""
    guard = made.get("guard")
    held = {name: made[name] for name in ("mss", "guard") if name in made}
    return {
        "pods": {"pods": made["pods"], **({"sources": guard["sources"]} if guard else {})},
        "ipvs": {"services": made["ipvs"]},
        "steering": {**made["steering"], **held, **steering},
    }


class Node:
    """A node with on_node.py running on it."""

    def __init__(self, name: str, ssh: list[str]) -> None:
        place = f"rm -rf {FOLDER}; mkdir {FOLDER}; tar -C {FOLDER} -xz"
        subprocess.run([*ssh, name, place], input=parcel(), check=True, timeout=60)
        start = f"cd {FOLDER} && PYTHONPATH={FOLDER} exec python3 on_node.py"
        self.name = name
        self._process = subprocess.Popen([*ssh, name, start], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, order: Order) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"on_node.py of {self.name} ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{self.name}: {answer['error']}"
        return answer["result"]

    def run(self, *lines: str) -> list[str]:
        """Output of each shell line."""
        self.send({"do": "run", "commands": [[["sh", "-c", line], None] for line in lines]})
        return list(self.receive())

    def modules(self, *calls: tuple[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What each module returned."""
        self.send({"do": "modules", "calls": calls})
        return list(self.receive())

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


class Cluster:
    """The three nodes."""

    def __init__(self, ssh: list[str]) -> None:
        self.nodes = {name: Node(name, ssh) for name in NODES}

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def each(self, order: Callable[[str], Order]) -> dict[str, Any]:
        """Give every node its order, let them work at the same time; their answers by name."""
        for name, node in self.nodes.items():
            node.send(order(name))
        return {name: node.receive() for name, node in self.nodes.items()}

    def modules(
        self, calls: Callable[[str], Iterable[tuple[str, Mapping[str, Any]]]]
    ) -> dict[str, list[dict[str, Any]]]:
        return self.each(lambda name: {"do": "modules", "calls": [*calls(name)]})

    def run(self, *lines: str) -> dict[str, list[str]]:
        """Output of each shell line on every node."""
        return self.each(lambda _name: {"do": "run", "commands": [[["sh", "-c", line], None] for line in lines]})

    def bring(self, wanted: Services | None = None, **steering: Any) -> dict[str, list[dict[str, Any]]]:
        """What site.yml does to the tables, in its order: every node's pods, all directors, then what is left over.

        What the modules returned: pods, ipvs, steering, ipvs with purge, pods with purge.
        """
        given = {name: options(planned(name, wanted or services()), **steering) for name in NODES}
        done: dict[str, list[dict[str, Any]]] = {name: [] for name in NODES}

        def step(calls: Callable[[Options], Iterable[tuple[str, Mapping[str, Any]]]]) -> None:
            for name, results in self.modules(lambda name: calls(given[name])).items():
                done[name] += results

        step(lambda each: [("pods", {**each["pods"], "purge": False})])
        step(lambda each: [("ipvs", {**each["ipvs"], "purge": False}), ("steering", each["steering"])])
        built = {name: results[1] for name, results in done.items()}
        step(lambda each: [("ipvs", {"services": undrained(each["ipvs"]["services"], built), "purge": True})])
        step(lambda each: [("pods", {**each["pods"], "purge": True, "missing": "report"})])
        return done

    def end(self) -> None:
        for node in self.nodes.values():
            node.run(f"rm -rf {FOLDER}")
            node.end()


def parcel() -> bytes:
    """on_node.py and all that it needs beyond Python itself, as a compressed tar."""
    utils = Path(ansible.module_utils.__path__[0])
    files = {f"ansible/module_utils/{path.relative_to(utils)}": path for path in utils.rglob("*.py")}
    plugins = REPOSITORY / "plugins"
    for path in plugins.rglob("*.py"):
        files[f"ansible_collections/baremetal/dsr/plugins/{path.relative_to(plugins)}"] = path
    files.update({name: REPOSITORY / "molecule" / name for name in ("on_node.py", "crash.py")})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("ansible/__init__.py"))
        for name, path in files.items():
            if "/facts/" not in name and "/powershell/" not in name:
                tar.add(path, name)
    return buffer.getvalue()
