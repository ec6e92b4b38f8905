# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes to make in the example cluster, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.model import Service, parse_cluster
from ansible_collections.baremetal.dsr.tests.unit.plugins.module_utils.cluster_data import Data, example

Change = Callable[[Data], None]


def web(**fields: Any) -> Change:
    """Changes fields of the service web."""

    def change(data: Data) -> None:
        data["services"][0].update(fields)

    return change


def backend(**fields: Any) -> Change:
    """Changes fields of web's first backend."""

    def change(data: Data) -> None:
        data["services"][0]["backends"][0].update(fields)

    return change


def port(value: Any) -> Change:
    """Makes value web's only port."""
    return web(ports=[value])


def node(**fields: Any) -> Change:
    """Changes fields of the node n1."""

    def change(data: Data) -> None:
        data["nodes"]["n1"].update(fields)

    return change


def given_as(**fields: Any) -> Change:
    """Replaces whole inputs."""

    def change(data: Data) -> None:
        data.update(fields)

    return change


def more(**fields: Any) -> Change:
    """Adds a service that is valid but for the fields."""

    def change(data: Data) -> None:
        data["services"].append(
            {"name": "more", "vip": "203.0.113.9", "ports": [{"port": 80}], "backends": [], **fields}
        )

    return change


def without(*path: str | int) -> Change:
    """Takes away a key."""

    def change(data: Data) -> None:
        at: Any = data
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]

    return change


def both(first: Change, second: Change) -> Change:
    def change(data: Data) -> None:
        first(data)
        second(data)

    return change


def parsed_web(*changes: Change) -> Service:
    """The service web of the example after the changes."""
    data = example()
    for change in changes:
        change(data)
    return next(service for service in parse_cluster(**data).services if service.name == "web")


def refusal(change: Change) -> str:
    """What is said of the example after the change: one problem, as it has one mistake."""
    data = example()
    change(data)
    with pytest.raises(DsrError) as error:
        parse_cluster(**data)
    assert "\n" not in str(error.value), "one mistake is told as one problem"
    return str(error.value)
