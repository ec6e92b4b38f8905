# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible hands them to a machine's Python: one program with the module's code and arguments in it."""

from __future__ import annotations

from functools import cache
from typing import Any

COLLECTION = "baremetal.dsr"


def payload(module: str, arguments: dict[str, Any]) -> bytes:
    """The program (AnsiballZ) that Ansible would make of a module of this collection."""
    # Imported here: the guest has no Ansible.
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    name, path = _find(f"{COLLECTION}.{module}")
    built = modify_module(
        module_name=name,
        module_path=path,
        module_args=arguments,
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",  # Ansible's default
    )
    return bytes(built.b_module_data)


@cache
def _find(name: str) -> tuple[str, str]:
    from ansible.plugins.loader import module_loader

    _prepare()
    context = module_loader.find_plugin_with_context(name)
    return context.resolved_fqcn, context.plugin_resolved_path


@cache
def _prepare() -> None:
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
