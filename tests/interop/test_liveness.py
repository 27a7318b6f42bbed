# SPDX-License-Identifier: Apache-2.0
"""Peers that die in every way there is: frozen, killed, their link cut, or restarted without a word.  Each end finds
out in the time its configuration says, lets its SAs go, and the tunnel comes back by itself."""
import re
import time

import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping, ping_until

pytestmark = pytest.mark.trixie
ROLES = ["culvert", "strongswan"]
INTERVAL, RETRY = 2, 3
DPD = {"dpd": {"interval": INTERVAL, "retry": RETRY}}
# The figure: interval x retry, and one interval until the first question; the rest is for a busy machine.
DECLARED = INTERVAL * (RETRY + 1) + 10


def both_ways(p):
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def declared_dead(p):
    """culvert lets the SAs go, and says why."""
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: not p.c.ike_sas(), DECLARED, 0.2)
    assert p.c.children() == []
    assert re.search(r"silent|dead|no answer", p.c.log()), "the log says why"


def back(p, timeout=40):
    """Both ends have working SAs again, and only those that work."""
    ping_until(p.t.hq.host, p.t.branch.host_ip, timeout=timeout)
    both_ways(p)
    wait_for(lambda: f"one IKE SA here:\n{p.c.cli('show vpn ike-sa')}", lambda: len(p.c.ike_sas()) == 1, 20, 0.2)


@pytest.mark.core
@pytest.mark.parametrize("initiator", ROLES)
def test_peer_frozen(pair, initiator):
    p = pair().start(gateway=DPD)
    p.up(initiator)
    both_ways(p)
    p.s.freeze()
    declared_dead(p)
    p.s.thaw()
    back(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_peer_killed(pair, initiator):
    """Port unreachable may come back from its kernel; it is nobody's word (RFC 7296 2.4), liveness decides."""
    p = pair().start(gateway=DPD)
    p.up(initiator)
    both_ways(p)
    p.s.kill()
    declared_dead(p)
    p.s.start()
    p.s.configure()
    back(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_link_cut(pair, initiator):
    """Both ends notice, both let go, and it comes back once the link does."""
    p = pair().start(gateway=DPD, strongswan={"conn": {"dpd_delay": "1s"}, "child": {"dpd_action": "clear"}})
    p.up(initiator)
    both_ways(p)
    with p.t.wan_cut():
        declared_dead(p)
        wait_for(lambda: p.s.sas(), lambda: p.s.counts() == (0, 0), 30, 0.2)
    back(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_culvert_frozen_and_killed(pair, initiator):
    """strongSwan declares us dead (clear), we come back: from a freeze with SAs that it has no more, from a kill with
    none at all."""
    p = pair().start(gateway=DPD, strongswan={"conn": {"dpd_delay": "1s"}, "child": {"dpd_action": "clear"}})
    for harm, cure in ((p.c.freeze, p.c.thaw), (p.c.kill, p.c.start)):
        p.up(initiator)
        both_ways(p)
        since = len(p.s.log())
        harm()
        p.s.wait_log("giving up after", 30, since)
        cure()
        back(p)
        p.c.cli("clear vpn ike-sa gateway peer")
        p.wait_down()


@pytest.mark.core
@pytest.mark.parametrize("initiator", ROLES)
def test_peer_restarts_and_calls(pair, initiator):
    """kill -9 and start again: INITIAL_CONTACT removes what was left of the old life, long before any expiry."""
    p = pair().start(gateway={"dpd": {"interval": 60, "retry": 3}})
    p.up(initiator)
    both_ways(p)
    (old,) = p.c.ike_sas()
    p.s.kill()
    p.s.start()
    p.s.configure()
    p.s.initiate()
    wait_for(lambda: p.c.cli("show vpn ike-sa"),
             lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"])
    p.wait_up()
    both_ways(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_we_restart_and_call(pair, initiator):
    """The same the other way: strongSwan drops its old SA on our INITIAL_CONTACT."""
    p = pair().start()
    p.up(initiator)
    both_ways(p)
    p.c.kill()
    p.c.start()
    ping_until(p.t.hq.host, p.t.branch.host_ip)
    p.s.wait_log("received INITIAL_CONTACT")
    wait_for(lambda: p.s.sas(), lambda: p.s.counts() == (1, 1), 10, 0.2)
    both_ways(p)


def test_we_restart_and_the_peer_speaks(pair):
    """kill -9 of culvertd, and strongSwan sends on, to an SA that is no more: that is what brings the tunnel back, not
    an expiry nor a liveness check, of which there are none for an hour."""
    p = pair().start(strongswan={"conn": {"dpd_delay": "0s"}})
    p.up()
    both_ways(p)
    p.c.kill()
    p.c.start()
    assert p.c.ike_sas() == []
    ping_until(p.t.branch.host, p.t.hq.host_ip, timeout=8)
    p.s.wait_log("received INITIAL_CONTACT")
    wait_for(lambda: p.s.sas(), lambda: p.s.counts() == (1, 1), 10, 0.2)
    both_ways(p)


@pytest.mark.core
def test_peer_asks_while_we_idle(pair):
    """Neither traffic nor anything else: strongSwan asks every second, is answered, and nothing is replaced."""
    p = pair().start(strongswan={"conn": {"dpd_delay": "1s"}}, gateway={"dpd": {"enable": False}})
    p.up()
    (before,), since = p.c.ike_sas(), len(p.s.log())
    wait_for(lambda: p.s.log()[since:],
             lambda: len(re.findall(r"parsed INFORMATIONAL response \d+ \[ \]", p.s.log()[since:])) >= 5, 30, 0.2)
    assert p.c.ike_sas()[0]["spi-i"] == before["spi-i"] and p.s.counts() == (1, 1)
    assert not p.s.log_has("retransmit|giving up", since)


def test_traffic_is_proof_of_life(pair):
    """While packets come in that verify, culvert asks nothing (RFC 7296 2.4); in silence it does."""
    p = pair().start(gateway=DPD)
    p.up()
    both_ways(p)
    since = len(p.s.log())
    end = time.monotonic() + 3 * INTERVAL
    while time.monotonic() < end:
        assert_ping(p.t.branch.host, p.t.hq.host_ip, count=3)
    assert not p.s.log_has(r"parsed INFORMATIONAL request", since)
    p.s.wait_log(r"parsed INFORMATIONAL request", 10 * INTERVAL, since)
