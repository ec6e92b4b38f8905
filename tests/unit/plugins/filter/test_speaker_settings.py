# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter speaker_settings."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.filter.speaker_settings import FilterModule, speaker_settings

GOOD: dict[str, Any] = {
    "asn": 64513,
    "keepalive": 3,
    "hold": 9,
    "password": "",
    "bfd_interval": 300,
    "bfd_multiplier": 3,
    "communities": [],
    "med": 0,
    "local_pref": 100,
    "listen_port": 1790,
}


def test_it_is_a_filter() -> None:
    assert FilterModule().filters() == {"speaker_settings": speaker_settings}


def test_numbers_from_the_command_line_are_numbers() -> None:
    assert speaker_settings({**GOOD, "asn": "64513", "med": "7"}) == {**GOOD, "med": 7}


def test_communities_come_apart() -> None:
    found = speaker_settings({**GOOD, "communities": ["64513:100", "4200000001:1:2"]})
    assert found["communities"] == [[64513, 100], [4200000001, 1, 2]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"asn": 0}, "dsr_node_asn: 0 is reserved"),
        ({"asn": 4294967296}, "dsr_node_asn: is 4294967296, out of range"),
        ({"hold": 2}, "dsr_bgp_hold: is 2, out of range"),
        ({"hold": 8}, "less than three keepalives"),
        ({"bfd_interval": 10}, "dsr_bfd_interval: is 10, out of range"),
        ({"communities": "64513:100"}, "not a list"),
        ({"communities": ["64513:65536"]}, "is no community"),
        ({"communities": ["no-export"]}, "is no community"),
        ({"communities": [3870780100]}, "is no community"),
        ({"med": -1}, "speaker_med: is -1, out of range"),
        ({"listen_port": 0}, "speaker_listen_port: is 0, out of range"),
    ],
)
def test_mistakes(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        speaker_settings({**GOOD, **wrong})


def test_a_bad_password_is_not_told() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        speaker_settings({**GOOD, "password": 'top "secret"', "med": -1})
    assert "dsr_bgp_password" in str(error.value)
    assert "secret" not in str(error.value)
    assert "speaker_med" in str(error.value)
