# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: check what the speaker of a node is told; see speaker_settings.yml for its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.routers.speaker import parse_settings


def speaker_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked; AnsibleFilterError, a line per problem, if they are wrong."""
    try:
        return parse_settings(settings)
    except DsrError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"speaker_settings": speaker_settings}
