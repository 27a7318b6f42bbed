# SPDX-License-Identifier: Apache-2.0
"""The end of SAs: delete from either side, shutdown."""
import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping, ping_until

pytestmark = [pytest.mark.core, pytest.mark.trixie]


def test_clear_ike_sa_deletes_at_the_peer(pair):
    p = pair().start()
    p.up()
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()
    assert p.s.log_has(r"received DELETE for IKE_SA")
    p.up("strongswan")
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_clear_ipsec_sa_deletes_only_the_child(pair):
    p = pair().start()
    p.up()
    p.c.cli("clear vpn ipsec-sa tunnel tun")
    wait_for(lambda: p.s.sas(), lambda: p.s.counts() == (1, 0))
    assert p.s.log_has(r"received DELETE for ESP CHILD_SA")
    assert p.c.children() == [] and len(p.c.ike_sas()) == 1
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_peer_deletes_ike_sa(pair):
    p = pair().start()
    p.up()
    p.s.terminate("--ike", "peer")
    p.wait_down()
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_peer_deletes_child(pair):
    p = pair().start()
    p.up()
    p.s.terminate("--child", "net")
    wait_for("no child here", lambda: p.c.children() == [])
    assert len(p.c.ike_sas()) == 1
    ping_until(p.t.hq.host, p.t.branch.host_ip)  # traffic asks for a new one
    p.wait_up()
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_shutdown_tells_the_peer(pair):
    p = pair().start()
    p.up()
    assert p.c.stop() == 0
    p.s.wait_log(r"received DELETE for IKE_SA")
    assert p.s.counts() == (0, 0)
    p.c.start()
    p.up("strongswan")
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_shutdown_does_not_wait_for_a_dead_peer(pair):
    p = pair().start()
    p.up()
    p.s.freeze()
    assert p.c.stop(grace=10) == 0


def test_both_start_at_once(pair):
    """Simultaneous initiation leaves working traffic, whatever SAs are left (RFC 7296 2.8)."""
    p = pair().start()
    p.c.cli("test vpn ipsec-sa tunnel tun")
    p.s.initiate(check=False)
    wait_for("a child at both ends", lambda: p.c.children() and p.s.counts()[1])
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
