# SPDX-License-Identifier: Apache-2.0
"""Outer fragments: a WAN narrower than strongSwan's ESP and IKE datagrams, which it or a router cuts.

net_af_packet has the kernel put IPv4 fragments together before we see them, so that the WAN's port is net_pcap here.
"""
import random
import sys

import pytest
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.packet import Raw

from lab.esp import send_raw
from lab.proc import run, wait_for
from lab.traffic import Capture, assert_ping, ping

WAN_PORT, LAN_PORT = (f"net_pcap{i},rx_iface_in={d},tx_iface={d}" for i, d in enumerate(("d-wan", "d-lan")))
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: no DF
s.sendto(bytes(3000), (sys.argv[1], int(sys.argv[2])))
"""
MTU = {False: 1200, True: 1280}  # IPv6 has no less


def start(p, strongswan=None):
    """Both ends up, between them a WAN narrower than the hosts' packets."""
    v6 = p.t.v6
    a, b, mtu = p.t.hq, p.t.branch, MTU[p.t.v6]
    conf = p.conf(v6=v6, ports=(WAN_PORT, "net_af_packet1,iface=d-lan"))
    conf["interfaces"][0]["mtu"] = mtu
    for ns, dev in ((p.t.wan, "to-hq"), *([(p.t.wan, "to-branch"), (b.gateway, "wan0")] if v6 else [])):
        run("ip", "-n", ns, "link", "set", dev, "mtu", mtu)
    peers = {"local_addrs": b.wan6_ip, "remote_addrs": a.wan6_ip, "local_id": b.wan6_ip, "remote_id": a.wan6_ip}
    p.start(conf=conf, strongswan={**(peers if v6 else {}), **(strongswan or {})})
    return p


def fragments(capture, v6):
    """Of a capture, those that came towards the headquarters."""
    if v6:
        return capture.count("ip6[6] = 44 and src net 2001:db8:2::/64")
    return capture.count("ip[6:2] & 0x3fff != 0 and dst host 198.51.100.20")


def reassembled(p):
    return sum(w["reassembled"] for w in p.c.cli("show dataplane", json_out=True)["entries"])


@pytest.mark.core
@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
def test_esp_in_fragments(pair, tmp_path, v6):
    p = start(pair(v6=v6))
    p.up()
    a, b = p.t.hq, p.t.branch
    ping(b.host, a.host_ip, size=1350, wait=1)  # charon's socket learns what the way carries
    before = reassembled(p)
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        assert_ping(b.host, a.host_ip, count=20, size=1350, df="dont")
        assert_ping(a.host, b.host_ip, count=20, size=1350, df="dont")
    assert fragments(wan, v6) >= 80
    assert reassembled(p) - before >= 40
    drops = p.c.drops()
    for why in ("fragment-timeout", "fragment-overlap", "fragment-duplicate", "fragment-too-big", "ip-fragment"):
        assert drops[why] == 0, why


@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
def test_ike_auth_in_fragments(pair, tmp_path, v6):
    """Many proposals, and IKE's own fragmentation (RFC 7383) off: IP has to do it."""
    many = [f"{e}-{i}-{n}" for e in ("aes128", "aes192", "aes256") for i in ("sha1", "sha256", "sha384", "sha512")
            for n in ("esn", "noesn", "noesn-esn")]
    p = start(pair(v6=v6), strongswan={"conn": {"fragmentation": "no"}, "esp": ", ".join([*many[:30], "aes256gcm16"])})
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up("strongswan")
    assert fragments(wan, v6) >= 2
    assert reassembled(p) >= 1
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def test_scapys_fragments(pair, tmp_path):
    """In order and not, twice, overlapping, incomplete: scapy cuts, and says whether the answer is right."""
    p = start(pair())
    p.up()
    wan, gw = p.t.wan, p.t.hq.wan_ip
    rnd, expected = random.Random(7), {}
    with Capture(wan, "to-hq", tmp_path / "wan.pcap", f"icmp and src host {gw}") as answers:
        for n in range(40):
            payload = rnd.randbytes(rnd.randrange(600, 1100))
            parts = fragment(IP(src=p.t.hq.wan_router, dst=gw, id=1000 + n) / ICMP(id=7, seq=n) / Raw(payload),
                             fragsize=rnd.choice([128, 256, 512]))
            kind = ("order", "shuffled", "twice", "overlap", "missing")[n % 5]
            if kind != "order":
                rnd.shuffle(parts)
            if kind == "twice":
                parts.insert(1, parts[0])
            if kind == "overlap":
                parts.insert(1, IP(bytes(parts[0])))
                parts[1][IP].payload = Raw(bytes(parts[1][IP].payload)[:-8] or b"12345678")
                parts[1].flags, parts[1].len, parts[1].chksum = "MF", None, None
            if kind == "missing":
                parts.pop()
            if kind not in ("overlap", "missing"):
                expected[n] = payload
            for f in parts:
                send_raw(wan, f)
        wait_for("the last answer", lambda: p.c.drops()["fragment-overlap"] > 0, 5)
    got = {}
    for packet in answers.packets():
        again = packet[IP].copy()
        del again.chksum, again[ICMP].chksum
        assert bytes(again) == bytes(packet[IP])  # with checksums of scapy's
        got[packet[ICMP].seq] = bytes(packet[ICMP].payload)
    assert got == expected
    drops = p.c.drops()
    assert drops["fragment-duplicate"] >= 1 and drops["fragment-overlap"] >= 8


def test_fragments_and_port_selecting_proxy_ids(culverts, tmp_path):
    """UDP datagrams larger than any packet go by the proxy-ID of their port, both ways, and none by another.  libipsec
    of strongSwan has no ports for fragments, so the other end is culvert."""
    near, far = "10.20.20.0/24", "10.10.10.0/24"
    ids = [("to", near, far, "remote-port", "local-port"), ("from", near, far, "local-port", "remote-port")]
    t, hq, branch = culverts(
        ports=(WAN_PORT, LAN_PORT),
        hq={"proxy_ids": [{"name": n, "local": a, "remote": b, "protocol": "udp", x: 5300} for n, a, b, x, _ in ids]},
        branch={"proxy_ids": [{"name": n, "local": b, "remote": a, "protocol": "udp", y: 5300} for n, a, b, _, y in ids]})
    hq.cli("test vpn ipsec-sa tunnel tun")
    wait_for("two Child SAs", lambda: len(hq.children()) == 2)
    for src, dst in ((t.hq, t.branch), (t.branch, t.hq)):
        with Capture(dst.host, "eth0", tmp_path / f"{dst.gateway}.pcap", f"udp and src host {src.host_ip}") as seen:
            for port in (5301, 5300):
                run(sys.executable, "-c", SEND, dst.host_ip, port, ns=src.host)
            wait_for("the datagram", lambda: seen.count("udp") >= 3)
        packets = [q[IP] for q in seen.packets()]
        assert [q[UDP].dport for q in packets if q.frag == 0] == [5300]
        assert sum(len(q.payload) for q in packets) == 3008
    for c in (hq, branch):
        drops = c.drops()
        assert drops["no-matching-proxy-id"] >= 3  # and what the other host says of a closed port
        assert drops["fragment-timeout"] == drops["esp-inner-selector"] == 0
