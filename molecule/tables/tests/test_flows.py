# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long TCP connections while the tables under them change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hands import NODES, Cluster, planned, services

WEB = ("203.0.113.1", "2001:db8:f::1")
DNS = ("203.0.113.2", "2001:db8:f::2")
COUNT = 8
SCHEDULERS = [("rr", "wlc", "sh", "wrr")]
"""One for each service, in one go; `make test-full` tries what else Linux has."""
PERSISTENT = [("web6", WEB[1])]
"""With IPv4 too under `make test-full`."""
if os.environ.get("DSR_TEST_FULL"):
    SCHEDULERS += [("dh", "fo", "lblc", "lblcr"), ("lc", "nq", "ovf", "sed"), ("twos", "rr", "wlc", "sh")]
    PERSISTENT += [("web", WEB[0])]


@pytest.fixture
def watched(flows) -> Callable[..., Any]:
    """Connections to VIPs, kept some seconds longer than what is done to them."""

    @contextmanager
    def watch(*vips: str) -> Iterator[dict[str, Any]]:
        with flows(COUNT, *vips) as result:
            yield result
            time.sleep(4)
        assert result["rounds"] >= 3, result
        assert result["alive"] + len(result["broken"]) == COUNT * len(vips)

    return watch


def leaving(*addresses: str) -> Any:
    return services(without=lambda backend: backend["address"] in addresses)


def orders(cluster: Cluster) -> list[str]:
    """Marks and destinations of each node, as they stand in the kernel."""
    shown = cluster.run("ipvsadm -Ln --nosort | awk '/FWM/ {print $2, $3} /Tunnel/ {print $2}'")
    return [listing for (listing,) in shown.values()]


def test_backend_of_another_service_leaves_and_returns(tables, watched) -> None:
    with watched(*WEB) as result:
        tables.bring(leaving("10.244.3.3", "2001:db8:244:3::3"))
        tables.bring()
    assert result["broken"] == [], result


def test_backend_of_the_same_service_leaves(tables, watched) -> None:
    with watched(*WEB) as result:
        tables.bring(leaving("10.244.3.2", "2001:db8:244:3::2"))
    assert {flow["pod"] for flow in result["flows"]} >= {"web-1", "web-2"}, result
    assert [text for text in result["broken"] if "at web-3:" not in text] == [], result


def test_wrong_order_is_mended(tables, watched) -> None:
    """By hand, the destination at the end of every service's list comes to its head; connections open in that order."""
    right = orders(tables)
    swap = (
        'ipvsadm -Sn | awk \'/^-a/ {last[$3 ($4 == "-6")] = $0}'
        ' END {for (each in last) {line = last[each]; sub("^-a", "-d", line); sub(" -i .*", "", line);'
        " print line; print last[each]}}' | ipvsadm -R"
    )
    tables.run(swap)
    wrong = orders(tables)
    assert [sorted(each.split()) for each in wrong] == [sorted(each.split()) for each in right]
    assert all(one != other for one, other in zip(wrong, right)), wrong
    with watched(*WEB, *DNS) as result:
        done = tables.bring()
        assert all(any(each["changed"] for each in results) for results in done.values()), done
        assert orders(tables) == right
    assert result["broken"] == [], result


def test_service_is_added_beside_and_removed(tables, watched, answer, through) -> None:
    vips = ("203.0.113.9", "2001:db8:f::9")
    more = [
        {**service, "name": f"{service['name']}-beside", "vip": vips[":" in service["vip"]]}
        for service in services()
        if service["vip"] in WEB
    ]
    with watched(*WEB, *DNS) as result:
        tables.bring([*services(), *more])
        for vip in vips:
            with through(vip, "n2"):
                assert answer(vip)["pod"].startswith("web-")
        tables.bring()
    assert result["broken"] == [], result


def test_run_that_changes_nothing(tables, watched) -> None:
    with watched(*WEB, *DNS) as result:
        done = tables.bring()
    assert not any(each["changed"] for results in done.values() for each in results), done
    assert result["broken"] == [], result


@pytest.fixture
def dropping_invalid(cluster) -> Iterator[None]:
    """What kube-proxy does: it is why VIPs must not be tracked."""
    rule = "FORWARD -m conntrack --ctstate INVALID -j DROP"
    cluster.run(*(f"{command} -A {rule}" for command in ("iptables", "ip6tables")))
    yield
    cluster.run(*(f"{command} -D {rule}" for command in ("iptables", "ip6tables")))


def test_notrack_rules_are_reloaded(tables, watched, dropping_invalid) -> None:
    with watched(*WEB, *DNS) as result:
        tables.run("iptables -t raw -F DSR-RAW", "ip6tables -t raw -F DSR-RAW")
        done = tables.bring()
        assert [node for node in NODES if any(each["changed"] for each in done[node])] == list(NODES), done
        (rules,) = tables["n1"].run("iptables-save -t raw; ip6tables-save -t raw")
        assert rules.count("--notrack") == 4
    assert result["broken"] == [], result


@pytest.mark.parametrize("schedulers", SCHEDULERS, ids=" ".join)
def test_another_scheduler_than_mh(tables, answer, through, schedulers: tuple[str, ...]) -> None:
    names = dict(zip(("web", "web6", "dns", "dns6"), schedulers))
    wanted = services(**{name: {"scheduler": scheduler} for name, scheduler in names.items()})
    tables.bring(wanted)
    right = {service["mark"]: service["scheduler"] for service in planned("n1", wanted)["ipvs"]}
    for node, (listing,) in tables.run("ipvsadm -Ln | awk '/^FWM/ {print $2, $3 == \"IPv6\" ? $4 : $3}'").items():
        assert {int(mark): scheduler for mark, scheduler in map(str.split, listing.splitlines())} == right, node
    for vip, scheduler in zip((*WEB, *DNS), schedulers):
        with through(vip, "n2"):
            pods = {answer(vip)["pod"] for _time in range(3)}
        assert len(pods) == 3 or scheduler not in ("rr", "wrr"), pods
    done = tables.bring(wanted)
    assert not any(each["changed"] for results in done.values() for each in results), done


def persistent(name: str, ending: str = "") -> Any:
    """All services, this one with persistence, its pod on the node `ending` terminating."""
    backends = next(service["backends"] for service in services() if service["name"] == name)
    held = [{**backend, "terminating": backend["node"] == ending} for backend in backends]
    return services(**{name: {"affinity": "persistent", "affinity_timeout": 600, "backends": held}})


@pytest.mark.parametrize(("name", "vip"), PERSISTENT)
def test_persistence_ends_at_a_pod_that_drains(tables, watched, answer, through, name: str, vip: str) -> None:
    with through(vip, "n2"):
        tables.bring(persistent(name))
        first = answer(vip)
        with watched(vip) as result:
            assert {flow["pod"] for flow in result["flows"]} == {first["pod"]}, result
            tables.bring(persistent(name, first["node"]))
            tables.run("sysctl -qw net.ipv4.vs.expire_quiescent_template=0")
            assert answer(vip)["pod"] == first["pod"]  # what the kernel does by default
            done = tables.bring(persistent(name, first["node"]))
            (drain,) = done["n2"][1]["draining"]
            assert drain["connections"] >= COUNT, drain
            later = {answer(vip)["pod"] for _number in range(5)}
            assert len(later) == 1 and first["pod"] not in later, (first, later)
    assert result["broken"] == [], result
