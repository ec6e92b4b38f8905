# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules of the tunnel devices.

Loading ipip or ip6_tunnel also creates the fallback devices tunl0 and ip6tnl0, down, in every network namespace, unless
net.core.fb_tunnels_only_for_init_net says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Paths
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

CURE = (
    "Install the full set of modules of the running kernel: linux-image-amd64 (Debian), linux-modules-extra-$(uname -r)"
    " (Ubuntu), kernel-modules (RHEL family); reboot if the kernel was updated since boot"
)


def missing(runner: Runner, paths: Paths, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the modules that must be loaded first; DsrError if one of them cannot be. Loads nothing."""
    found = tuple(name for name in names if not os.path.isdir(os.path.join(paths.modules, name)))
    for name in found:
        runner.require("modprobe")
        if runner.run(["modprobe", "-n", "-q", name], None, writes=False).rc != 0:
            raise DsrError(f"kernel module {name}", "is not loaded and this kernel has none of that name", CURE)
    return found


def load(runner: Runner, names: Iterable[str]) -> None:
    """Load the modules; DsrError if the kernel refuses one."""
    for name in names:
        try:
            runner.write(["modprobe", name])
        except DsrError as error:
            raise DsrError(f"kernel module {name}", f"cannot be loaded: {error.reason}", CURE) from error


def lines(names: Iterable[str]) -> list[str]:
    """The modules as commands."""
    return [f"modprobe {name}" for name in names]
