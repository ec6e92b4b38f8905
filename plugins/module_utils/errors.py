# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the collection: what is wrong, why, and what mends it."""

from __future__ import annotations


class DsrError(Exception):
    """A problem the operator can act on.

    item: the thing that is wrong, named as the operator named it ("service web", "kernel module ip_vs").
    reason: what is wrong with it.
    cure: what to change so that it goes away.
    """

    def __init__(self, item: str, reason: str, cure: str) -> None:
        super().__init__(f"{item}: {reason}. {cure}")
        self.item = item
        self.reason = reason
        self.cure = cure
