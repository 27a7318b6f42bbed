# SPDX-License-Identifier: Apache-2.0
"""VLANs: the WAN is VLAN 100 and the LAN VLAN 200 of one port, which has no address of its own.

    hosta eth0 ----- VLAN 200 --+
                                +-- switch -- to-hq ===== d-wan: ethernet1/1.100, ethernet1/1.200
    wan to-vlan ---- VLAN 100 --+
"""
import json
import sys

import pytest

from lab import vlan_switch
from lab.proc import Daemon, run, wait_for
from lab.topology import address, address6, no_offload, veth
from lab.traffic import MARKER, Capture, assert_ping, iperf, mbit

WAN, LAN, STRANGE = 100, 200, 300


def access_port(t, tag, to_ns, name):
    """A network on a VLAN of the switch; the argument that tells the switch."""
    veth(t.wan, f"access{tag}", to_ns, name)
    no_offload(to_ns, name)
    return f"{tag}=access{tag}"


@pytest.fixture
def rewire(pair):
    """rewire(p): see rewired(); the switch ends with the test."""
    switches = []
    yield lambda p: switches.append(rewired(p))
    for s in switches:
        s.stop()


def rewired(p):
    """What was on to-hq and on a wire of its own goes onto VLANs of to-hq.  VLAN 300 is the switch's alone."""
    t, hq, wan = p.t, p.t.hq, p.t.wan
    run("ip", "-n", hq.gateway, "link", "del", "d-lan")  # and hosta's eth0 with it
    run("ip", "-n", wan, "addr", "flush", "dev", "to-hq")
    ports = [access_port(t, WAN, wan, "to-vlan"), access_port(t, LAN, hq.host, "eth0"),
             access_port(t, STRANGE, wan, "strange")]
    switch = Daemon([sys.executable, vlan_switch.__file__, "to-hq", *ports], f"{p.tmp}/switch", ns=wan)
    wait_for("the switch forwards", lambda: "ready" in switch.output())
    address(wan, "to-vlan", hq.wan_router + "/24")
    address(hq.host, "eth0", hq.host_ip + "/24")
    run("ip", "-n", hq.host, "route", "add", "default", "via", hq.lan_ip)
    run("ip", "-n", hq.host, "route", "add", t.branch.net, "via", hq.lan_ip, "src", hq.host_ip)
    if t.v6:
        address6(wan, "to-vlan", hq.wan6_router + "/64")
        address6(hq.host, "eth0", hq.host6_ip + "/64")
    return switch


def vlan_conf(p, **kw):
    conf = p.conf(**kw)
    outer, inner, tunnel = conf["interfaces"]
    conf["interfaces"] = [{**outer, "name": "ethernet1/1.100", "tag": WAN}, {**inner, "name": "ethernet1/1.200", "tag": LAN},
                          {"name": "ethernet1/1", "port": outer["port"]}, tunnel]
    for f in conf["interfaces"][:2]:
        del f["port"]
    conf["ike-gateways"][0]["interface"] = "ethernet1/1.100"
    return conf


def interfaces(p):
    return {e["name"]: e for e in json.loads(p.c.cli("show interface --json"))["entries"]}


@pytest.mark.core
@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
def test_wan_and_lan_on_vlans_of_one_port(pair, rewire, tmp_path, v6, initiator):
    p = pair(v6=v6)
    rewire(p)
    a, b = p.t.hq, p.t.branch
    peers = {"local_addrs": b.wan6_ip, "remote_addrs": a.wan6_ip, "local_id": b.wan6_ip, "remote_id": a.wan6_ip}
    p.start(conf=vlan_conf(p, v6=v6), strongswan=peers if v6 else {})
    with Capture(p.t.wan, "to-vlan", tmp_path / "wan.pcap") as wan:
        p.up(initiator)
        assert_ping(a.host, b.host_ip, count=10, marker=True)
        assert_ping(b.host, a.host_ip, count=10, marker=True)
    assert not wan.holds(MARKER)
    assert wan.count("udp port 4500") >= 40
    assert_ping(a.host, a.lan_ip)
    assert_ping(p.t.wan, a.wan_ip)
    if v6:
        assert_ping(a.host, a.lan6_ip)
        assert_ping(p.t.wan, a.wan6_ip)
    seen = interfaces(p)
    assert seen["ethernet1/1.100"]["tag"] == WAN and seen["ethernet1/1.200"]["tag"] == LAN
    for name in ("ethernet1/1.100", "ethernet1/1.200"):
        assert seen[name]["rx-packets"] >= 20 and seen[name]["tx-packets"] >= 20
        assert seen[name]["state"] == "up" and seen[name]["mtu"] == 1500
    assert seen["ethernet1/1"]["rx-packets"] >= 40
    assert p.c.drops()["vlan-unknown"] == 0


def test_tcp_full_frames_and_strangers(pair, rewire, tmp_path):
    """Tagged frames of a full MTU pass both ways; what carries no tag, or another one, is counted and no more."""
    p = pair()
    rewire(p)
    p.start(conf=vlan_conf(p))
    p.up()
    a, b = p.t.hq, p.t.branch
    for reverse in (False, True):
        assert mbit(iperf(b.host, b.host_ip, a.host, tmp_path / "iperf", reverse=reverse)) > 1
    assert_ping(a.host, a.lan_ip, size=1472, df="do")
    assert_ping(p.t.wan, a.wan_ip, size=1472, df="do")
    address(p.t.wan, "strange", "192.0.2.1/24")
    address(p.t.wan, "to-hq", "192.0.3.1/24")
    before = p.c.drops()
    for net in ("192.0.2.9", "192.0.3.9"):
        run("ping", "-c", 1, "-W", 1, net, ns=p.t.wan, check=False)
    after = p.c.drops()
    assert after["vlan-unknown"] > before["vlan-unknown"]
    assert after["vlan-missing"] > before["vlan-missing"]
    assert "VLAN tag: 100" in p.c.cli("show interface ethernet1/1.100")
