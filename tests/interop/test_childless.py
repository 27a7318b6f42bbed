# SPDX-License-Identifier: Apache-2.0
"""Childless IKE SAs (RFC 6023) with strongSwan: the first Child SA comes by CREATE_CHILD_SA, with its own key exchange."""
import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping

pytestmark = pytest.mark.trixie


def test_strongswan_starts_without_a_child(pair):
    p = pair().start(strongswan={"conn": {"childless": "force"}})
    p.s.swanctl("--initiate", "--ike", "peer")
    wait_for("an IKE SA at both ends", lambda: len(p.c.ike_sas()) == 1 and p.s.counts()[0] == 1)
    assert p.s.log_has(r"N\(CHDLESS_SUP\)")
    assert p.c.children() == [] and p.s.counts() == (1, 0)
    p.s.initiate()
    p.wait_up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert len(p.c.ike_sas()) == 1


def test_culvert_asks_for_the_child_then(pair):
    p = pair().start(strongswan={"conn": {"childless": "force"}})
    p.s.swanctl("--initiate", "--ike", "peer")
    wait_for("an IKE SA", lambda: len(p.c.ike_sas()) == 1)
    p.c.cli("test vpn ipsec-sa tunnel tun")
    p.wait_up()
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    assert len(p.c.ike_sas()) == 1
