# SPDX-License-Identifier: Apache-2.0
"""Rekeying of Child and IKE SAs under traffic, started by either side: not one packet is lost (RFC 7296 2.8)."""
import re
import signal
import time

import pytest

from lab.proc import Daemon, Failed, wait_for
from lab.traffic import assert_ping

pytestmark = pytest.mark.core


class Flood:
    """A ping every 10 ms while the body runs; lost() counts what was not answered."""

    def __init__(self, ns, dst, log, size=56):
        self.daemon = Daemon(["ping", "-n", "-s", size, "-i", "0.01", "-W", "2", dst], log, ns=ns)

    def __enter__(self):
        wait_for("the first answer", lambda: "bytes from" in self.daemon.output())
        return self

    def __exit__(self, *_exc):
        self.daemon.stop(5, signal.SIGINT)

    def lost(self):
        m = re.search(r"(\d+) packets transmitted, (\d+) received", self.daemon.output())
        if not m:
            raise Failed(self.daemon.output()[-500:])
        # The last one may have been on its way when ping was told to stop.
        return max(0, int(m[1]) - int(m[2]) - 1), int(m[1])


@pytest.mark.parametrize("pfs", ["no-pfs", "group14"])
def test_peer_rekeys_child(pair, tmp_path, pfs):
    p = pair().start(esp={"dh-group": pfs}, strongswan={"esp": "aes256gcm16" + ("-modp2048" if pfs != "no-pfs" else "")})
    p.up()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping") as flood:
        for _ in range(4):
            (old,) = p.c.children()
            p.s.swanctl("--rekey", "--child", "net")
            wait_for(lambda: f"one new child:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                     lambda: [c["i_spi"] for c in p.c.children()] not in ([], [old["i_spi"]]) and
                     len(p.c.children()) == 1 and p.s.counts()[1] == 1)
            time.sleep(0.3)
    lost, sent = flood.lost()
    assert lost == 0 and sent > 50, f"{lost} of {sent} lost"
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_peer_rekeys_ike_sa(pair, tmp_path):
    p = pair().start()
    p.up()
    with Flood(p.t.branch.host, p.t.hq.host_ip, tmp_path / "ping") as flood:
        for _ in range(3):
            (old,) = p.c.ike_sas()
            p.s.swanctl("--rekey", "--ike", "peer")
            wait_for(lambda: f"one new IKE SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
                     lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"] and
                     p.s.counts() == (1, 1))
            time.sleep(0.3)
    lost, sent = flood.lost()
    assert lost == 0 and sent > 50, f"{lost} of {sent} lost"
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
    lost, sent = flood.lost()
    assert lost == 0 and sent > 300, f"{lost} of {sent} lost"
    p.wait_up()
    assert p.c.children()[0]["i_spi"] != first["i_spi"]
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
