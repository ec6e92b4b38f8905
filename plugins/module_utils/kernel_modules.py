# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules: which are not loaded, whether they could be, and loading them."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_CURE = (
    "Install all modules of the running kernel: linux-image-$(dpkg --print-architecture) on Debian,"
    " linux-modules-extra-$(uname -r) on Ubuntu, kernel-modules and kernel-modules-core on Fedora and RHEL; reboot if"
    " the kernel was updated since boot"
)


def not_loaded(runner: Runner, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the modules that are not in the running kernel, in their order.

    None on a kernel without loadable modules: what it has is built in, and not all of that can be listed. /sys/module
    shows some of what is built in, also where modprobe has no files to tell of it; a container may lack the folder.
    """
    wanted = tuple(dict.fromkeys(names))
    if not wanted:
        return ()
    loaded = runner.run(["cat", "/proc/modules"], None, writes=False)
    if loaded.rc != 0:
        return ()
    present = {line.split(" ", 1)[0] for line in loaded.out.splitlines()}
    if not present.issuperset(wanted):
        present.update(runner.run(["ls", "/sys/module"], None, writes=False).out.split())
    return tuple(name for name in wanted if name not in present)


def is_present(runner: Runner, name: str) -> bool:
    """Whether the running kernel shows that it has the module, loaded or built in."""
    loaded = runner.run(["cat", "/proc/modules"], None, writes=False).out.splitlines()
    if any(line.split(" ", 1)[0] == name for line in loaded):
        return True
    return name in runner.run(["ls", "/sys/module"], None, writes=False).out.split()


def unloadable(runner: Runner, name: str) -> DsrError | None:
    """What is wrong if modprobe knows no such module, neither as a file nor as built in. Loads nothing."""
    if runner.run(["modprobe", "-n", "-q", name], None, writes=False).rc == 0:
        return None
    if name.startswith("ip_vs_"):
        scheduler = name[len("ip_vs_") :]
        return DsrError(
            f"IPVS scheduler {scheduler}", f"this kernel has no module {name}", f"Choose another scheduler. Or: {_CURE}"
        )
    return DsrError(f"kernel module {name}", "is not loaded and this kernel has none of that name", _CURE)


def to_load(runner: Runner, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the modules that are not loaded; DsrError on the first that cannot be. Loads nothing."""
    found = not_loaded(runner, names)
    for name in found:
        if error := unloadable(runner, name):
            raise error
    return found


def load(runner: Runner, names: Iterable[str]) -> None:
    """Load the modules; DsrError if the kernel refuses one."""
    for name in names:
        try:
            runner.write(["modprobe", name])
        except DsrError as error:
            raise DsrError(f"kernel module {name}", f"cannot be loaded: {error.reason}", _CURE) from error
