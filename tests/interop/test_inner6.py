# SPDX-License-Identifier: Apache-2.0
"""IPv6 inside tunnels, over IPv4 and over IPv6, alone and beside IPv4."""
import re

import pytest

from lab.proc import run, wait_for
from lab.topology import sysctl
from lab.traffic import MARKER, Capture, assert_ping, iperf, ping, ping_until

ROLES = ["culvert", "strongswan"]


def start(p, outer, proxy_ids=None, children=None, **culvert):
    """The tunnel of the sites' IPv6 networks between gateways that speak `outer` to each other."""
    a, b = p.t.hq, p.t.branch
    ends = {} if outer == "v4" else {"local_addrs": b.wan6_ip, "remote_addrs": a.wan6_ip,
                                     "local_id": b.wan6_ip, "remote_id": a.wan6_ip}
    return p.start(v6="inner" if outer == "v4" else True, proxy_ids=proxy_ids or [(a.net6, b.net6)],
                   strongswan={**ends, "children": children or {"net": {"local_ts": b.net6, "remote_ts": a.net6}}},
                   **culvert)


def asked(p, dst, **more):
    words = "".join(f" {k.replace('_', '-')} {v}" for k, v in more.items())
    return p.c.cli(f"test vpn packet source {p.t.hq.host6_ip} destination {dst}{words}", json_out=True)


@pytest.mark.core
@pytest.mark.trixie
@pytest.mark.parametrize("outer", ["v4", "v6"])
def test_ipv6_inside(pair, tmp_path, outer):
    """Pings of all sizes and TCP both ways; what the operator is shown; nothing in the clear."""
    p = start(pair(v6=True), outer)
    a, b = p.t.hq, p.t.branch
    got = asked(p, b.host6_ip)
    assert (got["verdict"], got["reason"]) == ("drop", "no-sa")
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up("culvert" if outer == "v4" else "strongswan")
        assert_ping(a.host, b.host6_ip, count=10, marker=True)
        assert_ping(b.host, a.host6_ip, count=10, marker=True)
        # in fragments, the hosts' own: culvert tells one of its MTU, strongSwan's TUN device the other
        ping_until(a.host, b.host6_ip, size=8000)
        assert_ping(a.host, b.host6_ip, count=5, size=8000)
        assert_ping(b.host, a.host6_ip, count=5, size=8000)
    assert not wan.holds(MARKER)
    assert wan.count(f"{'ip' if outer == 'v4' else 'ip6'} and udp port 4500") >= 40
    for reverse in (False, True):
        end = iperf(b.host, b.host6_ip, a.host, tmp_path / "iperf", seconds=1, reverse=reverse, client_ip=a.host6_ip)
        assert end["sum_received"]["bytes"] > 2e5

    (child,) = p.c.children()
    assert (child["ts-local"], child["ts-remote"]) == ([a.net6], [b.net6])
    flow = p.c.flow("tun")
    assert f"{flow['proxy-id']['lip']}/{flow['proxy-id']['lprefix']}" == a.net6 and flow["pkt-decap"] >= 40
    assert re.search(rf"remote ip range: +{b.net6[:-3]} - {b.net6[:-5]}", p.c.cli("show vpn flow name tun"))
    assert a.net6 in p.c.cli("show vpn tunnel") and "tun:P1" in p.c.cli("show vpn ipsec-sa")
    got = asked(p, b.host6_ip, protocol="tcp", source_port=40000, destination_port=443)
    assert got["verdict"] == "pass" and all(s["ok"] for s in got["steps"]), got
    assert asked(p, b.host6_ip, size=1500)["reason"] == "too-big"


@pytest.mark.parametrize("initiator", ROLES)
def test_both_families(pair, initiator):
    """A proxy-ID of each family in one tunnel: two Child SAs, each for its own."""
    p = pair(v6=True)
    a, b = p.t.hq, p.t.branch
    start(p, "v4", proxy_ids=[(a.net, b.net), (a.net6, b.net6)],
          children={"net4": {"local_ts": b.net, "remote_ts": a.net}, "net6": {"local_ts": b.net6, "remote_ts": a.net6}})
    if initiator == "culvert":  # traffic of each family asks for its own
        ping_until(a.host, b.host6_ip)
        assert [c["proxy-id"] for c in p.c.children()] == ["P2"]
        ping_until(a.host, b.host_ip)
    else:
        p.s.initiate("net4")
        p.s.initiate("net6")
    p.wait_up(children=2)
    before = [p.c.flow(f"tun:P{i}")["pkt-encap"] for i in (1, 2)]
    for src, dst in ((a, b), (b, a)):
        assert_ping(src.host, dst.host_ip)
        assert_ping(src.host, dst.host6_ip)
    assert [p.c.flow(f"tun:P{i}")["pkt-encap"] for i in (1, 2)] == [n + 10 for n in before]


@pytest.mark.parametrize("initiator", ROLES)
def test_both_families_in_one_sa(pair, initiator):
    """proxy-id-mode combined: one Child SA, with selectors of both families."""
    p = pair(v6=True)
    a, b = p.t.hq, p.t.branch
    start(p, "v6", proxy_ids=[(a.net, b.net), (a.net6, b.net6)], tunnel={"proxy-id-mode": "combined"},
          children={"net": {"local_ts": f"{b.net},{b.net6}", "remote_ts": f"{a.net},{a.net6}"}})
    p.up(initiator)
    (child,) = p.c.children()
    assert sorted(child["ts-local"]) == sorted([a.net, a.net6])
    for src, dst in ((a, b), (b, a)):
        assert_ping(src.host, dst.host_ip)
        assert_ping(src.host, dst.host6_ip)


@pytest.mark.parametrize("outer", ["v4", "v6"])
def test_narrow_way(pair, tmp_path, outer):
    """The way between the gateways carries less than 1280 bytes and their ESP: what hosts may count on goes in
    fragments of the outer packet, and they are told of no less."""
    p = start(pair(v6=True), outer)
    a, b = p.t.hq, p.t.branch
    p.c.stop()
    p.c.conf["interfaces"][0]["mtu"] = 1280
    p.c.write()
    p.c.start()
    p.up()
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        assert_ping(a.host, b.host6_ip, size=1280 - 48)
    fragments = "src host 198.51.100.20 and ip[6:2] & 0x3fff != 0" if outer == "v4" else \
        f"src host {a.wan6_ip} and ip6[6] == 44"
    assert wan.count(fragments) == 10
    assert "1 x icmp 2/0" in ping(a.host, b.host6_ip, size=1400 - 48, count=1, wait=1)[2]
    assert_ping(a.host, b.host6_ip, size=1400 - 48)  # cut by the host itself


def test_path_mtu_over_ipv6(pair):
    """A router on the way says "packet too big" of our ESP, and the next host is told what that leaves it."""
    p = start(pair(v6=True), "v6")
    a, b = p.t.hq, p.t.branch
    p.up()
    before = p.c.flow("tun")["mtu"]
    run("ip", "-n", p.t.wan, "link", "set", "to-branch", "mtu", 1400)
    ping(a.host, b.host6_ip, size=1352, count=1, wait=1)
    wait_for(lambda: f"a smaller MTU than {before}: {p.c.drops()}",
             lambda: before - 104 <= p.c.flow("tun")["mtu"] < before - 96)
    assert p.c.drops()["pmtu-learned"] == 1
    assert "1 x icmp 2/0" in ping(a.host, b.host6_ip, size=1352, count=1, wait=1)[2]


def test_rules(pair):
    """Rules with networks of both families; any is any."""
    p = start(pair(v6=True), "v4")
    a, b = p.t.hq, p.t.branch
    p.c.commit(**{"security-rules": [
        {"name": "out", "from": "trust", "to": "VPN-Zone", "source": [a.net, a.net6], "destination": [b.net, b.net6],
         "service": "icmp6", "action": "allow"},
        {"name": "in", "from": "VPN-Zone", "to": "trust", "source": "any", "destination": "any", "action": "allow"}]})
    p.up()
    assert_ping(a.host, b.host6_ip)
    assert_ping(b.host, a.host6_ip)
    hits = {e["name"]: e["hit-count"] for e in p.c.cli("show rule-hit-count", json_out=True)["entries"]}
    assert hits["out"] == hits["in"] == 10
    assert asked(p, b.host6_ip, protocol="udp")["reason"] == "rule-denied"
    p.c.conf["security-rules"].insert(0, {"name": "no-ping", "from": "VPN-Zone", "to": "trust", "source": [b.net6],
                                          "destination": [a.net6], "service": "icmp6", "action": "deny"})
    p.c.commit()
    assert ping(b.host, a.host6_ip, count=3, wait=1)[1] == 0
    p.c.wait_log(rf"traffic-deny no-ping .* {b.host6_ip}\[0\] to {a.host6_ip}\[32768\], protocol 58")


def test_monitor(pair):
    """A destination of IPv6 is asked through the tunnel, falls silent and comes back."""
    p = pair(v6=True)
    b = p.t.branch
    start(p, "v4", tunnel={"tunnel-monitor": {"destination": b.host6_ip, "interval": 1, "threshold": 2}})

    def status(want):
        wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: p.c.flow("tun")["mon"] == want, 20)

    p.wait_up(timeout=20)
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"),
             lambda: p.c.cli("show vpn tunnel-monitor", json_out=True)["entries"][0]["pkt-recv"] >= 2)
    status("up")
    sysctl(b.host, **{"net.ipv6.icmp.echo_ignore_all": 1})
    status("down")
    sysctl(b.host, **{"net.ipv6.icmp.echo_ignore_all": 0})
    status("up")
