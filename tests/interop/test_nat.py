# SPDX-License-Identifier: Apache-2.0
"""Real NAT by nftables: either end behind it, both, several peers behind one address, mappings that move (RFC 7296
2.23, RFC 3948).  strongSwan 5.9.8 always makes its peer see a NAT, so what it says of itself is asserted where it is
the truth."""
import pytest

from lab.esp import send_raw
from lab.proc import wait_for
from lab.traffic import Capture, Flood, assert_ping, ping_until

pytestmark = pytest.mark.trixie
ROLES = ["culvert", "strongswan"]
KEEPALIVE = "udp[4:2] = 9 and udp[8] = 0xff"  # one byte 0xff (RFC 3948 2.3)


def both_ways(p, branch=None):
    branch = branch or p.t.branch
    assert_ping(p.t.hq.host, branch.host_ip)
    assert_ping(branch.host, p.t.hq.host_ip)


def peer_port(p):
    (sa,) = p.c.ike_sas()
    return sa["remote-port"]


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("behind", ["hq", "branch", "both"])
def test_behind_nat(pair, tmp_path, behind, initiator):
    p = pair(nat=behind).start()
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up(initiator)
        both_ways(p)
    (sa,) = p.c.ike_sas()
    assert sa["nat-local"] == (behind != "branch")
    assert sa["nat-remote"] is True
    if behind != "branch":
        assert p.s.log_has("remote host is behind NAT")
    if behind != "hq":
        assert p.s.log_has("local host is behind NAT")
    assert wan.count("udp") >= 20 and wan.count("not udp and not arp") == 0
    assert wan.count(f"src {p.t.hq.public_ip} and dst {p.t.branch.public_ip}") >= 10
    # A rekey of either kind by either side goes the same way.
    (old,) = p.c.children()
    p.s.swanctl("--rekey", "--child", "net")
    wait_for(lambda: p.c.cli("show vpn ike-sa"),
             lambda: len(p.c.children()) == 1 and p.c.children()[0]["i_spi"] != old["i_spi"])
    both_ways(p)


def test_keepalives_both_ways(pair, tmp_path):
    """Both behind a NAT, nothing to say: each keeps its own mapping open."""
    p = pair(nat="both", charon={"keep_alive": "3s"})
    p.start(gateway={"nat-keepalive": 10, "dpd": {"enable": False}})
    p.up("strongswan")
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        for ip in (p.t.hq.public_ip, p.t.branch.public_ip):
            wait_for(f"a keepalive from {ip}", lambda: wan.count(f"src {ip} and {KEEPALIVE}"), 40, 0.5)
    both_ways(p)
    assert len(p.c.ike_sas()) == 1


@pytest.mark.core
def test_mapping_moves_followed_by_esp(pair, tmp_path):
    """strongSwan's NAT forgets: the next ESP packet that verifies shows culvert the new port, a forged one none."""
    p = pair(nat=True, keys_in_log=True).start()
    p.up("strongswan")
    both_ways(p)
    before = peer_port(p)
    assert 20000 <= before <= 20999

    # The right SPI from another port, but nobody's key: not followed.
    from scapy.layers.inet import IP, UDP
    from scapy.packet import Raw
    (c,) = p.c.children()
    forged = IP(src=p.t.branch.public_ip, dst=p.t.hq.public_ip) / UDP(sport=31000, dport=4500, chksum=0) / \
        Raw(c["i_spi"].to_bytes(4, "big") + (1 << 16).to_bytes(4, "big") + bytes(96))
    bad = p.c.drops()["esp-auth-failed"]
    for _ in range(3):
        send_raw(p.t.wan, forged)
    wait_for(lambda: str(p.c.drops()), lambda: p.c.drops()["esp-auth-failed"] >= bad + 3)
    both_ways(p)
    assert peer_port(p) == before

    p.t.nat_map(30000, 30999)
    ping_until(p.t.branch.host, p.t.hq.host_ip)
    assert 30000 <= peer_port(p) <= 30999
    with Flood(p.t.branch.host, p.t.hq.host_ip, tmp_path / "flood") as flood:
        both_ways(p)
    flood.assert_intact(least=5)
    assert len(p.c.ike_sas()) == 1 and p.c.cli("show vpn flow").count("tun")


def test_mapping_moves_followed_by_ike(pair):
    """No traffic: strongSwan's liveness check comes from the new port, and traffic from the headquarters finds it."""
    p = pair(nat=True).start(strongswan={"conn": {"dpd_delay": "1s"}})
    p.up("strongswan")
    both_ways(p)
    p.t.nat_map(30000, 30999)
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: 30000 <= peer_port(p) <= 30999, 15, 0.2)
    both_ways(p)
    assert len(p.c.ike_sas()) == 1


def test_our_own_mapping_moves(pair):
    """culvert behind the NAT: its liveness check shows strongSwan the new port; strongSwan then rekeys the child,
    because it cannot move one (5.9.8), and culvert goes along."""
    p = pair(nat="hq").start(gateway={"dpd": {"interval": 2, "retry": 5}})
    p.up()
    both_ways(p)
    p.t.nat_map(30000, 30999, p.t.hq)
    p.s.wait_log(r"remote endpoint changed from 198\.51\.100\.20\[2\d+\] to 198\.51\.100\.20\[30\d+\]", 30)
    ping_until(p.t.hq.host, p.t.branch.host_ip)
    p.wait_up()
    both_ways(p)
    assert len(p.c.ike_sas()) == 1


def test_two_peers_behind_one_address(pair):
    """Nothing but ports and identities tells them apart; each has its own SAs, and the end of one is not the
    other's."""
    p = pair(nat=True, branches=2)
    t = p.t
    conf = p.conf(gateway={"peer-address": "dynamic", "passive-mode": True,
                           "peer-id": {"type": "fqdn", "value": "one.example"}})
    (gw,), (tun,) = conf["ike-gateways"], conf["ipsec-tunnels"]
    conf["ike-gateways"] = [gw, {**gw, "name": "peer2", "peer-id": {"type": "fqdn", "value": "two.example"}}]
    conf["ipsec-tunnels"] = [tun, {**tun, "name": "tun2", "tunnel-interface": "tunnel.2", "ike-gateway": "peer2",
                                   "proxy-ids": [{"name": "P1", "local": t.hq.net, "remote": t.branch2.net}]}]
    conf["interfaces"].append({"name": "tunnel.2", "zone": "VPN-Zone"})
    conf["routes"].append({"destination": t.branch2.net, "interface": "tunnel.2"})
    p.start(strongswan={"local_id": "one.example"}, conf=conf)
    p.s2.start()
    p.s2.configure(local_id="two.example")
    for s in (p.s, p.s2):
        s.initiate()
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: len(p.c.children()) == 2)
    for branch in (t.branch, t.branch2):
        both_ways(p, branch)
    sas = p.c.ike_sas()
    assert {sa["remote-ip"] for sa in sas} == {"203.0.113.10"} and len({sa["remote-port"] for sa in sas}) == 2
    p.s.kill()
    p.s.start()
    p.s.configure(local_id="one.example")
    p.s.initiate()  # INITIAL_CONTACT is about one identity (RFC 7296 2.4)
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: len(p.c.ike_sas()) == 2)
    for branch in (t.branch, t.branch2):
        both_ways(p, branch)
    p.c.cli("clear vpn ike-sa gateway peer")
    wait_for("one left", lambda: len(p.c.ike_sas()) == 1)
    both_ways(p, t.branch2)
