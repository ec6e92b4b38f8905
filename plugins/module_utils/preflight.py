# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must bring along, looked at before the first change: commands, kernel modules, the pods themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.kernel import check_modules
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import CURE_MISSING
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths, scan
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

COMMANDS = (
    "bird",
    "birdc",
    "ip",
    "ip6tables-restore",
    "ip6tables-save",
    "ipset",
    "iptables-restore",
    "iptables-save",
    "ipvsadm",
    "modprobe",
    "nsenter",
    "sysctl",
)
MODULES = ("ip_vs", "ipip", "ip6_tunnel", "xt_set", "ip_set_hash_ip", "ip_set_hash_ipport")


def problems(runner: Runner, paths: Paths, schedulers: Sequence[str], pods: Sequence[str]) -> list[DsrError]:
    """Everything this node lacks, empty if nothing; changes nothing.

    schedulers: IPVS schedulers the services ask for. pods: addresses of the backends that should run here.
    """
    found = [error for command in COMMANDS if (error := _missing_command(runner, command))]
    if found:
        return found
    modules = [*MODULES, *sorted({f"ip_vs_{scheduler}" for scheduler in schedulers})]
    found += [error for module in modules if (error := _missing_module(runner, module))]
    here = {address for namespace in scan(runner, paths) for address in namespace.contents.addresses} if pods else set()
    found += [
        DsrError(f"pod {address}", "its address is in no network namespace of this machine", CURE_MISSING)
        for address in pods
        if address not in here
    ]
    return found


def _missing_command(runner: Runner, command: str) -> DsrError | None:
    try:
        runner.require(command)
    except DsrError as error:
        return error
    return None


def _missing_module(runner: Runner, module: str) -> DsrError | None:
    try:
        check_modules(runner, [module])
    except DsrError as error:
        return error
    return None
