# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a container image by hand: an OCI layout in a tar file, one layer, no registry and no container engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

OCI = "application/vnd.oci.image"


def write_image(archive: Path, layer: Path, name: str, command: list[str]) -> None:
    """Make archive from the root file system in the tar file layer; name is what `ctr image ls` will show."""
    layer_digest = _digest_of(layer)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/usr/bin:/bin", "PYTHONUNBUFFERED=1"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    )
    layers = [_descriptor(f"{OCI}.layer.v1.tar", layer_digest, layer.stat().st_size)]
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": _descriptor(f"{OCI}.config.v1+json", _sha256(config), len(config)),
            "layers": layers,
        }
    )
    entry = _descriptor(f"{OCI}.manifest.v1+json", _sha256(manifest), len(manifest))
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{_sha256(blob)}", blob)
        tar.add(layer, f"blobs/sha256/{layer_digest}")


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str:
    with open(path, "rb") as handle:
        digest = hashlib.sha256()
        while part := handle.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
