# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.apply import reconcile
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.desired import wish
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.remove import remove
from ansible_collections.baremetal.dsr.plugins.module_utils.ipvs.sysctls import MEMORY
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.ipvs.fake_director import FakeDirector, Killed

RANGE = {"mark_base": "0x00d00000", "mark_mask": "0xfff00000"}
SETTINGS = {
    "net.ipv4.vs.conn_reuse_mode": 1,
    "net.ipv4.vs.expire_nodest_conn": 1,
    "net.ipv4.vs.expire_quiescent_template": 1,
    "net.ipv4.vs.schedule_icmp": 1,
    "net.ipv4.vs.sloppy_tcp": 1,
}
SERVICE = {
    "mark": 0xD00002,
    "family": "ipv4",
    "scheduler": "rr",
    "scheduler_flags": None,
    "one_packet": False,
    "destinations": [{"address": "10.244.1.2", "weight": 1}, {"address": "10.244.2.2", "weight": 1}],
}
FOREIGN = "-A -t 198.51.100.1:80 -s rr\n-a -t 198.51.100.1:80 -r 192.0.2.10:8080 -m -w 7\n-A -f 7 -s rr\n"


def install(fake: FakeDirector, **settings: Any) -> None:
    asked = {**RANGE, "services": [SERVICE], "sysctls": {**SETTINGS, **settings}, "purge": True}
    reconcile(fake, wish(asked), check_mode=False)


def gone(fake: FakeDirector, check_mode: bool = False) -> dict[str, Any]:
    return remove(fake, {**RANGE, "services": None, "sysctls": SETTINGS}, check_mode=check_mode, diff=True)


def director(**options: Any) -> FakeDirector:
    fake = FakeDirector(**options)
    fake.restore(FOREIGN)
    return fake


def everything(fake: FakeDirector) -> tuple[str, dict[str, str], dict[str, str]]:
    return fake.save(), fake.sysctls, fake.files.texts


def test_everything_is_as_it_was() -> None:
    fake, untouched = director(), director()
    install(fake)
    assert "# former net.ipv4.vs.sloppy_tcp = 0\nnet.ipv4.vs.sloppy_tcp = 1\n" in fake.files.texts[MEMORY]
    fake.writes.clear()
    assert gone(fake)["changed"]
    assert [argv[0] for argv, _stdin in fake.writes] == ["ipvsadm", "sysctl", "rm"]
    assert everything(fake) == everything(untouched)
    fake.read_only = True
    assert not gone(fake)["changed"]


def test_setting_that_someone_changed_since_stays() -> None:
    fake = director()
    install(fake)
    fake.sysctls["net.ipv4.vs.schedule_icmp"] = "0"
    fake.sysctls["net.ipv4.vs.conn_reuse_mode"] = "0"
    gone(fake)
    assert fake.sysctls["net.ipv4.vs.conn_reuse_mode"] == "0"
    assert fake.sysctls["net.ipv4.vs.sloppy_tcp"] == "0"


def test_run_that_changes_no_setting_keeps_nothing() -> None:
    fake = director()
    fake.sysctls.update({name: str(value) for name, value in SETTINGS.items()})
    install(fake)
    assert fake.files.texts == {}
    gone(fake)
    assert fake.sysctls["net.ipv4.vs.sloppy_tcp"] == "1"


def test_settings_are_known_only_once_ip_vs_is_loaded() -> None:
    fake, untouched = FakeDirector(loaded=False), FakeDirector()
    install(fake)
    assert fake.writes[0][0] == ["modprobe", "ip_vs"]
    gone(fake)
    assert everything(fake) == everything(untouched)


def test_a_second_first_value_is_never_remembered() -> None:
    fake = director()
    install(fake)
    install(fake, **{"net.ipv4.vs.sloppy_tcp": 0, "net.ipv4.vs.schedule_icmp": 0})
    install(fake)
    gone(fake)
    assert everything(fake) == everything(director())


def test_setting_that_a_later_release_adds_goes_back_too() -> None:
    fake = director()
    fewer = {name: value for name, value in SETTINGS.items() if "quiescent" not in name}
    reconcile(fake, wish({**RANGE, "services": [SERVICE], "sysctls": fewer, "purge": True}), check_mode=False)
    assert fake.sysctls["net.ipv4.vs.expire_quiescent_template"] == "0"
    install(fake)
    assert fake.sysctls["net.ipv4.vs.expire_quiescent_template"] == "1"
    gone(fake)
    assert everything(fake) == everything(director())


def test_services_of_a_former_range_can_go_alone() -> None:
    """As the README of the role director says, for a range that was changed under running directors."""
    fake, never = director(), director()
    install(fake)
    here = {"mark_base": "0x00e00000", "mark_mask": "0xfff00000"}
    now = {**here, "services": [{**SERVICE, "mark": 0xE00002}], "sysctls": SETTINGS, "purge": True}
    for each in (fake, never):
        reconcile(each, wish(now), check_mode=False)
    assert "-A -f 13631490 -s rr" in fake.save()
    reconcile(fake, wish({**RANGE, "services": [], "sysctls": {}, "purge": True}), check_mode=False)
    assert everything(fake) == everything(never)


@pytest.mark.parametrize("left_over", [False, True])
def test_without_ip_vs_nothing_is_loaded(left_over: bool) -> None:
    """The settings went with the module; only what was remembered of them may be left."""
    fake = FakeDirector(loaded=False)
    if left_over:
        fake.files.texts[MEMORY] = "# former net.ipv4.vs.sloppy_tcp = 0\nnet.ipv4.vs.sloppy_tcp = 1\n"
    result = gone(fake)
    assert result["changed"] == left_over
    assert fake.loaded == set() and fake.files.texts == {}
    assert fake.sysctls == FakeDirector().sysctls


def test_machine_that_never_was_a_director() -> None:
    fake = FakeDirector()
    fake.commands.clear()
    fake.read_only = True
    assert not gone(fake)["changed"]


@pytest.mark.parametrize("loaded", [False, True])
def test_check_mode_predicts_and_writes_nothing(loaded: bool) -> None:
    fake = director() if loaded else FakeDirector(loaded=False)
    if loaded:
        install(fake)
    fake.read_only = True
    predicted = gone(fake, check_mode=True)
    fake.read_only = False
    assert gone(fake) == predicted


def test_diff_shows_settings_services_and_the_file() -> None:
    fake = director()
    install(fake)
    settings, services, file = gone(fake)["diff"]
    assert "sysctl -w 'net.ipv4.vs.sloppy_tcp=1'\n" in settings["before"]
    assert "sysctl -w 'net.ipv4.vs.sloppy_tcp=0'\n" in settings["after"]
    assert (services["before"].count("\n"), services["after"]) == (3, "")
    assert (file["before_header"], file["after"]) == (MEMORY, "")


@pytest.mark.parametrize("alive", range(16))
def test_killed_at_any_write_everything_can_still_be_as_it_was(alive: int) -> None:
    """Of the run that installs and of the one that removes."""
    fake = director()
    for step in (install, gone):
        fake.die_after = alive
        try:
            step(fake)
        except Killed:
            pass
        fake.die_after = None
    gone(fake)
    assert everything(fake) == everything(director())
