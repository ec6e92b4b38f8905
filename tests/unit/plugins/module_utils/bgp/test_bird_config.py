# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIRD's configuration file: who has a password and TTL security, and never what the password is."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.dsr.plugins.module_utils.bgp.bird_config import Security, parse_security
from hypothesis import given
from hypothesis import strategies as st

CONFIG = """
log stderr all; # password "in a comment";
router id 192.0.2.11;
/* protocol bgp gone { password "x"; } */
include "/run/vips.conf";
protocol device { }
filter out { if net.len = 32 then { accept; } reject; }
template bgp base { local as 64513; ttl security on; }
template bgp secret from base { password "a; } b"; }
protocol bgp plain { neighbor 192.0.2.1 as 64512; ipv4 { export filter { password; accept; }; }; }
protocol bgp guarded from base { neighbor 192.0.2.2 as 64512; }
protocol bgp both from secret { ipv4 { import none; export filter out; }; }
protocol bgp 'quoted-name' from secret { ttl security off; }
protocol bgp keyed { authentication ao; keys { key { id 1; }; }; }
protocol bgp { password "nameless"; }
"""


def test_recipe() -> None:
    assert parse_security(CONFIG) == {
        "plain": Security(False, False),
        "guarded": Security(False, True),
        "both": Security(True, True),
        "quoted-name": Security(True, False),
        "keyed": Security(True, False),
        "": Security(True, False),
    }


@pytest.mark.parametrize(
    ("body", "security"),
    [
        ("", Security()),
        ('password "x";', Security(password=True)),
        ('password "x" { id 1; };', Security(password=True)),
        ('passwords { key { secret "x"; }; };', Security(password=True)),
        ('authentication md5; password "x";', Security(password=True)),
        ('password "x"; authentication none;', Security()),
        ("ttl security;", Security(ttl_security=True)),
        ("ttl security yes;", Security(ttl_security=True)),
        ("ttl security no;", Security()),
        ('description "password"; ipv4 { import where bgp_path.len < 9; };', Security()),
    ],
)
def test_statements(body: str, security: Security) -> None:
    assert parse_security(f"protocol bgp one {{ {body} }}") == {"one": security}


@given(st.text(alphabet=st.sampled_from("""pb {};"'#/*\n\\""")), st.text(min_size=1))
def test_any_text_is_survived_and_no_secret_is_kept(noise: str, secret: str) -> None:
    secret = "s3cret" + secret.replace('"', "")
    assert secret not in repr(parse_security(f'{noise} protocol bgp one {{ password "{secret}"; }} {noise}'))
