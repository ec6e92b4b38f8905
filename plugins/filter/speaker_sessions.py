# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the BGP sessions of a node; see speaker_sessions.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.speaker import parse_sessions


def speaker_sessions(
    routers: Sequence[Mapping[str, Any]], addresses: Sequence[str], form: str, node: str
) -> list[dict[str, Any]]:
    """The sessions with the routers; AnsibleFilterError, a line per problem, if one cannot be."""
    try:
        return parse_sessions(routers, addresses, form, node)
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"speaker_sessions": speaker_sessions}
