# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.schedulers import SCHEDULERS
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import Data
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.model.changes import (
    Change,
    parsed_web,
    refusal,
    web,
)

REFUSED: dict[str, tuple[Change, str]] = {
    "scheduler unknown": (web(scheduler="maglev"), "service web: unknown scheduler 'maglev'. Use one of dh, fo,"),
    "scheduler not a string": (web(scheduler=["mh"]), "service web: unknown scheduler ['mh']"),
    "flag unknown": (
        web(scheduler_flags=["mh-fallback", "sh-port"]),
        "service web, scheduler_flags: scheduler mh has no flag 'sh-port'. Its flags are mh-fallback, mh-port",
    ),
    "flag not a string": (web(scheduler_flags=[1]), "service web, scheduler_flags: scheduler mh has no flag 1"),
    "flag a list": (web(scheduler_flags=[["mh-port"]]), "scheduler mh has no flag ['mh-port']"),
    "flag of a scheduler without flags": (
        web(scheduler="rr", scheduler_flags=["mh-port"]),
        "service web, scheduler_flags: scheduler rr has no flag 'mh-port'. It has none: leave scheduler_flags out",
    ),
    "flags a string": (web(scheduler_flags="mh-port"), "service web, scheduler_flags: is 'mh-port', not a list"),
    "flags null": (web(scheduler_flags=None), "service web, scheduler_flags: is None, not a list"),
    "affinity unknown": (
        web(affinity="ClientIP"),
        "service web: unknown affinity 'ClientIP'. Use one of none, hash, persistent",
    ),
    "affinity null": (web(affinity=None), "service web: unknown affinity None"),
    "affinity hash with the port in the hash": (
        web(affinity="hash", scheduler_flags=["mh-port"]),
        "service web: has affinity hash, but the flag mh-port, which hashes the client's port too: each connection of a"
        " client could go to another pod. Take mh-port or the affinity away",
    ),
    "affinity_timeout zero": (
        web(affinity="persistent", affinity_timeout=0),
        "service web, affinity_timeout: is 0, out of range. Use a whole number from 1 to 86400",
    ),
    "affinity_timeout too high": (
        web(affinity="persistent", affinity_timeout=86401),
        "service web, affinity_timeout: is 86401, out of range",
    ),
    "affinity_timeout alone": (
        web(affinity_timeout=600),
        "service web: has affinity_timeout, but affinity none, which remembers nothing that could time out."
        " Take affinity_timeout away, or use affinity persistent",
    ),
    "affinity_timeout with hash": (
        web(affinity="hash", affinity_timeout=600),
        "service web: has affinity_timeout, but affinity hash",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(change: Change, message: str) -> None:
    assert message in refusal(change)


KERNELS = set("rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos".split())
"""The schedulers in net/netfilter/ipvs of Linux 6.12."""


def test_every_scheduler_of_the_kernel_is_known() -> None:
    assert set(SCHEDULERS) == KERNELS


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_of_the_kernel_is_accepted(scheduler: str) -> None:
    assert parsed_web(web(scheduler=scheduler)).scheduler == scheduler


@pytest.mark.parametrize("scheduler", sorted(KERNELS - {"mh", "sh"}))
def test_affinity_hash_needs_a_scheduler_that_hashes_the_client(scheduler: str) -> None:
    said = refusal(web(scheduler=scheduler, affinity="hash"))
    assert said == (
        f"service web: has affinity hash, but scheduler {scheduler} does not hash the client's address."
        " Use one of the schedulers mh, sh, or affinity persistent"
    )


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({}, ("mh-fallback", "mh-port")),
        ({"scheduler": "sh"}, ("sh-fallback", "sh-port")),
        ({"scheduler": "wlc"}, ()),
        ({"affinity": "none"}, ("mh-fallback", "mh-port")),
        ({"affinity": "persistent"}, ("mh-fallback", "mh-port")),
        ({"affinity": "hash"}, ("mh-fallback",)),
        ({"affinity": "hash", "scheduler": "sh"}, ("sh-fallback",)),
        ({"affinity": "hash", "scheduler_flags": []}, ()),
        ({"scheduler_flags": []}, ()),
        ({"scheduler": "rr", "scheduler_flags": []}, ()),
        ({"scheduler_flags": ["mh-port", "mh-fallback", "mh-port"]}, ("mh-fallback", "mh-port")),
    ],
)
def test_flags(given: Data, flags: tuple[str, ...]) -> None:
    assert parsed_web(web(**given)).scheduler_flags == flags


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 0),
        ({"affinity": "hash"}, 0),
        ({"affinity": "persistent"}, 10800),
        ({"affinity": "persistent", "scheduler": "rr", "affinity_timeout": "86400"}, 86400),
    ],
)
def test_persistence(given: Data, seconds: int) -> None:
    assert parsed_web(web(**given)).persistence == seconds
