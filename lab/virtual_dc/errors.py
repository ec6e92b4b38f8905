# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's one exception."""

from __future__ import annotations


class LabError(Exception):
    """Something the person at the keyboard can mend; the text says what and how."""
