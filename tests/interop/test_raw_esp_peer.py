# SPDX-License-Identifier: Apache-2.0
"""ESP as IP protocol 50 with a peer that is not culvert: strongSwan 6 (Debian 13's), kernel-libipsec's raw_esp.
Skipped with Debian 12's 5.9.8, which has only UDP encapsulation; `scripts/test interop-trixie` brings the other."""
import re

import pytest

from lab import esp
from lab.proc import wait_for
from lab.strongswan import version
from lab.traffic import MARKER, Capture, Flood, assert_ping, iperf, mbit

pytestmark = [pytest.mark.trixie,
              pytest.mark.skipif(version() < (6,), reason="this strongSwan has no raw ESP")]

ROLES = ["culvert", "strongswan"]


def both_ways(p, **kw):
    assert_ping(p.t.hq.host, p.t.branch.host_ip, **kw)
    assert_ping(p.t.branch.host, p.t.hq.host_ip, **kw)


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("suite", [("aes-256-gcm", None), ("aes-128-gcm", None), ("aes-256-cbc", "sha256"),
                                   ("aes-128-cbc", "sha1"), ("chacha20-poly1305", None)],
                         ids=lambda s: "-".join(filter(None, s)))
def test_raw_esp_with_strongswan(pair, tmp_path, suite, initiator):
    encr, auth = suite
    proposal = {"aes-256-gcm": "aes256gcm16", "aes-128-gcm": "aes128gcm16", "aes-256-cbc": "aes256-sha256",
                "aes-128-cbc": "aes128-sha1", "chacha20-poly1305": "chacha20poly1305"}[encr]
    p = pair(raw_esp=True).start(strongswan={"esp": proposal + "-modp2048"},
                                 esp={"encryption": [encr], **({"authentication": [auth]} if auth else {})})
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up(initiator)
        both_ways(p, marker=True, count=10)
    # Not in the capture: a full socket of charon's makes its kernel say "protocol 50 unreachable".
    assert mbit(iperf(p.t.branch.host, p.t.branch.host_ip, p.t.hq.host, tmp_path / "iperf", seconds=1)) > 1
    assert wan.count("ip proto 50") == 40 and wan.count("udp port 4500") == 0
    assert wan.count("not arp and not udp port 500 and not ip proto 50") == 0 and not wan.holds(MARKER)
    (sa,) = p.c.ike_sas()
    assert not (sa["nat-local"] or sa["nat-remote"] or sa["udp-encap"])
    assert re.search(r"INSTALLED, TUNNEL, ", p.s.sas()), "not TUNNEL-in-UDP"


@pytest.mark.parametrize("initiator", ROLES)
def test_forced_encapsulation_with_strongswan(pair, tmp_path, initiator):
    """No NAT, a peer that could do without: `nat-traversal = force` encapsulates all the same."""
    p = pair(raw_esp=True).start(gateway={"nat-traversal": "force"})
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up(initiator)
        both_ways(p)
    assert wan.count("ip proto 50") == 0 and wan.count("udp port 4500") >= 20


@pytest.mark.parametrize("behind", ["hq", "branch"])
def test_real_nat_is_seen_for_what_it_is(pair, behind):
    """Nobody fakes here: each side knows who is behind the NAT, and ESP is in UDP."""
    p = pair(raw_esp=True, nat=behind).start()
    p.up("culvert" if behind == "hq" else "strongswan")
    both_ways(p)
    (sa,) = p.c.ike_sas()
    assert (sa["nat-local"], sa["nat-remote"]) == (behind == "hq", behind == "branch") and sa["udp-encap"]
    assert "TUNNEL-in-UDP" in p.s.sas()
    assert bool(p.s.log_has("remote host is behind NAT")) == (behind == "hq")
    assert bool(p.s.log_has("local host is behind NAT")) == (behind == "branch")


def test_raw_esp_rekeys_under_traffic(pair, tmp_path):
    p = pair(raw_esp=True).start()
    p.up()
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "flood") as flood:
        for what in (("--child", "net"), ("--ike", "peer")) * 3:
            old = (p.c.children()[0]["i_spi"], p.c.ike_sas()[0]["spi-i"])
            p.s.swanctl("--rekey", *what)
            wait_for(lambda: p.c.cli("show vpn ike-sa"),
                     lambda: len(p.c.children()) == len(p.c.ike_sas()) == 1 and p.s.counts() == (1, 1) and
                     (p.c.children()[0]["i_spi"], p.c.ike_sas()[0]["spi-i"]) != old)
    flood.assert_intact()


def test_raw_esp_replayed(pair, tmp_path):
    """A packet of strongSwan's own, seen on the wire, comes once more: no second copy gets in."""
    p = pair(raw_esp=True).start()
    p.up()
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        both_ways(p)
    mine = [q for q in wan.packets() if esp.is_esp(q) and q["IP"].src == p.t.branch.wan_ip]
    before, replayed = p.c.flow("tun")["pkt-decap"], p.c.drops()["esp-replay"]
    for q in mine[:5]:
        esp.send_raw(p.t.wan, q["IP"])
    wait_for(lambda: str(p.c.drops()), lambda: p.c.drops()["esp-replay"] == replayed + 5)
    assert p.c.flow("tun")["pkt-decap"] == before
