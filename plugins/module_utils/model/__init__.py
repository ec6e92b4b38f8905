# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as the planner sees it, and the one door plain inventory data comes in by.

Everything is validated here, once; the planner behind `parse_cluster` checks nothing again. (The modules check their
own options, as they can be used without a plan.)

cluster: the types. parse: the whole input and the nodes. services, scheduling, ports, backends: a service's parts.
"""

from __future__ import annotations

from ansible_collections.baremetal.dsr.plugins.module_utils.model.cluster import (
    LOCAL,
    POLICIES,
    PROTOCOLS,
    TUNNELS,
    Backend,
    Cluster,
    Node,
    Port,
    Service,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.model.parse import parse_cluster

__all__ = [
    "LOCAL",
    "POLICIES",
    "PROTOCOLS",
    "TUNNELS",
    "Backend",
    "Cluster",
    "Node",
    "Port",
    "Service",
    "parse_cluster",
]
