# SPDX-License-Identifier: Apache-2.0
"""Packets too big for the tunnel, or for the way to the peer: nobody's transfer stalls, and hosts know nothing of it.

The WAN's router sends "fragmentation needed" for outer packets of ours that have DF and do not fit; hosts get theirs
from culvert.  strongSwan's TUN device takes 1400 bytes, so answers bigger than that come back in fragments."""
import contextlib
import re

import pytest

from lab.proc import run, wait_for
from lab.traffic import assert_ping, iperf, mbit, ping

TUN_MTU = 1400  # of strongSwan's TUN device; less than any suite's exact figure at an outer 1500


def wan_mtu(p, mtu):
    """The path's MTU behind the router's first link."""
    run("ip", "-n", p.t.wan, "link", "set", "to-branch", "mtu", mtu)
    run("ip", "-n", p.t.branch.gateway, "link", "set", "wan0", "mtu", mtu)


def start(p, mtu):
    """Both ends up, the WAN's links of this MTU, the hosts' at least the usual.  net_af_packet has the kernel put
    fragments together before we see them, so its frames must hold what hosts send in fragments (tests/README.md)."""
    wan, hq, branch = p.t.wan, p.t.hq, p.t.branch
    conf = p.conf(system={"memory": 512})
    for i, size in ((0, mtu), (1, max(mtu, 1500))):
        conf["interfaces"][i]["port"] += ",blocksz=40960,framesz=10240,framecnt=256"
        conf["interfaces"][i]["mtu"] = size
    for ns, dev, size in ((hq.gateway, "d-wan", mtu), (wan, "to-hq", mtu), (wan, "to-branch", mtu),
                          (branch.gateway, "wan0", mtu), (hq.gateway, "d-lan", 9000), (hq.host, "eth0", 9000),
                          (branch.gateway, "lan0", 9000), (branch.host, "eth0", 9000)):
        run("ip", "-n", ns, "link", "set", dev, "mtu", size if size != 9000 else max(mtu, 1500))
    p.start(conf=conf)
    p.up()
    return p


def test_host_is_told_the_exact_mtu(pair):
    """DF set: the first packet costs an ICMP error, its sender knows the tunnel's MTU to the byte."""
    p = pair().start()
    p.up()
    a, b = p.t.hq, p.t.branch
    mtu = p.c.flow("tun")["mtu"]
    assert TUN_MTU < mtu < 1500
    ping(a.host, b.host_ip, count=2, size=1472, df="do", wait=1)
    assert f"mtu {mtu}" in run("ip", "-n", a.host, "route", "get", b.host_ip).stdout
    assert p.c.drops()["too-big"] >= 1


@pytest.mark.parametrize("size", [1372, 1410, 1472, 4000])
def test_big_pings_without_df(pair, size):
    """Cut before encryption, put together by the host at the other end."""
    p = start(pair(), 1500)
    assert_ping(p.t.hq.host, p.t.branch.host_ip, size=size, df="dont", count=3)
    assert_ping(p.t.branch.host, p.t.hq.host_ip, size=size, df="dont", count=3)
    assert p.c.drops()["too-big"] == 0


@pytest.mark.parametrize("mtu", [1280, 1500, 9000])
def test_df_at_every_mtu(pair, mtu):
    """What exactly fits passes with DF, a byte more is told of, and without DF anything passes."""
    p = start(pair(), mtu)
    a, b = p.t.hq, p.t.branch
    most = p.c.flow("tun")["mtu"]
    assert mtu - 90 < most < mtu - 40
    for size in (1200 - 28, most - 28):
        assert_ping(a.host, b.host_ip, size=size, df="do", count=3)
    assert_ping(b.host, a.host_ip, size=min(most, TUN_MTU) - 28, df="do", count=3)
    assert p.c.drops()["too-big"] == 0
    assert ping(a.host, b.host_ip, size=most - 27, df="do", count=1, wait=1)[1] == 0
    assert p.c.drops()["too-big"] == 1
    assert f"mtu {most}" in run("ip", "-n", a.host, "route", "get", b.host_ip).stdout
    assert_ping(a.host, b.host_ip, size=min(2 * mtu, 9000), df="dont", count=3)


@pytest.mark.core
@pytest.mark.parametrize("clamp", [True, False], ids=["clamped", "unclamped"])
def test_tcp_through_a_narrow_wan_does_not_stall(pair, tmp_path, clamp):
    p = pair().start(tunnel={} if clamp else {"adjust-tcp-mss": False})
    p.up()
    wan_mtu(p, 1400)
    a, b = p.t.hq, p.t.branch
    for reverse in (False, True):
        assert mbit(iperf(b.host, b.host_ip, a.host, tmp_path / "iperf", reverse=reverse)) > 1
    flow = p.c.flow("tun")
    assert flow["path-mtu"] == 1400 and 1400 - 90 < flow["mtu"] < 1400 - 40
    assert p.c.drops()["pmtu-learned"] >= 1


@contextlib.contextmanager
def hole(p, most, come_in_by):
    """The WAN's router drops larger packets that go one way, and does not say so."""
    run("nft", "-f", "-", ns=p.t.wan, stdin=f"""
        table ip hole {{
            chain forward {{
                type filter hook forward priority filter
                iifname "{come_in_by}" meta length > {most} drop
            }}
        }}""")
    yield
    run("nft", "delete", "table", "ip", "hole", ns=p.t.wan)


def diagnosed(p):
    return p.c.cli("diagnose vpn tunnel tun:P1", json_out=True)["entries"][0]


def mtu_step(p):
    return next(s for s in diagnosed(p)["steps"] if s["step"] == "MTU")


@pytest.mark.core
@pytest.mark.parametrize("come_in_by", ["to-hq", "to-branch"], ids=["there", "back"])
def test_hole_in_the_path_is_found_and_told(pair, come_in_by):
    """155, 156.  Small packets pass, large ones vanish, no ICMP: diagnose names the test; the test finds the edge to
    the byte, and its finding is the verdict until it no longer holds."""
    p = pair().start()
    p.up()
    hq, branch = p.t.hq, p.t.branch
    test = f"test vpn mtu tunnel tun host {branch.host_ip}"
    assert_ping(hq.host, branch.host_ip)
    assert "test vpn mtu tunnel tun:P1" in mtu_step(p)["text"] and "test vpn mtu tunnel tun:P1" in diagnosed(p)["fix"]
    got = p.c.cli(test, json_out=True)
    mtu = p.c.flow("tun")["mtu"]
    assert got["result"]["verdict"] == "ok" and got["result"]["carried"] == got["result"]["mtu"] == mtu
    assert p.c.verdict() == "healthy" and mtu_step(p)["state"] == "ok" and branch.host_ip in mtu_step(p)["text"]

    with hole(p, 1300, come_in_by):
        assert_ping(hq.host, branch.host_ip, size=1000, df="do")
        assert ping(hq.host, branch.host_ip, size=1300, df="do", count=2, wait=1)[1] == 0
        text = p.c.cli(test)
        assert "verdict: mtu-hole: packets of up to" in text and "no router says so" in text
        got = p.c.cli(test, json_out=True)["result"]
        most = got["carried"]
        assert got["verdict"] == "mtu-hole" and 1300 - 90 < most < 1300 - 40
        assert_ping(hq.host, branch.host_ip, size=most - 28, df="do")
        assert ping(hq.host, branch.host_ip, size=most - 27, df="do", count=2, wait=1)[1] == 0
        got = diagnosed(p)
        assert got["verdict"] == "mtu-hole" and [s["step"] for s in got["steps"] if s["state"] == "bad"] == ["MTU"]
        assert f"adjust-tcp-mss = {most - 40}" in got["fix"]
        port = int(re.search(r"set mtu = (\d+) for ethernet1/1", got["fix"])[1])
        assert port - 50 > most and port <= 1300
        p.c.wait_log(r" medium vpn tunnel-mtu-hole tun:P1 Tunnel tun:P1: packets of up to \d+ bytes are answered; larger")

        # One way as traffic sees it: still the same cause.
        assert ping(hq.host, branch.host_ip, size=1300, df="do", count=30, interval=0.2, wait=1)[1] == 0
        assert p.c.flow("tun")["traffic"] == "out only" and p.c.verdict() == "mtu-hole"

        # What it says to do, done, the one way and the other.
        p.c.commit(**{"ipsec-tunnels": [{**p.c.conf["ipsec-tunnels"][0], "adjust-tcp-mss": most - 40}]})
        assert p.c.children() and p.c.verdict() != "mtu-hole" and mtu_step(p)["state"] == "note"
        del p.c.conf["ipsec-tunnels"][0]["adjust-tcp-mss"]
        conf = p.c.conf["interfaces"]
        conf[0]["mtu"] = port
        p.c.stop()
        p.c.write()
        p.c.start()
        p.up()
        assert p.c.flow("tun")["mtu"] == most
        assert ping(hq.host, branch.host_ip, size=1300, df="do", count=1, wait=1)[1] == 0
        assert f"mtu {most}" in run("ip", "-n", hq.host, "route", "get", branch.host_ip).stdout
        if come_in_by == "to-hq":
            assert_ping(hq.host, branch.host_ip, size=1300, df="dont")
        assert p.c.cli(test, json_out=True)["result"]["verdict"] == "ok" and p.c.verdict() == "healthy"


def test_router_that_says_so_is_no_hole(pair):
    """The way is narrow, and its router is heard in the middle of the test."""
    p = pair().start()
    p.up()
    wan_mtu(p, 1400)
    got = p.c.cli(f"test vpn mtu tunnel tun host {p.t.branch.host_ip}", json_out=True)["result"]
    flow = p.c.flow("tun")
    assert flow["path-mtu"] == 1400 and got["verdict"] == "ok" and got["carried"] == got["mtu"] == flow["mtu"]
    assert p.c.verdict() == "healthy"


def test_narrow_network_behind_the_peer_is_no_hole(pair):
    """Its router says so, to us through the tunnel as to any sender."""
    p = pair().start()
    p.up()
    for ns, dev in ((p.t.branch.gateway, "lan0"), (p.t.branch.host, "eth0")):
        run("ip", "-n", ns, "link", "set", dev, "mtu", 1300)
    got = p.c.cli(f"test vpn mtu tunnel tun host {p.t.branch.host_ip}", json_out=True)["result"]
    assert (got["verdict"], got["carried"]) == ("ok", 1300) and f"of larger ones {p.t.branch.lan_ip}, behind" in got["text"]
    assert p.c.verdict() == "healthy" and mtu_step(p)["state"] == "ok" and p.t.branch.lan_ip in mtu_step(p)["text"]
    assert "tunnel-mtu-hole" not in p.c.log()


def test_mtu_says_why_not(pair):
    p = pair().start()
    hq, branch = p.t.hq, p.t.branch
    for words, status, says in (
            ("", 2, "tunnel: missing"),
            ("tunnel nix", 1, "no tunnel, or proxy-ID of a tunnel"),
            ("tunnel tun host x", 2, 'host: found "x"'),
            (f"tunnel tun host {branch.host_ip} source 192.0.2.1", 1, "none of this gateway's addresses"),
            ("tunnel tun host 192.0.2.9", 1, "no proxy-ID of tun holds packets"),
            ("tunnel tun", 1, "has no monitored destination: name a host"),
            (f"tunnel tun host {branch.host_ip}", 1, "tunnel tun:P1 is not up: diagnose vpn tunnel tun:P1")):
        got = p.c.cli(f"test vpn mtu {words}", check=False, rc=True)
        assert got[0] == status and says in got[1], (words, got)
    p.up()
    p.c.commit(**p.conf(tunnel={"tunnel-monitor": {"destination": branch.host_ip, "interval": 2, "threshold": 3}}))
    wait_for("the monitored host", lambda: p.c.cli("test vpn mtu tunnel tun", check=False, rc=True)[0] == 0)
    status, text = p.c.cli(f"test vpn mtu tunnel tun host {branch.host_ip[:-2]}77", check=False, rc=True)
    assert status == 1 and "answers no small packet either" in text
