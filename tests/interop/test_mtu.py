# SPDX-License-Identifier: Apache-2.0
"""Packets too big for the tunnel, or for the way to the peer: nobody's transfer stalls, and hosts know nothing of it.

The WAN's router sends "fragmentation needed" for outer packets of ours that have DF and do not fit; hosts get theirs
from culvert.  strongSwan's TUN device takes 1400 bytes, so answers bigger than that come back in fragments."""
import pytest

from lab.proc import run
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
