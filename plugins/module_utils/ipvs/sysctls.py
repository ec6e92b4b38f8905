# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of IPVS in this network namespace (net.ipv4.vs.*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls import reconcile

EXPIRE_NODEST = "net.ipv4.vs.expire_nodest_conn"

MEMORY = "/run/baremetal-dsr-director.sysctls"
"""What the settings were before our first change. Like them it ends with the machine's uptime."""


def read_sysctls(runner: Runner, names: Sequence[str]) -> dict[str, str]:
    """Values by name; DsrError naming what this kernel lacks."""
    if not names:
        return {}
    said = runner.run(["sysctl", "-n", *names], None, writes=False)
    values = said.out.splitlines()
    if said.rc != 0 or len(values) != len(names):
        absent = next((name for name in names if name.rsplit(".", 1)[1] in said.err), names[0])
        raise DsrError(
            f"sysctl {absent}",
            f"cannot be read ({' '.join(said.err.split()) or 'unexpected output'})",
            "Take it out of the option sysctls, or run a kernel that has it",
        )
    return {name: " ".join(value.split()) for name, value in zip(names, values)}


def write_sysctls(runner: Runner, values: Mapping[str, str]) -> None:
    """Set all of them with one command; nothing when there are none."""
    if values:
        runner.write(["sysctl", "-q", "-w", *(f"{name}={value}" for name, value in sorted(values.items()))])


def set_sysctls(runner: Runner, now: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Set those that differ from `now`, after what they are has been written to MEMORY."""
    drift = {name: value for name, value in wanted.items() if now.get(name) != value}
    if drift:
        reconcile.keep(runner, MEMORY, now, wanted)
        write_sysctls(runner, drift)
