# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of our chains that deal with packets to and from VIPs: untracked, clamped, marked, answered. Pure.

Spelled as iptables-save prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ansible_collections.baremetal.dsr.plugins.module_utils._addresses import Address
from ansible_collections.baremetal.dsr.plugins.module_utils.steering import iptables
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.family import IPV4, Family
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.settings import FORM_IPSET, Settings
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.u32 import PROTOCOLS, quoted_reply
from ansible_collections.baremetal.dsr.plugins.module_utils.steering.wanted import Entry

OURS: Final = f'-m comment --comment "{iptables.COMMENT}"'
ALL_BITS: Final = 0xFFFFFFFF

_IPV4_TCP_HEADERS: Final = 40


@dataclass(frozen=True)
class Served:
    """What is served in one family. portless: mark by VIP for packets that show no port. mss: None for no clamp."""

    family: Family
    settings: Settings
    entries: tuple[Entry, ...]
    portless: Mapping[Address, int]
    mss: int | None
    ping: bool

    @property
    def largest_datagram(self) -> int | None:
        """Bytes of the largest IPv4 packet that fits into a tunnel, by the MSS; None where nothing has to be done.

        IPVS would answer a larger one from the VIP, and Linux sends no IPv4 packet from an address that is on none of
        its interfaces (__ip_dev_find in ip_route_output_key). So the sender would never learn. IPv6 has no such check.
        """
        if self.family is not IPV4 or self.mss is None or not self.settings.mtu_table:
            return None
        return self.mss + _IPV4_TCP_HEADERS

    @cached_property
    def sharing(self) -> list[Entry]:
        """Entries of the VIPs that several services share."""
        return [entry for entry in self.entries if self.portless[entry.vip] == self.settings.shared_mark]


def untrack_rules(served: Served) -> tuple[str, ...]:
    """NOTRACK both ways. An IPv4 echo request that is to be answered is tracked, as REDIRECT works on nothing else."""
    family = served.family
    echo = [f"{_echo(family)} -m set --match-set {family.vip_set} dst {OURS} -j RETURN"]
    return (
        *(echo if served.ping and family is IPV4 else []),
        *(f"-m set --match-set {family.vip_set} {end} {OURS} -j CT --notrack" for end in ("dst", "src")),
    )


def mark_rules(served: Served) -> tuple[str, ...]:
    family, settings = served.family, served.settings
    by_vip = f"-j SET --map-set {family.vip_set} dst --map-mark"
    return (
        *_clamp(served),
        f"-m set ! --match-set {family.vip_set} dst {OURS} -j RETURN",
        f"{OURS} -j {_set_mark(settings.refuse_mark)}",
        *(_set_rules(family) if settings.form == FORM_IPSET else _entry_rules(served)),
        *(f"{family.icmp_match} {number} {OURS} {by_vip}" for number in family.error_types),
        *_to_error_chain(served),
        *_too_big(served),
        *(f"{match} {OURS} {by_vip}" for match in _other_portless(served)),
    )


def error_rules(served: Served) -> tuple[str, ...]:
    """The service of an ICMP error to a VIP of several: by the source port of the packet it quotes, which a pod sent.

    With sets, a rule for each port of these VIPs writes the port's code into the mark, and a set of VIP and code knows
    the service, so that the same port on many VIPs costs one rule. An error about no service keeps the shared mark.
    """
    family, settings = served.family, served.settings
    if settings.form != FORM_IPSET:
        return tuple(
            f"-d {entry.vip.text}/{family.bits} {quoted_reply(family, entry.protocol, entry.port)} {OURS}"
            f" -j {_set_mark(entry.mark)}"
            for entry in served.sharing
        )
    ports = sorted({(entry.protocol, entry.port) for entry in served.sharing})
    return (
        *(
            f"{quoted_reply(family, protocol, port)} {OURS}"
            f" -j {_set_mark(settings.error_code(PROTOCOLS[protocol], port))}"
            for protocol, port in ports
        ),
        f"-m set ! --match-set {family.error_set} dst,dst {OURS} -j {_set_mark(settings.shared_mark)}",
        f"{OURS} -j SET --map-set {family.error_set} dst,dst --map-mark",
    )


def ping_rules(served: Served) -> tuple[str, ...]:
    """An address of this node takes the echo request, and NAT writes the VIP into the reply. A VIP that nobody serves
    has given it the refuse mark. (IPv6 needs none of this: Linux answers from the address it was asked for.)"""
    family = served.family
    match = f"{_echo(family)} -m set --match-set {family.vip_set} dst"
    return (f"{match} -m mark ! --mark {served.settings.refuse_mark:#x} {OURS} -j REDIRECT",)


def _clamp(served: Served) -> list[str]:
    """The pods' SYN-ACKs, on the node where they start. The kernel never raises an MSS (net/netfilter/xt_TCPMSS.c)."""
    if served.mss is None:
        return []
    syn = "-p tcp -m tcp --tcp-flags SYN,RST SYN"
    return [f"{syn} -m set --match-set {served.family.vip_set} src {OURS} -j TCPMSS --set-mss {served.mss}"]


def _too_big(served: Served) -> list[str]:
    """Of TCP the clamp keeps segments small, and what the kernel has put together to one large packet is none."""
    size = served.largest_datagram
    if size is None:
        return []
    too_big = f'-p udp -m length --length {size + 1}:65535 -m u32 --u32 "0x4&0x4000=0x4000"'
    wanted = f"-m mark ! --mark {served.settings.refuse_mark:#x}"
    return [f"{too_big} {wanted} {OURS} -j {_set_mark(served.settings.too_big_mark)}"]


def _set_rules(family: Family) -> list[str]:
    """Who is in limit_set but not in allow_set keeps the refuse mark; allow_set first, as limit_set counts matches."""
    return [
        f"-m set ! --match-set {family.allow_set} dst,dst,src -m set --match-set {family.limit_set} dst,dst {OURS}"
        " -j RETURN",
        f"{OURS} -j SET --map-set {family.map_set} dst,dst --map-mark",
    ]


def _entry_rules(served: Served) -> Iterable[str]:
    """A MARK rule for each entry, or for each of its sources; then what still has the refuse mark is counted."""
    refused = f"-m mark --mark {served.settings.refuse_mark:#x} {OURS} -j RETURN"
    for entry in served.entries:
        match = f"-d {entry.vip.text}/{served.family.bits} -p {entry.protocol} -m {entry.protocol} --dport {entry.port}"
        mark = f"{match} {OURS} -j {_set_mark(entry.mark)}"
        yield from (f"-s {source.text} {mark}" for source in entry.sources)
        yield f"{match} {refused}" if entry.sources else mark


def _to_error_chain(served: Served) -> list[str]:
    if not served.sharing:
        return []
    match = f"-p {served.family.icmp} -m mark --mark {served.settings.shared_mark:#x}"
    return [f"{match} {OURS} -j {iptables.ERROR}"]


def _other_portless(served: Served) -> Iterable[str]:
    """Matches of more packets that go by their VIP alone.

    IPv4 fragments after the first: the first one's mark is that of the whole once it is put together, which happens on
    local delivery; these need only get there too. IPv6 fragments are put together before raw PREROUTING wherever IPVS
    serves IPv6. Echo requests: whatever mark but the refuse mark, IPVS lets them pass to this node.
    """
    if served.family is IPV4:
        yield "-f"
    if served.ping:
        yield _echo(served.family)


def _echo(family: Family) -> str:
    return f"{family.icmp_match} {family.echo_type}"


def _set_mark(mark: int) -> str:
    """IPVS compares the whole mark, so the whole mark is set."""
    return f"MARK --set-xmark {mark:#x}/{ALL_BITS:#x}"
