# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must bring along, looked at before the first change: commands, kernel modules, the pods themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import parse_address
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.kernel_modules import not_loaded, unloadable
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.apply import missing_pod
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

    schedulers: IPVS schedulers the services ask for. pods: addresses of the backends that should run here; DsrError
    if one is no address.
    """
    wanted = [parse_address("pods", pod).text for pod in pods]
    found = [error for command in COMMANDS if (error := _missing_command(runner, command))]
    if found:
        return found
    modules = [*MODULES, *sorted({f"ip_vs_{scheduler}" for scheduler in schedulers})]
    found += [error for module in not_loaded(runner, modules) if (error := unloadable(runner, module))]
    here = {address for namespace in scan(runner, paths) for address in namespace.contents.addresses} if wanted else ()
    return found + [missing_pod(address) for address in wanted if address not in here]


def _missing_command(runner: Runner, command: str) -> DsrError | None:
    try:
        runner.require(command)
    except DsrError as error:
        return error
    return None
