# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel side of IPVS: its modules, its schedulers, its settings per network namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_PACKAGES = (
    "the kernel package itself on Debian, linux-modules-extra-$(uname -r) on Ubuntu, kernel-modules-core on Fedora"
    " and RHEL, or a kernel built with {config}=m"
)
EXPIRE_NODEST = "net.ipv4.vs.expire_nodest_conn"


def check_modules(runner: Runner, modules: Iterable[str]) -> None:
    """DsrError naming the first of these kernel modules that the running kernel cannot have. Changes nothing."""
    absent = sorted(set(modules))
    if not absent:
        return
    loaded = runner.run(["cat", "/proc/modules"], None, writes=False)
    if loaded.rc != 0:
        return  # a kernel without loadable modules: what it has is built in and cannot be listed
    names = {line.split(" ", 1)[0] for line in loaded.out.splitlines()}
    for module in absent:
        if module not in names and runner.run(["modprobe", "-n", "-q", module], None, writes=False).rc != 0:
            raise _missing(module)


def load_ip_vs(runner: Runner) -> None:
    """Load the module ip_vs; the kernel itself loads those of the schedulers when a service asks for one."""
    said = runner.run(["modprobe", "ip_vs"], None, writes=True)
    if said.rc != 0:
        raise _missing("ip_vs", " ".join(said.err.split()))


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


def _missing(module: str, said: str = "") -> DsrError:
    cure = f"Install {_PACKAGES.format(config=f'CONFIG_{module.upper()}')}"
    if module.startswith("ip_vs_"):
        return DsrError(
            f"IPVS scheduler {module[6:]}",
            f"this kernel has no module {module}",
            f"Choose another scheduler. Or: {cure}",
        )
    reason = "cannot be loaded into the running kernel" + (f" ({said[:300]})" if said else "")
    return DsrError(f"kernel module {module}", reason, cure)
