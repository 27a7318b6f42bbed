# SPDX-License-Identifier: Apache-2.0
"""Additional key exchanges (RFC 9370): IKE_INTERMEDIATE and IKE_FOLLOWUP_KE against strongSwan 6, which the strongSwan
of Debian 12 has not: `scripts/test interop-trixie` brings it.  ML-KEM is where both have it; classic groups, which are
as legal, show the protocol everywhere."""
import re

import pytest

from lab import culvert, strongswan
from lab.proc import wait_for
from lab.traffic import Flood, assert_ping

pytestmark = [pytest.mark.trixie,
              pytest.mark.skipif(strongswan.version() < (6,), reason="needs strongSwan 6: scripts/test interop-trixie")]
ROLES = ["culvert", "strongswan"]


def start(pair, ike, esp, culvert_ike, culvert_esp, **kw):
    """ike, esp: strongSwan's ke1_… part; culvert_…: additional-key-exchange."""
    p = pair()
    return p.start(ike={"dh-group": ["group31"], "encryption": ["aes-256-gcm"], "authentication": ["sha384"],
                        "additional-key-exchange": culvert_ike},
                   esp={"dh-group": "group31", **({"additional-key-exchange": culvert_esp} if culvert_esp else {})},
                   strongswan={"proposals": "aes256gcm16-prfsha384-x25519" + ike, "esp": "aes256gcm16-x25519" + esp}, **kw)


def rekey_child(p, who):
    before = {c["i_spi"] for c in p.c.children()}
    if who == "culvert":
        p.c.cli("request vpn rekey ipsec-sa tunnel tun:P1")
    else:
        p.s.swanctl("--rekey", "--child", "net")
    wait_for("a new Child SA", lambda: (now := p.c.children()) and not {c["i_spi"] for c in now} & before)
    p.wait_up()


def rekey_ike(p, who):
    (before,) = p.c.ike_sas()
    if who == "culvert":
        p.c.cli("request vpn rekey ike-sa gateway peer")
    else:
        p.s.swanctl("--rekey", "--ike", "peer")
    wait_for("a new IKE SA", lambda: len(now := p.c.ike_sas()) == 1 and now[0]["spi-i"] != before["spi-i"])
    p.wait_up()


def both_ways(p):
    assert_ping(p.t.hq.host, p.t.branch.host_ip, src=p.t.hq.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip, src=p.t.branch.host_ip)


@pytest.mark.parametrize("initiator", ROLES)
def test_classic_group_in_ike_and_child(pair, initiator):
    p = start(pair, "-ke1_ecp384", "-ke1_ecp521", ["group20"], ["group21"])
    p.up(initiator)
    assert p.s.log_has(r"IKE_INTERMEDIATE request 1 \[ KE \]")
    assert p.c.ike_sas()[0]["dh"] == "DH31+DH20"
    both_ways(p)
    for who in ROLES:
        rekey_child(p, who)
        assert p.c.children()[0]["dh"] == "DH31+DH21"
        both_ways(p)
        rekey_ike(p, who)
        assert p.c.ike_sas()[0]["dh"] == "DH31+DH20"
        both_ways(p)
    assert len(re.findall(r"IKE_FOLLOWUP_KE request \d+ \[ KE N\(ADD_KE\) \]", p.s.log())) >= 4


@pytest.mark.parametrize("initiator", ROLES)
def test_three_of_them(pair, initiator):
    p = start(pair, "-ke1_ecp256-ke2_ecp384-ke3_ecp521", "-ke1_ecp256-ke2_ecp384", ["group19", "group20", "group21"],
              ["group19", "group20"])
    p.up(initiator)
    assert p.s.log_has(r"IKE_INTERMEDIATE request 3 \[ KE \]")
    rekey_child(p, initiator)
    rekey_ike(p, initiator)
    both_ways(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_large_values_go_in_fragments(pair, initiator):
    """MODP-4096 with fragments of 576 bytes: AUTH covers what was cut as if it had not been (RFC 9242 3.3.2)."""
    p = start(pair, "-ke1_modp4096", "-ke1_modp4096", ["group16"], ["group16"], gateway={"fragment-size": 576})
    p.up(initiator)
    assert p.s.log_has(r"parsed IKE_INTERMEDIATE response 1 \[ EF|parsed IKE_INTERMEDIATE request 1 \[ EF")
    rekey_child(p, initiator)
    both_ways(p)


def test_one_end_may_leave_it_out(pair):
    p = start(pair, "", "", [["group20", "none"]], [["group20", "none"]])
    p.up("culvert")
    assert p.c.ike_sas()[0]["dh"] == "DH31"
    both_ways(p)


@pytest.mark.parametrize("initiator", ROLES)
def test_one_end_insists(pair, initiator):
    p = start(pair, "", "", ["group20"], None)
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False)
    failures = wait_for("a failure", p.c.failures)
    assert failures[0]["cause"] == "no-proposal"
    assert "additional key exchange" in failures[0]["text"] or initiator == "culvert"


def test_no_packet_is_lost_by_rekeys(pair, tmp_path):
    p = start(pair, "-ke1_ecp384", "-ke1_ecp384", ["group20"], ["group20"])
    p.up("culvert")
    both_ways(p)
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", interval=0.005) as flood:
        for who in ROLES * 3:
            rekey_child(p, who)
            rekey_ike(p, who)
    flood.assert_intact(least=50)


@pytest.mark.skipif(not (culvert.CHROOT and strongswan.version() >= (6, 1)),
                    reason="needs OpenSSL 3.5 on both ends: scripts/test trixie")
@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("size", ["512", "768", "1024"])
def test_ml_kem(pair, size, initiator):
    """As additional key exchange on x25519, from the start and through rekeys of both kinds by both ends."""
    p = start(pair, f"-ke1_mlkem{size}", f"-ke1_mlkem{size}", [f"mlkem{size}"], [f"mlkem{size}"])
    p.up(initiator)
    assert p.s.log_has(f"KE1_ML_KEM_{size}")
    assert p.c.ike_sas()[0]["dh"] == f"DH31+ML-KEM-{size}"
    both_ways(p)
    for who in ROLES:
        rekey_child(p, who)
        assert p.c.children()[0]["dh"] == f"DH31+ML-KEM-{size}"
        both_ways(p)
        rekey_ike(p, who)
        assert p.c.ike_sas()[0]["dh"] == f"DH31+ML-KEM-{size}"
        both_ways(p)
    if size == "1024":
        assert p.s.log_has(r"(generating|parsed) IKE_INTERMEDIATE re\w+ 1 \[ EF")
