# SPDX-License-Identifier: Apache-2.0
"""Rekeying of Child and IKE SAs under traffic, and their reauthentication, started by either side: not one packet is
lost or there twice (RFC 7296 2.8)."""
import pytest

from lab.proc import wait_for
from lab.traffic import Flood, assert_ping

pytestmark = [pytest.mark.core, pytest.mark.trixie]

REKEYS = 20


def new_ike_sa(p, old):
    """One IKE SA at both ends, and culvert's is another one than old."""
    wait_for(lambda: f"one new IKE SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
             lambda: [s["spi-i"] for s in p.c.ike_sas()] not in ([], [old["spi-i"]]) and len(p.c.ike_sas()) == 1 and
             p.s.counts()[0] == 1)


def new_child(p, old):
    wait_for(lambda: f"one new Child SA:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}",
             lambda: old["i_spi"] not in [c["i_spi"] for c in p.c.children() if c["state"] == "Mature"] and
             p.s.counts()[1] == 1)


def test_culvert_rekeys(pair, tmp_path):
    """Twenty of each kind at the operator's request, which is what the ends of life times start, too.  (Those end in the
    unit tests, in virtual time: three minutes are the least that the configuration takes.)"""
    p = pair().start()
    p.up()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", interval=0.003) as flood:
        for _ in range(REKEYS):
            (old,) = p.c.ike_sas()
            assert p.c.cli("request vpn rekey ike-sa gateway peer") == "Rekey 1 IKE SA.\n"
            new_ike_sa(p, old)
            (old,) = p.c.children()
            assert p.c.cli("request vpn rekey ipsec-sa tunnel tun:P1") == "Rekey 1 IPSec SA.\n"
            new_child(p, old)
    flood.assert_intact(least=20 * REKEYS)
    assert len([line for line in p.s.log().splitlines() if " rekeyed between " in line]) == REKEYS
    p.wait_up()
    assert len(p.c.ike_sas()) == 1 and p.s.counts() == (1, 1)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    # The last IKE SA has inherited the child and can end it.
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()


@pytest.mark.parametrize("limit", [{"lifesize": "256kb"}, {"lifepackets": 1000}], ids=["lifesize", "lifepackets"])
def test_volume_used_up(pair, tmp_path, limit):
    """culvert rekeys a child before its bytes or packets are used up, again and again, and the tunnel does not notice."""
    p = pair().start(esp=limit)
    p.up()
    (first,) = p.c.children()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", size=1300, interval=0.005) as flood:
        wait_for(lambda: p.c.cli("show vpn ike-sa"),
                 lambda: p.s.log().count("parsed CREATE_CHILD_SA request") >= 3, 40, 0.5)
    flood.assert_intact(least=300)
    p.wait_up()
    assert p.c.children()[0]["i_spi"] != first["i_spi"]
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def two_nets(p):
    """strongSwan's side of two proxy-IDs."""
    hq, branch = p.t.hq, p.t.branch
    return {f"net{i}": {"local_ts": branch.nets[i], "remote_ts": hq.nets[i]} for i in range(2)}


@pytest.mark.parametrize("who", ["culvert", "peer"])
def test_reauthentication(pair, tmp_path, who):
    """Make before break (RFC 7296 2.8.3): a new IKE SA with both Child SAs beside the old one, then that goes."""
    p = pair(lans=2, charon={"make_before_break": True})
    hq, branch = p.t.hq, p.t.branch
    p.start(strongswan={"children": two_nets(p)}, proxy_ids=list(zip(hq.nets, branch.nets)))
    p.c.cli("test vpn ipsec-sa tunnel tun")
    p.wait_up(2)
    often = {"interval": 0.004}
    with Flood(hq.host, branch.host_ips[0], tmp_path / "ping0", src=hq.host_ips[0], **often) as one, \
            Flood(branch.host, hq.host_ips[1], tmp_path / "ping1", src=branch.host_ips[1], **often) as two:
        for _ in range(10):
            (old,) = p.c.ike_sas()
            if who == "culvert":
                assert p.c.cli("request vpn reauthenticate") == "Reauthenticate 1 IKE SA.\n"
            else:
                p.s.swanctl("--rekey", "--ike", "peer", "--reauth")
            new_ike_sa(p, old)
            wait_for(lambda: f"two Child SAs:\n{p.c.cli('show vpn ike-sa')}{p.s.sas()}", lambda: p.s.counts()[1] == 2)
    # When charon closes, its thread for IKE may overtake the one that has a packet which came before: that is lost.
    late = 2 * 10 if who == "peer" else 0
    for got in one.result(), two.result():  # several packets for each, however fast it goes
        assert got["sent"] >= 50 and not got["duplicates"] and len(got["lost"]) <= late, got
    assert "esp-" not in p.c.cli("show counter drop")
    p.wait_up(2)
    assert len(p.c.ike_sas()) == 1 and p.s.counts() == (1, 2)
    assert not p.s.log_has("INIT_CONTACT.*\n(?s:.*)INIT_CONTACT") and "INITIAL_CONTACT" not in p.c.log()


def test_peer_breaks_before_it_makes(pair, tmp_path):
    """What strongSwan does unless told otherwise: the tunnel is gone for the time that IKE takes, and no longer."""
    p = pair().start(tunnel={"start": True})
    p.wait_up()
    with Flood(p.t.branch.host, p.t.hq.host_ip, tmp_path / "ping") as flood:
        for _ in range(5):
            (old,) = p.c.ike_sas()
            p.s.swanctl("--rekey", "--ike", "peer", "--reauth")
            new_ike_sa(p, old)
            p.wait_up()
    got = flood.result()
    assert got["sent"] > 20 and not got["duplicates"] and len(got["lost"]) < 5 * 20, got
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
