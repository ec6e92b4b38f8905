# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's disk image: a Debian root with a stock kernel, the daemons under test and the pods' image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from virtual_dc import cache, oci, ssh
from virtual_dc.errors import LabError
from virtual_dc.progress import step
from virtual_dc.topology import LAB, TOPOLOGY

SUITE = "trixie"
DISK_SIZE = "16G"
BASE = "systemd,systemd-sysv,systemd-container,dbus,udev,kmod,procps,openssh-server,python3,sudo,iputils-ping"
KERNEL = "linux-image-cloud-amd64,initramfs-tools"
NETWORK = "linux-sysctl-defaults,iproute2,iptables,ipset,ipvsadm,frr,frr-pythontools,bird2,keepalived"
TOOLS = "tcpdump,conntrack,ethtool,curl,iperf3"
PODS = "containerd,runc,containernetworking-plugins"
LEAVE_OUT = ("man", "doc", "locale", "info")
POD_LEAVE_OUT = [f"--dpkgopt=path-exclude={path}" for path in ("/usr/share/*", "/usr/lib/*/gconv/*")]
GUEST_FILES = ("pod_application.py", "start-pods", "lab-pods.service", "management.service")
COMMANDS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "ssh-keygen": "openssh-client", "tar": "tar"}
POD_IMAGE = "lab/pod:1"


def key() -> str:
    """Changes when anything that goes into the image does."""
    files = [LAB / "guest" / name for name in GUEST_FILES]
    return cache.key_of([Path(__file__), Path(oci.__file__), *files, management_address()])


def management_address() -> str:
    network = json.loads(TOPOLOGY.read_text())["management"]
    return f"{network['guest']}/{network['network'].split('/')[1]}"


def ensure() -> Path:
    """The folder with root.ext4, vmlinuz, initrd and the keys; built when it is not in the cache."""
    image = cache.home() / f"image-{key()}"
    if not image.exists():
        require_commands(COMMANDS)
        cache.check_space()
        cache.forget_others("image-*", keep=image)
        unfinished = image.with_suffix(".unfinished")
        unfinished.mkdir()
        try:
            _build(unfinished)
            unfinished.rename(image)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return image


def require_commands(commands: dict[str, str]) -> None:
    """LabError that names the Debian packages of the commands that cannot be found."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = sorted({package for command, package in commands.items() if not shutil.which(command, path=path)})
    if missing:
        raise LabError(f"missing packages: apt-get install --no-install-recommends {' '.join(missing)}")


def _build(image: Path) -> None:
    root = image / "root.tar"
    with step(f"Bootstrapping Debian {SUITE} with kernel, FRR, BIRD, IPVS and containerd"):
        _bootstrap(image, ["--variant=minbase", f"--include={BASE},{KERNEL},{NETWORK},{TOOLS},{PODS}"], root)
    with step("Fetching BIRD 3, which cannot be installed beside BIRD 2"):
        _bootstrap(image, ["--variant=extract", "--include=bird3"], image / "bird3.tar")
    with step("Building the pods' container image"):
        layer = image / "pod.tar"
        _bootstrap(image, ["--variant=extract", "--include=base-files,python3", *POD_LEAVE_OUT], layer)
        application = f"--transform=s,.*,opt/{GUEST_FILES[0]},"
        _run(image, ["tar", "--append", f"--file={layer}", application, str(LAB / "guest" / GUEST_FILES[0])])
        command = ["/usr/bin/python3", f"/opt/{GUEST_FILES[0]}"]
        oci.write_image(image / "pod.oci.tar", layer, POD_IMAGE, command)
        layer.unlink()
    with step("Writing the guest's disk"):
        _write_disk(image, root)
        root.unlink()
        (image / "bird3.tar").unlink()
        (image / "pod.oci.tar").unlink()


def _bootstrap(image: Path, options: Sequence[str], target: Path) -> None:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in LEAVE_OUT]
    without = ['--aptopt=APT::Install-Recommends "false"', *excluded]
    _run(image, ["mmdebstrap", "--quiet", *without, *options, SUITE, str(target)])


def _write_disk(image: Path, tarball: Path) -> None:
    """Unpack, add the lab's own files, and make a file system of it; fakeroot keeps the owners without being root."""
    ssh.make_key(image)
    script = _WRITE_DISK if os.geteuid() == 0 else f"fakeroot sh -euc '{_WRITE_DISK}'"
    if os.geteuid() != 0:
        require_commands({"fakeroot": "fakeroot"})
    environment = {
        "IMAGE": str(image),
        "TARBALL": str(tarball),
        "GUEST": str(LAB / "guest"),
        "ADDRESS": management_address(),
        "SIZE": DISK_SIZE,
    }
    _run(image, ["sh", "-euc", script], environment)
    shutil.rmtree(image / "root")


_WRITE_DISK = r"""
root=$IMAGE/root
mkdir -p "$root/dev"
tar -C "$root" -xf "$TARBALL" --exclude="./dev/*"
cp "$root"/boot/vmlinuz-* "$IMAGE/vmlinuz"
cp "$root"/boot/initrd.img-* "$IMAGE/initrd"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$IMAGE/key.pub" "$root/root/.ssh/authorized_keys"
cat "$root"/etc/ssh/ssh_host_ed25519_key.pub > "$IMAGE/host_key.pub"
install -d "$root/opt/dsrlab/bird3"
tar -C "$root/opt/dsrlab/bird3" -xf "$IMAGE/bird3.tar" --strip-components=3 ./usr/sbin/bird ./usr/sbin/birdc
install -m 644 "$IMAGE/pod.oci.tar" "$GUEST/start-pods" "$root/opt/dsrlab/"
units=$root/etc/systemd/system
install -m 644 "$GUEST/lab-pods.service" "$units/"
sed "s,MANAGEMENT_ADDRESS,$ADDRESS," "$GUEST/management.service" > "$units/management.service"
install -d "$units/multi-user.target.wants"
ln -sf /etc/systemd/system/management.service "$units/multi-user.target.wants/"
for unit in frr bird keepalived containerd; do rm -f "$units/multi-user.target.wants/$unit.service"; done
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
    e2scrub_reap.service logrotate.timer ipvsadm.service ipvsadm-sync.service systemd-logind.service \
    console-getty.service getty.target systemd-pcrlock.socket systemd-hwdb-update.service; do
    ln -sf /dev/null "$units/$unit"
done
touch "$root/etc/.updated" "$root/var/.updated"
echo guest > "$root/etc/hostname"
: > "$root/etc/machine-id"
chmod 644 "$IMAGE/vmlinuz" "$IMAGE/initrd"
PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -L root -E lazy_itable_init=1 -d "$root" "$IMAGE/root.ext4" "$SIZE"
"""


def _run(image: Path, argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        argv,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"building {image.name} failed in '{argv[0]}':\n{last}")
