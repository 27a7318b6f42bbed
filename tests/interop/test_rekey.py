# SPDX-License-Identifier: Apache-2.0
"""Rekeying of Child and IKE SAs under traffic, started by either side: not one packet is lost (RFC 7296 2.8)."""
import time

import pytest

from lab.proc import wait_for
from lab.traffic import Flood, assert_ping

pytestmark = [pytest.mark.core, pytest.mark.trixie]


@pytest.mark.parametrize("pfs", ["no-pfs", "group14"])
def test_peer_rekeys_child(pair, tmp_path, pfs):
    p = pair().start(esp={"dh-group": pfs}, strongswan={"esp": "aes256gcm16" + ("-modp2048" if pfs != "no-pfs" else "")})
    p.up()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping") as flood:
        for _ in range(20):
            (old,) = p.c.children()
            p.s.swanctl("--rekey", "--child", "net")
            wait_for(lambda: f"one new child:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                     lambda: [c["i_spi"] for c in p.c.children()] not in ([], [old["i_spi"]]) and
                     len(p.c.children()) == 1 and p.s.counts()[1] == 1)
            time.sleep(0.3)
    flood.assert_intact(least=50)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_peer_rekeys_ike_sa(pair, tmp_path):
    p = pair().start()
    p.up()
    with Flood(p.t.branch.host, p.t.hq.host_ip, tmp_path / "ping") as flood:
        for _ in range(20):
            (old,) = p.c.ike_sas()
            p.s.swanctl("--rekey", "--ike", "peer")
            wait_for(lambda: f"one new IKE SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                     lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"] and
                     p.s.counts() == (1, 1))
            time.sleep(0.3)
    flood.assert_intact(least=50)
    # The new IKE SA has inherited the child and can end it.
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()


def test_lifesize_used_up(pair, tmp_path):
    """culvert rekeys a child before its bytes are used up, again and again, and the tunnel does not notice.  (Life
    times end in the unit tests, in virtual time: three minutes are the least that the configuration takes.)"""
    p = pair().start(esp={"lifesize": "256kb"})
    p.up()
    (first,) = p.c.children()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", size=1300) as flood:
        wait_for(lambda: p.c.cli("show vpn ike-sa"),
                 lambda: p.s.log().count("parsed CREATE_CHILD_SA request") >= 3, 40, 0.5)
    flood.assert_intact(least=300)
    p.wait_up()
    assert p.c.children()[0]["i_spi"] != first["i_spi"]
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_culvert_rekeys_ike_sa(pair, tmp_path):
    """The IKE SA's life time, three minutes at the least that the configuration takes, so one rekey is all there is
    time for; many more end in the unit tests, in virtual time."""
    p = pair().start(ike={"lifetime": "180s"})
    p.up()
    (old,) = p.c.ike_sas()
    with Flood(p.t.branch.host, p.t.hq.host_ip, tmp_path / "ping", interval=0.05) as flood:
        wait_for(lambda: f"one new IKE SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                 lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"] and
                 p.s.counts() == (1, 1), 175, 1)
    flood.assert_intact(least=1000)
    assert p.s.log_has("IKE_SA peer.* rekeyed")
