# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the image is built, failed, interrupted and killed; a shell script stands for mmdebstrap and its kin."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from virtual_dc import cache, image, oci
from virtual_dc.errors import LabError
from virtual_dc.topology import LAB

ROOT_FILES = (
    *("boot/vmlinuz-6", "boot/initrd.img-6", "etc/ssh/ssh_host_ed25519_key.pub", "etc/systemd/system/unit"),
    *("usr/sbin/bird", "usr/sbin/birdc"),
)
BOOTSTRAP = 'for target; do :; done; cp "{tar}" "$target"'
OTHERS = {
    "mke2fs": 'for _; do :; done; echo disk > "$IMAGE/root.ext4"',
    "ssh-keygen": 'for file; do :; done; echo secret > "$file"; echo public > "$file.pub"',
    "fakeroot": 'exec "$@"',
}


@pytest.fixture
def tools(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder early in PATH with stand-ins for what builds an image; a test replaces the one it wants to fail."""
    home.mkdir()
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ROOT_FILES:
        file = tmp_path / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}\n")
    for name in ("root", "var"):
        (tmp_path / "root" / name).mkdir()
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(tmp_path / "root", ".")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(cache, "NEEDED_BYTES", 0)
    for name, script in {**OTHERS, "mmdebstrap": BOOTSTRAP.format(tar=tmp_path / "root.tar")}.items():
        put(folder, name, script)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    (folder / name).chmod(0o755)


def images(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("image-*"))


def building(tools: Path) -> subprocess.Popen[str]:
    """A process that builds, once its mmdebstrap runs; that one never comes to an end by itself."""
    running = tools / "running"
    put(tools, "mmdebstrap", f'echo $$ > "{running}.new"; mv "{running}.new" "{running}"; exec sleep 60')
    interruptible = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job is not
    code = f"{interruptible}; from virtual_dc import cache, image; cache.NEEDED_BYTES = 0; image.ensure()"
    environment = {**os.environ, "PYTHONPATH": str(LAB), "PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 20
    while not running.exists():
        assert time.monotonic() < end and child.poll() is None
        time.sleep(0.02)
    return child


@pytest.mark.parametrize("user", [0, 1000], ids=["root", "user"])
def test_whole_build_and_no_second_one(tools: Path, home: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    built = image.ensure()
    assert built == home / f"image-{image.key()}"
    names = sorted(path.name for path in built.iterdir())
    assert names == ["host_key.pub", "initrd", "key", "key.pub", "root.ext4", "vmlinuz"]
    put(tools, "mmdebstrap", "exit 1")
    assert image.ensure() == built


@pytest.mark.parametrize("tool", ["mmdebstrap", "mke2fs"])
def test_failed_build_leaves_nothing_and_the_next_starts_over(tools: Path, home: Path, tool: str) -> None:
    good = (tools / tool).read_text()
    put(tools, tool, "for line in $(seq 40); do echo line $line; done; echo E: no mirror >&2; exit 25")
    with pytest.raises(
        LabError, match=r"(?s)^building image-\w+\.unfinished failed in '\w+':\n.*E: no mirror$"
    ) as caught:
        image.ensure()
    assert len(str(caught.value).splitlines()) == 16
    assert images(home) == []
    (tools / tool).write_text(good)
    assert image.ensure().is_dir()


def test_bootstrap_that_is_killed_is_a_failed_build(tools: Path, home: Path) -> None:
    put(tools, "mmdebstrap", "kill -9 $$")
    with pytest.raises(LabError, match="failed in 'mmdebstrap'"):
        image.ensure()
    assert images(home) == []


def test_interrupted_build_leaves_nothing(tools: Path, home: Path) -> None:
    child = building(tools)
    assert len(images(home)) == 1
    os.killpg(child.pid, signal.SIGINT)
    _out, said = child.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert "… interrupted (" in said
    assert images(home) == []


def test_killed_build_is_started_over(tools: Path, home: Path) -> None:
    good = (tools / "mmdebstrap").read_text()
    child = building(tools)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=20)
    assert images(home) == [f"image-{image.key()}.unfinished"]
    (home / images(home)[0] / "scrap").touch()
    (tools / "mmdebstrap").write_text(good)
    built = image.ensure()
    assert images(home) == [built.name]
    assert not (built / "scrap").exists()


def test_image_of_older_inputs_is_forgotten(tools: Path, home: Path) -> None:
    (home / "image-0123456789ab").mkdir()
    built = image.ensure()
    assert images(home) == [built.name]


def test_key_changes_with_the_management_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.key()
    other = tmp_path / "topology.json"
    other.write_text(json.dumps({"management": {"network": "10.9.0.0/16", "guest": "10.9.0.15"}}))
    monkeypatch.setattr(image, "TOPOLOGY", other)
    assert image.management_address() == "10.9.0.15/16"
    assert image.key() != before


def test_missing_commands_are_told_by_their_packages() -> None:
    with pytest.raises(LabError) as caught:
        image.require_commands({"no-such-b": "zeta", "sh": "dash", "no-such-a": "alpha", "no-such-c": "zeta"})
    assert str(caught.value) == "missing packages: apt-get install --no-install-recommends alpha zeta"


def test_container_image_has_true_digests(tmp_path: Path) -> None:
    layer, archive = tmp_path / "layer.tar", tmp_path / "image.tar"
    layer.write_bytes(os.urandom(3_000_000))
    oci.write_image(archive, layer, "lab/pod:1", ["/bin/true", "x"])
    with tarfile.open(archive) as tar:
        content = {name: file.read() for name in tar.getnames() if (file := tar.extractfile(name))}

    def blob(entry: dict[str, Any]) -> bytes:
        found = content[f"blobs/{entry['digest'].replace(':', '/')}"]
        assert entry["digest"] == f"sha256:{hashlib.sha256(found).hexdigest()}"
        assert entry["size"] == len(found)
        return found

    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "lab/pod:1"
    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    assert config["config"]["Cmd"] == ["/bin/true", "x"]
    (only,) = manifest["layers"]
    assert blob(only) == layer.read_bytes()
    assert config["rootfs"]["diff_ids"] == [only["digest"]]
    assert len(content) == 5
