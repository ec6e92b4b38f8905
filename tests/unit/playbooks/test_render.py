# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook render over the example inventory: the files that it writes, with no machine to connect to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.tests.unit.plugins.filter.ansible_process import COLLECTIONS

COLLECTION = COLLECTIONS / "ansible_collections/baremetal/dsr"
PLAYBOOK = [sys.executable, "-c", "from ansible.cli.playbook import main; main()"]
PLACEHOLDER, PASSWORD = "REPLACE-WITH-THE-BGP-PASSWORD", "0pen.Sesame"
ROUTERS = """
all:
  children:
    dsr_other_routers:
      hosts:
        leaf-1:
          ansible_connection: ssh
          ansible_become: true
          dsr_router: {addresses: [192.0.2.2, "2001:db8:fab::2"], dialect: eos}
        leaf-2:
          dsr_router: {addresses: [192.0.2.3, "2001:db8:fab::3"], dialect: junos, asn: 4200000001, interface: ae0.10}
"""


def render(folder: Path, routers: str = ROUTERS, **variables: Any) -> tuple[int, str]:
    """Exit status and what was printed; the files go to `rendered` in the folder."""
    inventory = folder / "routers.yml"
    inventory.write_text(routers, encoding="utf-8")
    for name in ("ssh", "sudo"):  # what leaves the controller or its user fails
        command = folder / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        command.chmod(0o755)
    done = subprocess.run(
        [
            *PLAYBOOK,
            *("-i", str(COLLECTION / "inventories/example"), "-i", str(inventory)),
            *(str(COLLECTION / "playbooks/render.yml"), "--diff", "-e", json.dumps(variables)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "PWD": str(folder),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        },
    )
    return done.returncode, done.stdout + done.stderr


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (folder / "rendered").glob("*")}


def test_files_of_two_routers(tmp_path: Path) -> None:
    status, said = render(tmp_path)
    assert status == 0, said
    files = written(tmp_path)
    assert sorted(files) == ["leaf-1.eos.conf", "leaf-2.junos.conf"]
    for text in files.values():
        for word in ("192.0.2.21", "2001:db8:fab::24", "203.0.113.0/24", "2001:db8:f::/64", "64513"):
            assert word in text
    assert "router bgp 64512" in files["leaf-1.eos.conf"]
    assert "4200000001" in files["leaf-2.junos.conf"] and "ae0" in files["leaf-2.junos.conf"]
    status, said = render(tmp_path)
    assert (status, written(tmp_path)) == (0, files)
    assert "changed=0" in said and "changed=1" not in said


def test_password_stays_out_of_files_that_others_read(tmp_path: Path) -> None:
    status, said = render(tmp_path, dsr_bgp_password=PASSWORD)
    assert status == 0, said
    assert all(PLACEHOLDER in text and PASSWORD not in text for text in written(tmp_path).values())
    assert PASSWORD not in said


def test_password_in_files_of_their_owner_and_not_in_the_log(tmp_path: Path) -> None:
    status, said = render(tmp_path, dsr_bgp_password=PASSWORD, dsr_render_password=True, dsr_render_to="rendered")
    assert status == 0, said
    assert all(PASSWORD in text for text in written(tmp_path).values())
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "rendered").glob("*")} == {0o600}
    assert PASSWORD not in said


def test_bad_router_writes_nothing(tmp_path: Path) -> None:
    status, said = render(tmp_path, ROUTERS.replace("eos", "ios"))
    assert status != 0
    assert "leaf-1" in said and "ios" in said and "Traceback" not in said
    assert not (tmp_path / "rendered").exists()
