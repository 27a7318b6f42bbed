# SPDX-License-Identifier: Apache-2.0
"""Identities of every type, in both roles."""
import pytest

from lab.traffic import assert_ping

# culvert's type: (culvert's local value, peer's value, and the two as strongSwan writes them)
IDS = {
    "ipaddr": ("198.51.100.20", "203.0.113.10", "198.51.100.20", "203.0.113.10"),
    "fqdn": ("hq.example", "branch.example", "fqdn:hq.example", "fqdn:branch.example"),
    "ufqdn": ("vpn@hq.example", "vpn@branch.example", "email:vpn@hq.example", "email:vpn@branch.example"),
    "keyid": ("hq-key", "0x6272616e6368", "keyid:hq-key", "keyid:branch"),
}


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
@pytest.mark.parametrize("kind", IDS)
def test_identity(pair, kind, initiator):
    mine, theirs, mine_sw, theirs_sw = IDS[kind]
    p = pair().start(gateway={"local-id": {"type": kind, "value": mine}, "peer-id": {"type": kind, "value": theirs}},
                     strongswan={"local_id": theirs_sw, "remote_id": mine_sw})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_different_types_at_the_two_ends(pair, initiator):
    p = pair().start(gateway={"local-id": {"type": "ufqdn", "value": "vpn@hq.example"},
                              "peer-id": {"type": "fqdn", "value": "branch.example"}},
                     strongswan={"local_id": "fqdn:branch.example", "remote_id": "email:vpn@hq.example"})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
