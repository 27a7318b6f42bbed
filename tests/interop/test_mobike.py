# SPDX-License-Identifier: Apache-2.0
"""MOBIKE (RFC 4555) with strongSwan: either end changes its address under traffic, and the SA stays."""
import pytest

from lab.proc import run, wait_for
from lab.traffic import Flood, assert_ping

pytestmark = pytest.mark.trixie
NEW_PEER, NEW_HERE = "203.0.113.11", "198.51.100.21"


def start(pair, mobike=True, theirs=True):
    p = pair()
    conf = p.conf(gateway={"mobike": mobike})
    conf["interfaces"][0]["address"].append(NEW_HERE + "/24")
    # strongSwan believes to be anywhere, so that it may go elsewhere.
    return p.start(conf=conf, strongswan={"conn": {"mobike": theirs}, "local_addrs": f"{p.t.branch.wan_ip}, {NEW_PEER}",
                                          "remote_addrs": f"{p.t.hq.wan_ip}, {NEW_HERE}"})


def peer_moves(p, old, new):
    dev = run("ip", "-n", p.t.branch.gateway, "-o", "addr", "show", "to", old).stdout.split()[1]
    router = p.t.branch.wan_router
    # The address goes, and its routes; the way out is there again with the new one.
    run("ip", "-n", p.t.branch.gateway, "addr", "add", new + "/24", "dev", dev)
    run("ip", "-n", p.t.branch.gateway, "route", "replace", "default", "via", router, "src", new)
    run("ip", "-n", p.t.branch.gateway, "addr", "del", old + "/24", "dev", dev)
    run("ip", "-n", p.t.branch.gateway, "addr", "replace", new + "/24", "dev", dev)
    run("ip", "-n", p.t.branch.gateway, "route", "replace", "default", "via", router)


def test_peer_moves_under_traffic(pair, tmp_path):
    p = start(pair)
    p.up("strongswan")
    (before,) = p.c.ike_sas()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", interval=0.01) as flood:
        peer_moves(p, p.t.branch.wan_ip, NEW_PEER)
        wait_for(lambda: f"culvert follows:\n{p.c.cli('show vpn ike-sa')}{p.s.log()[-3000:]}",
                 lambda: [sa["remote-ip"] for sa in p.c.ike_sas()] == [NEW_PEER], 30)
        assert_ping(p.t.hq.host, p.t.branch.host_ip)
    got = flood.result()
    print("lost by the peer's move:", len(got["lost"]), "of", got["sent"])
    # What was on its way to where the peer is no more, until it has answered from where it is.
    assert len(got["lost"]) * 0.01 < 3 and got["duplicates"] == 0
    (after,) = p.c.ike_sas()
    assert after["spi-i"] == before["spi-i"] and p.s.counts()[0] == 1
    assert p.s.log_has(r"parsed INFORMATIONAL request \d+ \[ N\(COOKIE2\) \]")
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_we_move_under_traffic(pair, tmp_path):
    p = start(pair)
    p.up("culvert")
    (before,) = p.c.ike_sas()
    gateway = p.c.conf["ike-gateways"][0]
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", interval=0.01) as flood:
        gateway["local-address"] = NEW_HERE
        p.c.commit()
        wait_for(lambda: f"strongSwan follows:\n{p.s.sas()}", lambda: NEW_HERE in p.s.sas(), 20)
        wait_for("new Child SAs from there", lambda: p.s.counts() == (1, 1))
        assert_ping(p.t.branch.host, p.t.hq.host_ip)
    flood.assert_intact(least=20)
    (after,) = p.c.ike_sas()
    assert after["spi-i"] == before["spi-i"] and after["local-ip"] == NEW_HERE
    assert p.s.log_has(r"parsed INFORMATIONAL request \d+ \[ N\(UPD_SA_ADDR\)")


def test_without_it_a_new_sa(pair):
    p = start(pair, theirs=False)
    p.up("culvert")
    (before,) = p.c.ike_sas()
    p.c.conf["ike-gateways"][0]["local-address"] = NEW_HERE
    p.c.commit()
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: before["spi-i"] not in [s["spi-i"] for s in p.c.ike_sas()], 20)
