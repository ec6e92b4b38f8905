# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import LocalRunner
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.file import SettingsFile
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.memory import normal
from ansible_collections.baremetal.dsr.plugins.module_utils.sysctls.reconcile import Outcome, keep, reconcile
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.sysctls.fake_kernel import FakeKernel, Killed

PATH = "/etc/sysctl.d/ours.conf"
HASH, FORWARD, RANGE = "net.hash_policy", "net.ip_forward", "net.port_range"
WANTED = {HASH: "1", FORWARD: "1", RANGE: "3 50"}


def kernel() -> FakeKernel:
    return FakeKernel(hash_policy="0", ip_forward="1", port_range="1\t9", foreign="7")


def bring(fake: FakeKernel, wanted: dict[str, str], check_mode: bool = False) -> Outcome:
    return reconcile(fake, PATH, wanted, check_mode=check_mode)


def test_set_keep_and_put_back() -> None:
    fake = kernel()
    before = dict(fake.settings)
    done = bring(fake, WANTED)
    assert done.changed
    assert fake.settings == {**before, HASH: "1", RANGE: "3\t50"}
    assert fake.files.texts[PATH].splitlines()[-6:] == [
        "# former net.hash_policy = 0",
        "net.hash_policy = 1",
        "# former net.ip_forward = 1",
        "net.ip_forward = 1",
        "# former net.port_range = 1 9",
        "net.port_range = 3 50",
    ]
    assert bring(fake, {}).changed
    assert (fake.settings, fake.files.texts) == (before, {})


def test_second_run_writes_nothing() -> None:
    fake = kernel()
    bring(fake, WANTED)
    fake.read_only = True
    assert not bring(fake, WANTED).changed
    fake.read_only = False
    bring(fake, {})
    fake.read_only = True
    assert not bring(fake, {}).changed


def test_machine_without_the_file_has_nothing_to_put_back() -> None:
    fake = kernel()
    fake.read_only = True
    assert not bring(fake, {}).changed


def test_settings_change_only_after_their_values_are_kept() -> None:
    fake = kernel()
    bring(fake, WANTED)
    assert [argv[0] for argv in fake.writes] == ["install", "mv", "sysctl"]
    fake.writes.clear()
    bring(fake, {})
    assert [argv[0] for argv in fake.writes] == ["sysctl", "rm"]


def test_what_someone_changed_since_stays() -> None:
    fake = kernel()
    bring(fake, WANTED)
    fake.settings[HASH] = "2"
    bring(fake, {})
    assert fake.settings[HASH] == "2"
    assert fake.settings[RANGE] == "1\t9"


def test_drift_is_mended_and_the_first_value_stays_the_former() -> None:
    fake = kernel()
    bring(fake, WANTED)
    fake.settings[HASH] = "3"
    assert bring(fake, WANTED).changed
    assert fake.settings[HASH] == "1"
    bring(fake, {**WANTED, HASH: "2"})
    bring(fake, {})
    assert fake.settings[HASH] == "0"


def test_setting_that_leaves_the_list_is_put_back_and_forgotten() -> None:
    fake = kernel()
    bring(fake, WANTED)
    bring(fake, {FORWARD: "1"})
    assert (fake.settings[HASH], fake.settings[RANGE]) == ("0", "1\t9")
    assert HASH not in fake.files.texts[PATH]
    fake.read_only = True
    assert not bring(fake, {FORWARD: "1"}).changed


def test_setting_the_kernel_lost_is_forgotten() -> None:
    fake = kernel()
    bring(fake, WANTED)
    del fake.settings[RANGE]
    bring(fake, {})
    assert RANGE not in fake.settings
    assert fake.files.texts == {}


def test_setting_the_kernel_lacks_is_told_before_any_write() -> None:
    fake = kernel()
    fake.read_only = True
    with pytest.raises(DsrError, match=r"^sysctl net\.nosuch: is unknown to this kernel"):
        bring(fake, {**WANTED, "net.nosuch": "1"})


def test_setting_the_kernel_does_not_take_is_told() -> None:
    fake = kernel()
    fake.deaf.add(HASH)
    with pytest.raises(DsrError, match=r"^sysctl net\.hash_policy: is 0 after it was set to 1"):
        bring(fake, WANTED)


STATES = ({}, {FORWARD: "1"}, WANTED, {HASH: "2", RANGE: "5 6"})


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize("current", STATES)
def test_check_mode_predicts_and_writes_nothing(current: dict[str, str], wanted: dict[str, str]) -> None:
    fake = kernel()
    bring(fake, current)
    fake.read_only = True
    predicted = bring(fake, wanted, check_mode=True)
    fake.read_only = False
    assert bring(fake, wanted) == predicted
    assert predicted.after == {name: normal(fake.settings[name]) for name in predicted.after}
    assert predicted.text_after == fake.files.texts.get(PATH)


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize("current", STATES)
def test_killed_at_any_write_the_next_run_converges(current: dict[str, str], wanted: dict[str, str]) -> None:
    """And whatever ran before, the settings can still be put back to what they were."""
    for alive in range(12):
        fake = kernel()
        begin = dict(fake.settings)
        bring(fake, current)
        whole = kernel()
        bring(whole, current)
        bring(whole, wanted)
        fake.die_after = alive
        try:
            bring(fake, wanted)
        except Killed:
            pass
        fake.die_after = None
        bring(fake, wanted)
        assert (fake.settings, fake.files.texts) == (whole.settings, whole.files.texts)
        bring(fake, {})
        assert (fake.settings, fake.files.texts) == (begin, {})


@pytest.mark.parametrize("alive", range(6))
def test_killed_while_setting_all_can_be_put_back_at_once(alive: int) -> None:
    fake = kernel()
    begin = dict(fake.settings)
    fake.die_after = alive
    try:
        bring(fake, WANTED)
    except Killed:
        pass
    fake.die_after = None
    bring(fake, {})
    assert (fake.settings, fake.files.texts) == (begin, {})


def test_keep_remembers_the_first_values_and_sets_nothing() -> None:
    fake = kernel()
    keep(fake, PATH, {HASH: "0"}, {HASH: "1"})
    keep(fake, PATH, {HASH: "5", FORWARD: "1"}, {HASH: "2", FORWARD: "0"})
    assert fake.settings == kernel().settings
    text = fake.files.texts[PATH]
    assert "# former net.hash_policy = 0\nnet.hash_policy = 2\n# former net.ip_forward = 1\nnet.ip_forward = 0" in text


def test_diff_shows_settings_and_file() -> None:
    settings, file = bring(kernel(), WANTED).diff(PATH)
    assert "sysctl -w 'net.hash_policy=0'\n" in settings["before"]
    assert "sysctl -w 'net.port_range=3 50'\n" in settings["after"]
    assert (file["before"], file["before_header"]) == ("", PATH)
    assert "net.hash_policy = 1\n" in file["after"]


def test_the_file_on_a_real_machine(tmp_path) -> None:
    path = tmp_path / "ours.conf"
    file = SettingsFile(LocalRunner(), str(path))
    assert (file.read(), file.left_over()) == (None, False)
    file.write("a\nb\n")
    assert (file.read(), path.stat().st_mode & 0o777) == ("a\nb\n", 0o644)
    (tmp_path / "ours.conf.new").write_text("half")
    assert file.left_over()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_read_is_told(tmp_path) -> None:
    with pytest.raises(DsrError, match=f"^file {tmp_path}: cannot be read: .*Is a directory"):
        SettingsFile(LocalRunner(), str(tmp_path)).read()
