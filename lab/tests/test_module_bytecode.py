# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module from an archive runs the same with kept bytecode as without, whatever was kept before."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from virtual_dc.topology import LAB

ARCHIVE = "modules.zip"
RUN = """
import sys
import module_bytecode
module_bytecode.FOLDER = sys.argv[1]
compile_source = module_bytecode.compile_source
module_bytecode.compile_source = lambda *words: (print("compiled"), compile_source(*words))[1]
sys.path.insert(0, sys.argv[2])
import answer
print(answer.__file__ == answer.where.__code__.co_filename, answer.where())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def imported(source: str, archive: Path, folder: Path) -> list[str]:
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("answer.py", source)
    environment = {**os.environ, "PYTHONPATH": str(LAB / "guest"), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", RUN, str(folder), str(archive)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout.split()


def test_it_is_compiled_once(tmp_path: Path, folder: Path) -> None:
    source = "def where():\n    return 1\n"
    assert imported(source, tmp_path / "first" / ARCHIVE, folder) == ["compiled", "True", "1"]
    assert imported(source, tmp_path / "second" / ARCHIVE, folder) == ["True", "1"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_other_source_is_other_code(tmp_path: Path, folder: Path) -> None:
    for answer in ("1", "2"):
        source = f"def where():\n    return {answer}\n"
        assert imported(source, tmp_path / ARCHIVE, folder) == ["compiled", "True", answer]


def test_nothing_is_kept_where_nothing_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _time in range(2):
        # To find it Python compiles it as well.
        found = imported("def where():\n    return 1\n", tmp_path / ARCHIVE, tmp_path / "file/kept")
        assert found == ["compiled", "compiled", "True", "1"]
