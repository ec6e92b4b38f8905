# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's FRR and BIRD read what is rendered for routers that are not managed here, by their own checkers.

The cases are those of tests/unit/plugins/module_utils/routers/test_daemons.py, which is skipped where neither is.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable

import pytest
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.routers.cases import (
    REACHED,
    READ,
    bird_file,
    text,
)

VTYSH = "vtysh -C -f"
BIRD = "/usr/sbin/bird -p -c"
LOOP = "cd $(mktemp -d) && tar -x && for file in *; do {} $file >/dev/null 2>&1 || echo $file; done; rm -r $PWD"

Refused = Callable[[str, str, dict[str, str]], list[str]]


@pytest.fixture
def refused(ssh: list[str]) -> Refused:
    """Names of the texts that a machine's command, given a file of each, does not accept."""

    def check(place: str, command: str, texts: dict[str, str]) -> list[str]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in texts.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content.encode()), 0o644
                tar.addfile(member, io.BytesIO(content.encode()))
        call = [*ssh, place, LOOP.format(command)]
        return subprocess.run(call, input=buffer.getvalue(), stdout=subprocess.PIPE, check=True).stdout.decode().split()

    return check


@pytest.mark.parametrize(
    ("dialect", "place", "command"),
    [("frr", "r1", VTYSH), ("sonic", "r1", VTYSH), ("bird", "n1", BIRD)],
    ids=["frr", "sonic", "bird"],
)
def test_daemon_reads_what_is_rendered_for_it(refused: Refused, dialect: str, place: str, command: str) -> None:
    """And nothing that is not meant for it."""
    texts = {
        f"{case}-{reached}": text(dialect, options, addresses=addresses)
        for case, options in READ.items()
        for reached, addresses in REACHED.items()
    }
    if dialect == "bird":
        texts = {name: bird_file(cluster) for name, cluster in texts.items()}
    wrong = {f"{name}-wrong": f"{cluster}\nneighbour of mine\n" for name, cluster in list(texts.items())[:1]}
    assert refused(place, command, {**texts, **wrong}) == [*wrong]
