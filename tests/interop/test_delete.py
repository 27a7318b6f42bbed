# SPDX-License-Identifier: Apache-2.0
"""The end of SAs: delete from either side, shutdown, peers that die without a word."""
import re

import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping, ping_until

pytestmark = pytest.mark.core


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


def test_peer_restarts_without_a_word(pair):
    """INITIAL_CONTACT (RFC 7296 2.4) of the new life removes what was left of the old one."""
    p = pair().start()
    p.up("strongswan")
    (old,) = p.c.ike_sas()
    p.s.kill()
    p.s.start()
    p.s.configure()
    p.s.initiate()
    wait_for(lambda: str(p.c.ike_sas()),
             lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"])
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_dead_peer_is_noticed(pair):
    """A frozen peer answers no liveness check: SAs go, the cause says so; thawed, traffic brings the tunnel back."""
    p = pair().start(gateway={"dpd": {"interval": 2, "retry": 2}})
    p.up()
    p.s.freeze()
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: not p.c.ike_sas(), 60, 0.5)
    assert re.search(r"dead|liveness|dpd|not answer|no answer", p.c.log(), re.I)
    p.s.thaw()
    ping_until(p.t.hq.host, p.t.branch.host_ip, timeout=30)
    p.s.wait_log("ESTABLISHED|established")
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_we_answer_liveness_checks(pair):
    """strongSwan asks every second; culvert lives, the SA stays."""
    p = pair().start(strongswan={"conn": {"dpd_delay": "1s"}})
    p.up()
    (before,) = p.c.ike_sas()
    p.s.wait_log(r"(?s)sending DPD request.*parsed INFORMATIONAL response \d+ \[ \].*sending DPD request", 20)
    assert p.c.ike_sas()[0]["spi-i"] == before["spi-i"]
    assert not p.s.log_has("giving up")


def test_peer_notices_our_death(pair):
    """culvertd frozen: strongSwan's liveness check finds out; thawed, culvert takes the new negotiation."""
    p = pair().start(strongswan={"conn": {"dpd_delay": "1s"}, "child": {"dpd_action": "clear"}})
    p.up()
    p.c.freeze()
    p.s.wait_log("giving up after", 30)
    p.c.thaw()
    p.up("strongswan")
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_both_start_at_once(pair):
    """Simultaneous initiation leaves working traffic, whatever SAs are left (RFC 7296 2.8)."""
    p = pair().start()
    p.c.cli("test vpn ipsec-sa tunnel tun")
    p.s.initiate(check=False)
    wait_for("a child at both ends", lambda: p.c.children() and p.s.counts()[1])
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
