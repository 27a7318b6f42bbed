# SPDX-License-Identifier: Apache-2.0
"""ping out of the data plane, through a tunnel to strongSwan and past it; and what it says when nobody answers."""
import re
import signal
import subprocess
import time

import pytest

from lab.culvert import binary
from lab.proc import run, wait_for

pytestmark = pytest.mark.core


def pings(c, words):
    """(exit status, JSON or text)"""
    return c.cli("ping " + words, check=False, rc=True)


def test_ping_through_the_tunnel_and_beside_it(pair):
    p = pair().start()
    p.up()
    hq, branch = p.t.hq, p.t.branch
    before = p.c.flow("tun")["pkt-encap"]
    got = p.c.cli(f"ping source {hq.lan_ips[0]} host {branch.host_ip} count 3", json_out=True)
    assert got["summary"]["sent"] == got["summary"]["received"] == 3 and [r["seq"] for r in got["replies"]] == [1, 2, 3]
    assert all(r["bytes"] == 64 and 0 < r["rtt-ns"] < 1e9 and r["ttl"] < 64 for r in got["replies"])
    assert p.c.flow("tun")["pkt-encap"] == before + 3

    # The source is the port's own where the way leads out of one, and no tunnel is on it.
    text = p.c.cli(f"ping host {hq.wan_router} count 1")
    assert re.search(rf"PING {re.escape(hq.wan_router)} from {re.escape(hq.wan_ip)}: 56\(84\) bytes of data\.\n"
                     rf"64 bytes from {re.escape(hq.wan_router)}: icmp_seq=1 ttl=64 time=\d+\.\d+ ms\n\n"
                     r"--- \S+ ping statistics ---\n1 packets transmitted, 1 received, 0% packet loss, time \d+ms\n"
                     r"rtt min/avg/max = ", text)
    assert p.c.flow("tun")["pkt-encap"] == before + 3

    # Larger than the tunnel carries: cut, or not sent at all.
    big = f"source {hq.lan_ips[0]} host {branch.host_ip} size 1472 count 1"
    drops = p.c.drops()["too-big"]
    status, text = pings(p.c, big + " do-not-fragment yes")
    assert status == 1 and "1 packets transmitted, 0 received, 100% packet loss" in text
    assert "the tunnel carries packets of" in text and p.c.drops()["too-big"] == drops + 1
    mtu = int(re.search(r"carries packets of (\d+) bytes", text)[1])
    assert mtu == p.c.flow("tun")["mtu"]
    assert pings(p.c, f"source {hq.lan_ips[0]} host {branch.host_ip} size {mtu - 28} count 1 do-not-fragment yes")[0] == 0

    p.c.cli("clear vpn flow name tun")
    flow = p.c.flow("tun")
    assert flow["pkt-encap"] == flow["byte-encap"] == flow["pkt-decap"] == 0 and flow["seq-send"] > 3
    p.c.cli(f"ping source {hq.lan_ips[0]} host {branch.host_ip} count 1")
    assert p.c.flow("tun")["pkt-encap"] == p.c.flow("tun")["pkt-decap"] == 1


def test_ping_says_why_not(pair):
    p = pair().start()
    hq = p.t.hq
    for words, status, says in (
            ("", 2, "an address is needed"),
            ("host nowhere", 2, "an address is needed"),
            (f"host {hq.wan_router} count 0", 2, "allowed: 1 to 65535"),
            (f"host {hq.wan_router} size 99999", 2, "allowed: 0 to 9000"),
            (f"host {hq.wan_router} do-not-fragment maybe", 2, "allowed: yes, no"),
            (f"host {hq.wan_ip}", 1, "address of this gateway's own"),
            (f"host {hq.wan_router} source 192.0.2.1", 1, "none of this gateway's addresses"),
            (f"host {p.t.branch.host_ip}", 1, "say which is the source"),
            ("host 2001:db8::1", 1, "no route leads to 2001:db8::1")):
        assert pings(p.c, words)[0] == status and says in pings(p.c, words)[1], words
    with p.t.wan_cut():
        status, text = pings(p.c, f"source {hq.lan_ips[0]} host {p.t.branch.host_ip} count 1")
    assert status == 1 and "no answer: the tunnel, tun:P1, is not up: diagnose vpn tunnel tun:P1; test vpn packet" in text


def test_ping_tells_errors(pair):
    """What routers say of a request is shown beside the answers, and it is not waited for what will not come."""
    p = pair().start()
    p.up()
    hq, branch = p.t.hq, p.t.branch
    status, text = pings(p.c, f"host {branch.wan_ip} ttl 1 count 2")
    assert status == 1 and text.count(f"From {hq.wan_router} icmp_seq=") == 2 and "Time to live exceeded" in text
    assert "2 packets transmitted, 0 received, +2 errors, 100% packet loss" in text
    assert f"no answer: {hq.wan_router} says: Time to live exceeded" in text
    got = p.c.cli(f"ping host {branch.wan_ip} ttl 2 tos 184 count 1", json_out=True)
    assert got["summary"]["received"] == 1 and got["start"]["tos"] == 184

    # The same out of the tunnel: a rule of the peer's network refuses.
    run("nft", "-f", "-", ns=branch.gateway, stdin="""
        table ip no {
            chain forward {
                type filter hook forward priority filter
                icmp type echo-request reject with icmp type admin-prohibited
            }
        }""")
    status, text = pings(p.c, f"source {hq.lan_ips[0]} host {branch.host_ip} count 1")
    assert status == 1 and re.search(r"From 10\.10\.10\.1 icmp_seq=1 Packet filtered", text)
    run("nft", "delete", "table", "ip", "no", ns=branch.gateway)


def test_ping_sums_up_when_interrupted(pair):
    p = pair().start()
    argv = [binary("culvert"), "-s", p.c.socket, "ping", "host", p.t.hq.wan_router, "count", "1000"]
    c = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    c.stdout.readline(), c.stdout.readline()
    c.send_signal(signal.SIGINT)
    out, err = c.communicate(timeout=20)
    assert c.returncode == 0 and err == "" and re.search(r"ping statistics ---\n\d+ packets transmitted, \d+ received, ", out)
    argv[5] = "198.51.100.77"  # nobody
    c = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert c.stdout.readline().startswith("PING ")
    c.send_signal(signal.SIGINT)
    out, err = c.communicate(timeout=20)
    assert c.returncode == 1 and "0 received, 100% packet loss" in out and "no answer" in err
    c = subprocess.Popen(argv[:3] + ["show", "log", "system", "follow", "yes"], stdout=subprocess.PIPE, text=True)
    assert "culvertd running" in c.stdout.readline()
    c.send_signal(signal.SIGINT)
    assert c.wait(20) == 0
    wait_for("room for all", lambda: pings(p.c, f"host {p.t.hq.wan_router} count 1")[0] == 0)


def test_ping_ends_with_its_client(pair):
    """A client that is killed in the middle leaves nothing behind: all may ping again, and the daemon answers others
    meanwhile."""
    p = pair().start()
    argv = [binary("culvert"), "-s", p.c.socket, "ping", "host", p.t.hq.wan_router, "count", "1000"]
    crowd = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    try:
        for c in crowd:
            assert c.stdout.readline().startswith("PING ") and "icmp_seq=1" in c.stdout.readline(), "as it comes"
        assert p.c.cli("show system info") and pings(p.c, f"host {p.t.hq.wan_router}")[0] == 1
    finally:
        for c in crowd:
            c.kill()
            c.wait()
    wait_for("room for another", lambda: pings(p.c, f"host {p.t.hq.wan_router} count 1")[0] == 0)
    began = time.monotonic()
    assert pings(p.c, f"host {p.t.hq.wan_router} count 2")[0] == 0 and time.monotonic() - began < 2


def test_ping_ipv6(culverts):
    t, a, _ = culverts(v6=True)
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("a Child SA", a.children)
    got = a.cli(f"ping host {t.hq.wan6_router} count 2", json_out=True)
    assert got["summary"]["received"] == 2
    got = a.cli(f"ping host {t.branch.wan6_ip} ttl 1 count 1", json_out=True, check=False)
    assert [(e["from"], e["text"]) for e in got["errors"]] == [(t.hq.wan6_router, "Time to live exceeded")]
