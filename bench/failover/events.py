# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to the cluster, and in which states it can be when something happens."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bench.failover import watch
from bench.failover.fabric import DIRECTOR, Lab, wait_for
from bench.place import BenchmarkError

BIRD: Final = "baremetal-dsr-bird"
LONG_AGO: Final = "2020-01-01T00:00:00Z"
ZEBRA_SWEEPS_S: Final = 60.0
"""What role router gives zebra as -K."""
DOWN_S: Final = 15.0
"""What a machine takes to end all that runs on it."""
BACK_S: Final = 60.0
"""What sessions and routes may take after a restart of FRR."""


@dataclass(frozen=True)
class Event:
    """start: makes it happen, and returns when that was. fib: what the routers' kernels come to do about the director,
    in this order: "left", "returned". lost: nodes
    whose pods' connections cannot go on. undo: has nothing to do where `needs` and `leaves` say all there is."""

    title: str
    start: Callable[[Lab], float]
    fib: tuple[str, ...] = ()
    needs: str = "whole"
    leaves: str = "whole"
    undo: Callable[[Lab], None] = field(default=lambda lab: None)
    lost: Collection[str] = ()
    routers: int = 1
    lasts: float = 0.0
    """Seconds to go on watching for, beyond those that every event is watched."""


def bring(lab: Lab, state: str) -> None:
    """Bring the cluster to one of STATES; nothing where it is that already."""
    if lab.state == state:
        return
    if state != "whole" and lab.state != "whole":
        bring(lab, "whole")
    before, lab.state = lab.state, ""
    if state == "whole" and before == "drained":
        lab.playbook("undrain", dsr_drain_nodes=DIRECTOR)
    else:
        STATES[state](lab)
    lab.state = state


def changed_backends(
    services: Iterable[dict[str, Any]], node: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> list[dict[str, Any]]:
    """The services with each backend of a node changed, or taken out where the change is None."""
    found = copy.deepcopy(list(services))
    for service in found:
        changed = [change(each) if each["node"] == node else each for each in service["backends"]]
        service["backends"] = [each for each in changed if each is not None]
    return found


def draining(lab: Lab, **more: Any) -> list[dict[str, Any]]:
    """The services with all backends of the director's node draining."""
    return changed_backends(lab.services, DIRECTOR, lambda each: {**each, "terminating": True, **more})


def _whole(lab: Lab) -> None:
    """Also from a state that is not known: a drained node is what site.yml leaves as it is."""
    lab.playbook("site")
    if lab.run(DIRECTOR, "test -e /etc/baremetal-dsr-drained && echo drained || true"):
        lab.playbook("undrain", dsr_drain_nodes=DIRECTOR)


def _graceful(lab: Lab) -> None:
    lab.playbook("site", dsr_graceful_restart=True)
    restart_router(lab)


def restart_router(lab: Lab) -> None:
    """Give zebra its options, which it takes when it starts; that restart is not a graceful one yet."""
    router = lab.routers[0]
    lab.run(router, "systemctl restart frr")
    with watch.fib(router, lab.vips) as fib:
        if not wait_for(lambda: fib.whole(lab.nodes[DIRECTOR]), BACK_S):
            raise BenchmarkError(f"{router} had no routes over {DIRECTOR} {BACK_S:.0f} s after a restart of FRR")


STATES: Final[dict[str, Callable[[Lab], None]]] = {
    "whole": _whole,
    "drained": lambda lab: lab.playbook("drain", dsr_drain_nodes=DIRECTOR),
    "fewer": lambda lab: lab.playbook(
        "site", dsr_services=changed_backends(lab.services, DIRECTOR, lambda _each: None)
    ),
    "graceful": _graceful,
}
"""How to come to a state from "whole". There is one more, "draining", which is only left."""


def _played(name: str, **variables: Any) -> Callable[[Lab], float]:
    def start(lab: Lab) -> float:
        began = lab.time()
        lab.playbook(name, **variables)
        return began

    return start


def _drains(**more: Any) -> Callable[[Lab], float]:
    return lambda lab: _played("site", dsr_services=draining(lab, **more))(lab)


def _booted(lab: Lab) -> None:
    """Nothing on a node outlives a boot but what lies on its disk."""
    lab.start_up(DIRECTOR)
    lab.playbook("site")


def _refused(lab: Lab) -> float:
    services = draining(lab)
    lab.playbook("site", dsr_services=services)
    began = lab.time()
    done = lab.attempt("drain", dsr_drain_nodes=DIRECTOR, dsr_services=services)
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode == 0:
        raise BenchmarkError("drain.yml took a director out while a backend drains")
    if "A backend still drains" not in said:
        raise BenchmarkError(f"drain.yml failed, but not by its refusal: {said[-500:]}")
    return began


EVENTS: Final[dict[str, Event]] = {
    "rest": Event("nothing happens, for a minute", lambda lab: lab.time(), lasts=60),
    "drain": Event(
        "a director is drained", _played("drain", dsr_drain_nodes=DIRECTOR), fib=("left",), leaves="drained"
    ),
    "undrain": Event(
        "a director comes back", _played("undrain", dsr_drain_nodes=DIRECTOR), fib=("returned",), needs="drained"
    ),
    "shutdown": Event(
        "a director shuts down",
        lambda lab: lab.shut_down(DIRECTOR),
        fib=("left",),
        undo=_booted,
        lost=(DIRECTOR,),
        lasts=DOWN_S,
    ),
    "bird": Event(
        "BIRD killed (-9), restarted by systemd",
        lambda lab: lab.strike(DIRECTOR, f"systemctl kill --signal=KILL --kill-whom=main {BIRD}"),
        fib=("returned",),
    ),
    "power": Event(
        "a director loses power",
        lambda lab: lab.freeze(DIRECTOR),
        fib=("left",),
        undo=lambda lab: lab.thaw(DIRECTOR),
        lost=(DIRECTOR,),
    ),
    "blackhole": Event(
        "silent blackhole of a director's link",
        lambda lab: lab.blackhole(DIRECTOR),
        fib=("left",),
        undo=lambda lab: lab.mend(DIRECTOR),
        lost=(DIRECTOR,),
    ),
    "router": Event(
        "one of two routers loses power",
        lambda lab: lab.freeze(lab.active_router()),
        undo=lambda lab: lab.thaw(*lab.routers),
        routers=2,
    ),
    "frr": Event(
        "FRR restarted on the router, planned (graceful restart)",
        lambda lab: lab.strike(lab.routers[0], "systemctl kill --signal=KILL frr; systemctl restart frr"),
        fib=("returned",),
        needs="graceful",
        leaves="graceful",
        lasts=ZEBRA_SWEEPS_S + 5,
    ),
    "frr_unplanned": Event(
        "FRR restarted on the router, as it is",
        lambda lab: lab.strike(lab.routers[0], f"systemctl restart {lab.daemon}"),
        fib=("returned",),
    ),
    "backend_added": Event("a backend is added to each service", _played("site"), needs="fewer"),
    "backend_drained": Event("a backend of each service is drained", _drains(), leaves="draining"),
    "backend_expired": Event(
        "the same, with a deadline that has passed",
        _drains(drain_until=LONG_AGO),
        lost=(DIRECTOR,),
        leaves="draining",
    ),
    "refused": Event("a drain asked for while a backend drains", _refused, leaves="draining"),
}


def why_not(lab: Lab, event: Event) -> str:
    """Why an event cannot be had here; "" if it can."""
    if len(lab.routers) < event.routers:
        return "no second router"
    return ""
