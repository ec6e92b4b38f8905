# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take everything of ours out of the IPVS of this machine: services first, then the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import as_result, reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.sysctls import MEMORY
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls import reconcile as sysctls
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.file import SettingsFile


def remove(runner: Runner, params: Mapping[str, Any], *, check_mode: bool, diff: bool) -> dict[str, Any]:
    """Remove every owned service and put the settings back; what the module returns.

    A machine without ipvsadm that remembers no setting was never a director: nothing to do.
    """
    if not runner.has("ipvsadm") and SettingsFile(runner, MEMORY).read() is None:
        return {"changed": False, "lines": 0, "stale": False, "draining": []}
    nothing = wish({**params, "services": [], "sysctls": {}, "purge": True})
    services = reconcile(runner, nothing, check_mode=check_mode)
    settings = sysctls.reconcile(runner, MEMORY, {}, check_mode=check_mode)
    whole = replace(
        services,
        changed=services.changed or settings.changed,
        before=replace(services.before, sysctls=settings.before),
        after=replace(services.after, sysctls=settings.after),
    )
    result = as_result(whole, diff=diff)
    del result["time"]
    if diff:
        result["diff"].append(settings.diff(MEMORY)[-1])
    return result
