# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the pods of this machine to the state in which they can take packets for their VIPs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ansible_collections.baremetal.dsr.plugins.module_utils import kernel_modules
from ansible_collections.baremetal.dsr.plugins.module_utils.errors import DsrError
from ansible_collections.baremetal.dsr.plugins.module_utils.pods import diff
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.desired import wanted
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.guard import commands
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.locate import Namespace, Paths, held_open, scan
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.model import (
    FAMILIES,
    GUE,
    GUE_MODULE,
    RECEIVERS,
    Pod,
    State,
    Wish,
)
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.reach import admitted
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.state import lines, parse_state, read_state
from ansible_collections.baremetal.dsr.plugins.module_utils.pods.step import Step, perform
from ansible_collections.baremetal.dsr.plugins.module_utils.runner import Runner

_CURE_MISSING = (
    "Check that the pod runs on this node (kubectl get pods -A -o wide); then run again, or take it out of the backends"
)


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do.

    before, after: state as commands. missing: pod addresses found in no namespace; leaving: those of them that drained,
    whose end was to be expected. problems: what went wrong with single pods while the others were served. stale:
    whether something is left that only a run with purge removes.
    """

    changed: bool
    before: str
    after: str
    missing: tuple[str, ...]
    leaving: tuple[str, ...]
    problems: tuple[DsrError, ...]
    stale: bool

    def error(self, *, missing_is_error: bool) -> DsrError | None:
        """Everything that went wrong, as one error."""
        return _combined(self.errors(missing_is_error=missing_is_error))

    def errors(self, *, missing_is_error: bool) -> list[DsrError]:
        """Everything that went wrong."""
        lost = [address for address in self.missing if address not in self.leaving] if missing_is_error else []
        return [*map(missing_pod, lost), *self.problems]


@dataclass
class _Site:
    """One namespace of this run. after: what it is at the end, or in check mode would be."""

    namespace: Namespace
    pods: dict[int, Pod]
    """By IP version; empty where there is only something to clean."""
    entry: str = ""
    before: State = field(default_factory=State)
    target: State = field(default_factory=State)
    after: State = field(default_factory=State)
    steps: tuple[Step, ...] = ()

    def lost(self, state: State) -> list[str]:
        """Addresses of its pods that are not there."""
        return [pod.address for pod in self.pods.values() if pod.address not in state.addresses]

    def lines(self, state: State) -> list[str]:
        """The state as commands that reach into the namespace from outside."""
        whose = ", ".join(pod.address for pod in self.pods.values())
        remark = f"  # pod {whose}" if whose else ""
        return [f"nsenter --net={self.namespace.paths[0]} {line}{remark}" for line in lines(state)]


@dataclass
class _Run:
    """A run in progress: the sites it serves and what it could not serve."""

    runner: Runner
    paths: Paths
    purge: bool
    gue_known: bool
    """Whether the kernel knows GUE ports yet."""
    wish: Wish = field(default_factory=Wish)
    sites: list[_Site] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[DsrError] = field(default_factory=list)
    stale: bool = False


def reconcile(
    runner: Runner,
    paths: Paths,
    pods: Sequence[Pod],
    *,
    purge: bool,
    check: bool,
    place: str = "tunnel",
    sources: frozenset[str] | None = None,
) -> Outcome:
    """Configure every pod that can be found; DsrError, before any change, if the request itself is impossible.

    place: one of PLACES. sources: addresses of the nodes, None for no guard.
    """
    with _looked_at(runner, paths, pods, purge, place, sources) as run:
        needed = _needed_modules(run)
        if not check:
            kernel_modules.load(runner, needed)
            run.gue_known = run.gue_known or GUE_MODULE in needed
            for site in run.sites:
                _apply(run, site)
    return _outcome(run, pods, needed)


def obstacles(
    runner: Runner, paths: Paths, pods: Sequence[Pod], *, sources: frozenset[str] | None = None
) -> list[DsrError]:
    """What reconcile() would find wrong with these pods before it writes, but for kernel modules. Changes nothing."""
    try:
        with _looked_at(runner, paths, pods, False, "tunnel", sources) as run:
            return _outcome(run, pods, ()).errors(missing_is_error=True)
    except DsrError as error:
        return [error]


@contextmanager
def _looked_at(
    runner: Runner, paths: Paths, pods: Sequence[Pod], purge: bool, place: str, sources: frozenset[str] | None
) -> Iterator[_Run]:
    """A run that has read everything and knows its targets; its namespaces are held open."""
    runner.require("ip", "nsenter", "sysctl")
    if sources is not None and pods:
        versions = {pod.version for pod in pods}
        runner.require(*(name for family in FAMILIES if family.version in versions for name in commands(family)))
    gue = any(GUE in pod.tunnels for pod in pods)
    run = _Run(runner, paths, purge, gue and not kernel_modules.not_loaded(runner, [GUE_MODULE]), Wish(place))
    candidates = _locate(run, pods)
    _refuse_host_network(runner, run.missing)
    if sources is not None:
        here = [pod.address for site in candidates for pod in site.pods.values()]
        run.wish = Wish(place, admitted(runner, here, sources))
    with ExitStack() as stack:
        for site in candidates:
            site.entry = stack.enter_context(held_open(site.namespace)) or ""
            _read(run, site)
        yield run


def _outcome(run: _Run, pods: Iterable[Pod], needed: Sequence[str]) -> Outcome:
    """needed: kernel modules that were loaded, or would be."""
    return Outcome(
        changed=bool(needed) or any(site.steps for site in run.sites),
        before=_text(line for site in run.sites for line in site.lines(site.before)),
        after=_text(
            [*(f"modprobe {name}" for name in needed), *(line for site in run.sites for line in site.lines(site.after))]
        ),
        missing=tuple(run.missing),
        leaving=tuple(pod.address for pod in pods if pod.draining and pod.address in run.missing),
        problems=tuple(run.problems),
        stale=run.stale,
    )


def _locate(run: _Run, pods: Sequence[Pod]) -> list[_Site]:
    """Sites of all pods, then those to clean. Notes pods that are in no namespace or in more than one."""
    namespaces = scan(run.runner, run.paths)
    by_address: dict[str, list[Namespace]] = {}
    for namespace in namespaces:
        for address in namespace.contents.addresses:
            by_address.setdefault(address, []).append(namespace)
    sites: dict[int, _Site] = {}
    unclear: set[int] = set()
    for pod in pods:
        found = by_address.get(pod.address, [])
        if not found:
            run.missing.append(pod.address)
        elif len(found) > 1:
            run.problems.append(_ambiguous(pod, found))
            unclear.update(namespace.inode for namespace in found)
        else:
            _settle(run, sites.setdefault(found[0].inode, _Site(found[0], {})), pod)
    left_over = [each for each in namespaces if each.has_devices and each.inode not in {*unclear, *sites}]
    if run.purge:
        sites.update((namespace.inode, _Site(namespace, {})) for namespace in left_over)
    run.stale = bool(left_over) and not run.purge
    return list(sites.values())


def _settle(run: _Run, site: _Site, pod: Pod) -> None:
    other = site.pods.setdefault(pod.version, pod)
    if other is not pod:
        run.problems.append(
            DsrError(
                f"pod {pod.address}",
                f"is in the same network namespace as pod {other.address}",
                "Name each pod by one address per family",
            )
        )


def _ambiguous(pod: Pod, namespaces: Iterable[Namespace]) -> DsrError:
    where = ", ".join(namespace.paths[0] for namespace in namespaces)
    return DsrError(
        f"pod {pod.address}",
        f"its address is in more than one network namespace ({where})",
        "Take it off the one that is not the pod's and run again",
    )


def _refuse_host_network(runner: Runner, missing: Iterable[str]) -> None:
    if not missing:
        return
    own = parse_state(runner.read(["ip", "-json", "-details", "addr", "show"]), "").addresses
    for address in missing:
        if address in own:
            raise DsrError(
                f"pod {address}",
                "its address is the node's own, so it runs with hostNetwork and no tunnel can end in it",
                "Run the backend without hostNetwork or take it out of the backends",
            )


def _read(run: _Run, site: _Site) -> None:
    """Read the site and decide what it shall be; it joins the run only if it can be served."""
    if not site.entry:
        run.missing += site.lost(State())
        return
    try:
        site.before = _state(run, site)
        lost = site.lost(site.before)
        run.missing += lost
        if lost:
            return
        for pod in site.pods.values():
            _refuse_unreachable(run, pod)
        site.target = wanted(site.before, site.pods, run.wish, purge=run.purge)
        run.stale = run.stale or site.target != wanted(site.before, site.pods, run.wish, purge=True)
    except DsrError as error:
        run.problems.append(_at(site, error))
        return
    site.after = site.target
    site.steps = diff.steps(site.before, site.target)
    run.sites.append(site)


def _state(run: _Run, site: _Site) -> State:
    """What the site holds, as far as this run is about it."""
    ports = run.gue_known and any(GUE in pod.tunnels for pod in site.pods.values())
    guards = tuple(site.pods) if run.wish.sources is not None else ()
    return read_state(run.runner, site.entry, ports=ports, guards=guards)


def _refuse_unreachable(run: _Run, pod: Pod) -> None:
    if run.wish.sources is not None and pod.address not in run.wish.sources:
        raise DsrError(
            f"pod {pod.address}",
            "this node has no route to it, so its guard cannot know from which address this node sends to it",
            f"Mend the route (ip route get {pod.address}), or leave sources out for no guard",
        )


def _needed_modules(run: _Run) -> tuple[str, ...]:
    needed = {name for site in run.sites for name in diff.needed_modules(site.before, site.target)}
    known = [*(receiver.module for _family, receiver in RECEIVERS.values()), GUE_MODULE]
    return kernel_modules.to_load(run.runner, [name for name in known if name in needed])


def _apply(run: _Run, site: _Site) -> None:
    """Take the site to its target and see that the kernel took it. Trouble stays with this site."""
    if not site.steps:
        return
    failure = None
    site.after = site.before
    try:
        try:
            for step in site.steps:
                perform(run.runner, site.entry, step)
        finally:
            site.after = _state(run, site)
    except DsrError as error:
        failure = error
    lost = site.lost(site.after)
    run.missing += lost
    if failure is None and not site.after.same(site.target):
        failure = _not_taken(site)
    if failure is not None and not lost:
        run.problems.append(_at(site, failure))


def _not_taken(site: _Site) -> DsrError:
    unmarked = [vip for vip in site.target.vips if site.after.addresses.get(vip.plain) == vip.device]
    if unmarked:
        return DsrError(
            "kernel",
            f"does not keep the metric by which VIP {unmarked[0].plain} on {unmarked[0].device} is known as ours",
            f"Take it off (ip addr del {unmarked[0].address} dev {unmarked[0].device}) and use vip_device tunnel, or"
            " Linux 4.18 and iproute2 4.18 or later",
        )
    got, asked = lines(site.after), lines(site.target)
    differing = [line for line in asked if line not in got] + [f"not: {line}" for line in got if line not in asked]
    return DsrError(
        "kernel",
        f"did not take what was written: {'; '.join(differing)}",
        "See whether another program manages this pod's devices (ip monitor) and run again",
    )


def _at(site: _Site, error: DsrError) -> DsrError:
    whose = ", ".join(f"pod {pod.address}" for pod in site.pods.values())
    whose = whose or f"namespace {site.namespace.paths[0]}"
    return error if error.item.startswith("pod ") else DsrError(f"{whose}: {error.item}", error.reason, error.cure)


def missing_pod(address: str) -> DsrError:
    """What to say of a pod that cannot be found."""
    return DsrError(f"pod {address}", "its address is in no network namespace of this machine", _CURE_MISSING)


def _combined(errors: Sequence[DsrError]) -> DsrError | None:
    if len(errors) < 2:
        return errors[0] if errors else None
    cures = dict.fromkeys(error.cure for error in errors)
    said = "; ".join(f"{error.item}: {error.reason}" for error in errors)
    return DsrError(f"{len(errors)} pods or namespaces", said, ". ".join(cures))


def _text(text_lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in text_lines)
