# SPDX-License-Identifier: Apache-2.0
"""The first tunnel in every way it can come up, with traffic both ways and not one ping lost."""
import pytest

from lab.proc import wait_for
from lab.traffic import MARKER, Capture, assert_ping, iperf, mbit, ping, ping_until

pytestmark = [pytest.mark.core, pytest.mark.trixie]


def both_ways(t, n=0, count=10):
    a, b = t.hq, t.branch
    assert_ping(a.host, b.host_ips[n], src=a.host_ips[n], count=count, marker=True)
    assert_ping(b.host, a.host_ips[n], src=b.host_ips[n], count=count, marker=True)


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_traffic_both_ways_and_no_clear_text(pair, tmp_path, initiator):
    p = pair().start()
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan, \
            Capture(p.t.hq.host, "eth0", tmp_path / "lan.pcap") as lan:
        p.up(initiator)
        both_ways(p.t)
        for reverse in (False, True):
            end = iperf(p.t.branch.host, p.t.branch.host_ip, p.t.hq.host, tmp_path / "iperf", reverse=reverse)
            assert mbit(end) > 1
    assert lan.holds(MARKER), "the marker must be visible where nothing is encrypted, or this test proves nothing"
    assert not wan.holds(MARKER)
    assert wan.count("net 10.0.0.0/8") == 0
    assert wan.count("udp port 4500") > 100
    assert wan.count("not arp and not udp port 500 and not udp port 4500") == 0
    (sa,) = p.c.ike_sas()
    assert sa["role"].lower().startswith("init" if initiator == "culvert" else "resp")
    flow = p.c.flow("tun")
    assert flow["pkt-encap"] >= 20 and flow["pkt-decap"] >= 20
    assert flow["byte-encap"] > 1e5 and flow["byte-decap"] > 1e5


def test_iperf_server_at_headquarters(pair, tmp_path):
    p = pair().start()
    p.up("strongswan")
    assert mbit(iperf(p.t.hq.host, p.t.hq.host_ip, p.t.branch.host, tmp_path / "iperf")) > 1


def test_traffic_asks_for_the_tunnel(pair):
    p = pair().start()
    assert p.c.ike_sas() == []
    ping_until(p.t.hq.host, p.t.branch.host_ip)
    p.wait_up()
    both_ways(p.t)
    assert p.c.drops()["no-sa"] >= 1


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_every_proxy_id_has_its_own_sa_pair(pair, initiator):
    p = pair(lans=4)
    nets = list(zip(p.t.hq.nets, p.t.branch.nets))
    p.start(proxy_ids=nets, strongswan={
        "children": {f"net{i}": {"local_ts": b, "remote_ts": a} for i, (a, b) in enumerate(nets)}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        for i in range(len(nets)):
            p.s.initiate(f"net{i}")
    p.wait_up(children=4)
    assert len(p.c.ike_sas()) == 1
    children = p.c.children()
    assert len({c["i_spi"] for c in children}) == 4 and len({c["o_spi"] for c in children}) == 4
    for i in range(4):
        before = {c["proxy-id"]: p.c.flow(f"tun:{c['proxy-id']}")["pkt-encap"] for c in children}
        both_ways(p.t, n=i, count=5)
        after = {c["proxy-id"]: p.c.flow(f"tun:{c['proxy-id']}")["pkt-encap"] for c in children}
        grown = {k: after[k] - before[k] for k in after}
        assert grown == {f"P{k + 1}": 10 if k == i else 0 for k in range(4)}


def test_each_proxy_id_is_acquired_by_its_own_traffic(pair):
    p = pair(lans=3)
    nets = list(zip(p.t.hq.nets, p.t.branch.nets))
    p.start(proxy_ids=nets, strongswan={
        "children": {f"net{i}": {"local_ts": b, "remote_ts": a} for i, (a, b) in enumerate(nets)}})
    for i in range(3):
        ping_until(p.t.hq.host, p.t.branch.host_ips[i], src=p.t.hq.host_ips[i])
        p.wait_up(children=i + 1)
    for i in range(3):
        both_ways(p.t, n=i, count=5)


def test_outside_the_proxy_ids_nothing_passes(pair, tmp_path):
    p = pair(lans=2).start()  # the second networks are routed into the tunnel, but no proxy-ID covers them
    p.up()
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        assert ping(p.t.hq.host, p.t.branch.host_ips[1], src=p.t.hq.host_ips[1], count=3, wait=1, marker=True)[1] == 0
    assert not wan.holds(MARKER) and wan.count("net 10.0.0.0/8") == 0
    assert p.c.drops()["no-matching-proxy-id"] >= 3
    both_ways(p.t)


def test_large_packets(pair):
    """1400 bytes inner with DF pass; what does not fit comes back as "fragmentation needed", from the gateway."""
    p = pair().start()
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip, size=1372, df="do")
    assert_ping(p.t.branch.host, p.t.hq.host_ip, size=1300, df="do")


def test_gateway_answers_its_neighbours(pair):
    p = pair().start()
    assert_ping(p.t.hq.host, p.t.hq.lan_ip)
    assert_ping(p.t.wan, p.t.hq.wan_ip)


def test_negotiation_survives_lost_packets(pair):
    """The first IKE_SA_INIT goes nowhere; the retransmission is answered (RFC 7296 2.1)."""
    p = pair().start()
    with p.t.wan_cut():
        p.c.cli("test vpn ipsec-sa tunnel tun")
        wait_for("a retransmission", lambda: any(sa["retransmits"] for sa in p.c.negotiating()))
    p.wait_up(timeout=30)
    both_ways(p.t)


def test_behind_a_real_nat(pair):
    """strongSwan behind a masquerading router: its port is not 4500 here, keepalives and answers find it."""
    p = pair(nat=True).start()
    p.s.initiate()
    p.wait_up()
    both_ways(p.t)
    (sa,) = p.c.ike_sas()
    assert sa["nat-remote"] is True
