# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loaded by every Python of the lab's machines: what is imported from a zip archive is compiled only once.

Ansible sends its modules as archives of source code, so Python compiles the same files in every task, even twice.
Without KVM that is half of what a task costs. The code that runs is the same: it is kept under the hash of its source.
"""

from __future__ import annotations

import _imp
import marshal
import os
import zipimport
from importlib._bootstrap_external import MAGIC_NUMBER
from types import CodeType

FOLDER = "/var/cache/module-bytecode"

compile_source = zipimport._compile_source  # type: ignore[attr-defined]


def kept_or_compiled(path: str, source: bytes) -> CodeType:
    """The code of a source file, whose name in tracebacks is path."""
    name = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source).hex()
    kept = f"{FOLDER}/{name}-{len(source)}"
    try:
        with open(kept, "rb") as file:
            code: CodeType = marshal.loads(file.read())
    except (OSError, EOFError):  # what was written as the power went may be empty
        code = compile_source(path, source)
        keep(kept, code)
        return code
    _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code


def keep(path: str, code: CodeType) -> None:
    """Whole or not at all, as many Pythons may run at once. Only root may keep anything, and read it."""
    unfinished = f"{path}.{os.getpid()}"
    try:
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(marshal.dumps(code))
        os.replace(unfinished, path)
    except OSError:
        pass


zipimport._compile_source = kept_or_compiled  # type: ignore[attr-defined]
