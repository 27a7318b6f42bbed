# SPDX-License-Identifier: Apache-2.0
"""Many rekeys of both kinds under traffic, started by both ends as it comes (RFC 7296 2.8, 2.25).

CULVERT_REKEYS=N: how many of the peer's; half are of the IKE SA.
"""
import os

import pytest

from lab.proc import wait_for
from lab.traffic import Flood, assert_ping

REKEYS = int(os.environ.get("CULVERT_REKEYS", "40"))


@pytest.mark.core
@pytest.mark.parametrize("initiator, pfs, peer_pfs", [("culvert", "group19", "-ecp256"), ("peer", "no-pfs", "")])
def test_many_rekeys(pair, tmp_path, initiator, pfs, peer_pfs):
    """The peer rekeys the IKE SA and the Child SA in turn, while culvert rekeys the Child SA whenever
    its bytes are used up: their exchanges meet as they will.  Not one packet is lost or there twice."""
    p = pair().start(esp={"lifesize": "512kb", "dh-group": pfs},
                     strongswan={"esp": "aes256gcm16" + peer_pfs})
    p.up(initiator)
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", size=1200, interval=0.005) as flood:
        for i in range(REKEYS):
            (old,) = p.c.ike_sas()
            done = p.s.log().count("closing CHILD_SA")
            if i % 2:
                p.s.swanctl("--rekey", "--ike", "peer")
                wait_for(lambda: f"a new IKE SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                         lambda: [s["spi-i"] for s in p.c.ike_sas()] not in ([], [old["spi-i"]]) and
                         len(p.c.ike_sas()) == 1)
            else:
                p.s.swanctl("--rekey", "--child", "net", check=False)  # it may be at it already
                wait_for(lambda: f"a Child SA rekeyed:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                         lambda: p.s.log().count("closing CHILD_SA") > done)
        wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: p.s.log().count("closing CHILD_SA") > REKEYS, 60, 0.5)
    flood.assert_intact(least=50 * REKEYS)
    p.wait_up()
    assert len(p.c.ike_sas()) == 1 and p.s.counts() == (1, 1)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
