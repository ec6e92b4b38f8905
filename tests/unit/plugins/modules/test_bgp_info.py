# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, against a birdc and a vtysh of sh that replay recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.baremetal.dsr.plugins.modules import bgp_info

FIXTURES = Path(__file__).parents[2] / "fixtures" / "bgp"
BIRDC = """#!/bin/sh
# birdc -r -s SOCKET show ...
[ "$1" = -r ] || exit 9
[ -e "$3" ] || { echo "Unable to connect to server control socket ($3): No such file or directory" >&2; exit 1; }
shift 4
case $* in
status) cat status ;;
"protocols all") cat protocols ;;
"bfd sessions all") cat bfd-all ;;
route*dsr_r1_ipv4*) cat export-dsr_r1_ipv4 ;;
route*dsr_r1_ipv6*) cat export-dsr_r1_ipv6 ;;
esac
"""
VTYSH = """#!/bin/sh
[ -e running-config ] || { echo "bgpd is not running"; exit 1; }
while [ $# -gt 0 ]; do
    case $2 in
    *running-config*) cat running-config ;;
    *advertised*) set -- -c "${2#*neighbors }" "$@"; cat "advertised-${2%% *}.json"; shift 2 ;;
    *neighbors*) cat neighbors.json ;;
    *bfd*) cat bfd.json ;;
    esac
    shift 2
done
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    for name, script in (("birdc", BIRDC), ("vtysh", VTYSH)):
        command = tmp_path / "bin" / name
        command.write_text(script, encoding="utf-8")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.chdir(FIXTURES / "bird-2.17.5-established")
    (tmp_path / "bird.ctl").touch()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], check: bool = False, **options: object) -> dict[str, Any]:
    with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        bgp_info.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("check", [False, True])
def test_bird(machine: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    told = run(capsys, check, socket=str(machine / "bird.ctl"))
    assert told["changed"] is False
    assert (told["provider"], told["version"]) == ("bird", "2.17.5")
    assert [each["state"] for each in told["sessions"]][:2] == ["established", "established"]
    assert [each["vip"] for each in told["announced"]] == [
        "203.0.113.1",
        "203.0.113.2",
        "2001:db8:f::1",
        "2001:db8:f::2",
    ]


@pytest.mark.usefixtures("machine")
def test_frr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES / "frr-10.3-established")
    told = run(capsys, provider="frr")
    assert (told["provider"], told["version"]) == ("frr", "10.3")
    assert told["announced"][0]["neighbors"] == ["192.0.2.11", "192.0.2.12"]
    assert told["sessions"][0]["password"] is True
    assert "s3cret" not in json.dumps(told)


def test_documented_sample_has_the_shape(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = pytest.importorskip("yaml")
    documented = yaml.safe_load(bgp_info.RETURN)
    told = run(capsys, socket=str(machine / "bird.ctl"))
    assert {key for key in told if key not in ("changed", "invocation")} == set(documented)
    for key in ("sessions", "bfd", "announced"):
        assert set(documented[key]["sample"][0]) == set(told[key][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"provider": "openbgpd"}, "value of provider must be one of: auto, bird, frr"),
        ({"socket": "/nowhere/bird.ctl"}, "there is no such socket"),
        ({"provider": "frr"}, "bgpd does not run"),
        ({"vips": ["web"]}, "'web' is not an IP address"),
        ({"pools": ["web"]}, "'web' is not a network"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_bad_input(capsys: pytest.CaptureFixture[str], options: dict[str, Any], message: str) -> None:
    told = run(capsys, **options)
    assert told["failed"] is True
    assert message in told["msg"]
