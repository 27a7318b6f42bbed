# SPDX-License-Identifier: Apache-2.0
"""Transport mode between the gateways' own addresses.

strongSwan's user-space ESP has tunnel mode only, so its IKE is asked to believe that an SA was installed, and scapy, with
the keys that it logged, sends and receives its packets."""
import pytest

from lab import esp
from lab.proc import wait_for
from lab.topology import Topology
from lab.traffic import Capture, assert_ping

MONITOR = {"interval": 1, "threshold": 2}


def hosts(t):
    return [(f"{t.hq.wan_ip}/32", f"{t.branch.wan_ip}/32")]


@pytest.mark.core
@pytest.mark.parametrize("natt", ["auto", "force"])
@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
def test_probes_between_two_gateways(culverts, tmp_path, natt, v6):
    """Without proxy-IDs the gateways themselves are meant.  A's monitor asks, B answers, and the wire sees ESP alone."""
    far = Topology("-").branch
    far = far.wan6_ip if v6 else far.wan_ip
    t, a, b = culverts(v6=v6, gateway={"nat-traversal": natt}, tunnel={"ipsec-mode": "transport"}, proxy_ids=[],
                       hq={"tunnel": {"ipsec-mode": "transport", "tunnel-monitor": {**MONITOR, "destination": far}}})
    with Capture(t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        wait_for(lambda: a.cli("show vpn tunnel-monitor"),
                 lambda: a.cli("show vpn tunnel-monitor", json_out=True)["entries"][0]["pkt-recv"] >= 4, 20, 0.2)
    assert a.children()[0]["mode"] == b.children()[0]["mode"] == "trans"
    assert a.flow("tun")["pkt-encap"] >= 3 <= b.flow("tun")["pkt-decap"]
    assert wan.count("icmp") == wan.count(f"icmp6 and host {far}" if v6 else "icmp6") == 0
    assert wan.count(f"{'ip6' if v6 else 'ip'} proto 50" if natt == "auto" else "udp port 4500") >= 4
    # Others are answered in the clear, as ever.
    assert_ping(t.wan, t.hq.wan6_ip if v6 else t.hq.wan_ip)


def start(p, **kw):
    a, b = p.t.hq, p.t.branch
    return p.start(proxy_ids=hosts(p.t), tunnel={"ipsec-mode": "transport"},
                   strongswan={"children": {"net": {"local_ts": b.wan_ip, "remote_ts": a.wan_ip, "mode": "transport"}}},
                   **kw)


def pair_of(p):
    """scapy's view of strongSwan's SAs: ours to it, its to us, keys by who started."""
    keys = esp.charon_keys(p.s.log())
    (c,) = p.c.children()
    mine, theirs = ("initiator", "responder") if c["role"] == "Init" else ("responder", "initiator")
    make = esp.SecurityAssociation
    return (make(esp.ESP, spi=c["o_spi"], crypt_algo="AES-GCM", crypt_key=keys[f"encryption {mine}"]),
            make(esp.ESP, spi=c["i_spi"], crypt_algo="AES-GCM", crypt_key=keys[f"encryption {theirs}"]))


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_strongswan(pair, tmp_path, initiator):
    from scapy.layers.inet import ICMP, IP
    from scapy.packet import Raw
    p = start(pair(keys_in_log=True, any_mode=True))
    a, b = p.t.hq, p.t.branch
    p.up(initiator)
    assert p.c.children()[0]["mode"] == "trans" and "TRANSPORT" in p.s.sas()
    assert "mode:                   transport" in p.c.cli("show vpn flow name tun")
    assert p.c.children()[0]["ts-local"] == [f"{a.wan_ip}/32"]
    ours, theirs = pair_of(p)
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        for n in range(1, 4):
            request = IP(src=b.wan_ip, dst=a.wan_ip, id=n) / ICMP(id=7, seq=n) / Raw(b"x" * 50 * n)
            esp.send_raw(p.t.wan, esp.wrap(theirs.encrypt(IP(bytes(request)), seq_num=n)))
            esp.send_raw(p.t.wan, request)  # in the clear: not answered
        wait_for(lambda: str(p.c.drops()), lambda: p.c.flow("tun")["pkt-encap"] == 3)
        wait_for(lambda: str(p.c.drops()), lambda: p.c.drops()["clear-text-refused"] == 3)
    answers = [ours.decrypt(esp.unwrap(q)) for q in wan.packets() if esp.is_esp(q) and q["IP"].src == a.wan_ip]
    assert [(q[ICMP].type, q[ICMP].seq, len(q[ICMP].payload), q[IP].src, q[IP].dst) for q in answers] == \
        [(0, n, 50 * n, a.wan_ip, b.wan_ip) for n in range(1, 4)]
    for q in answers:
        again = IP(bytes(q))
        del again[ICMP].chksum
        assert IP(bytes(again))[ICMP].chksum == q[ICMP].chksum
    assert wan.count(f"icmp and src {a.wan_ip}") == 0 and wan.count("icmp") == 3


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_peer_has_tunnel_mode(pair, initiator):
    """Told at once, by either role; nothing is left."""
    p = pair(any_mode=True)
    p.start(proxy_ids=hosts(p.t), tunnel={"ipsec-mode": "transport"},
            strongswan={"children": {"net": {"local_ts": p.t.branch.wan_ip, "remote_ts": p.t.hq.wan_ip}}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False, timeout=3)
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), p.c.failures)
    text = p.c.cli("show vpn ike-sa gateway peer")
    assert ("agrees to tunnel mode only" if initiator == "culvert" else "asks for tunnel mode") in text, text
    wait_for(lambda: p.s.sas(), lambda: p.s.counts()[1] == 0)
    assert p.c.children() == []
