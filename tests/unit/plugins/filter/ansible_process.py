# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible as a process of its own, for filters that must work inside its templating."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils import errors

COLLECTIONS = Path(errors.__file__).parents[5]
# Not `-m ansible`: it looks for the entry points of an installed ansible-core, which ansible-test does not offer.
ADHOC = [sys.executable, "-c", "from ansible.cli.adhoc import main; main()", "localhost"]


def say(folder: Path, template: str, variables: Mapping[str, Any]) -> str:
    """All that Ansible prints when it shows the template over the variables."""
    file = folder / "variables.json"
    file.write_text(json.dumps(variables))
    done = subprocess.run(
        [*ADHOC, "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": template}), "-e", f"@{file}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"},
    )
    return done.stdout + done.stderr


def result(said: str) -> Any:
    """What the template came to."""
    assert "localhost | SUCCESS => " in said, said
    return json.JSONDecoder().raw_decode(said.split("SUCCESS => ", 1)[1])[0]["msg"]
