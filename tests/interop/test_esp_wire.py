# SPDX-License-Identifier: Apache-2.0
"""culvert's ESP packet by packet, judged by implementations that share no code with it: scapy, the `cryptography`
library and tshark, with the keys strongSwan wrote into its log."""
import struct

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP

from lab import esp
from lab.proc import wait_for
from lab.traffic import Capture, assert_ping

pytestmark = pytest.mark.core


GCM256 = ("aes-256-gcm", None)
PROPOSALS = ",".join(["aes128gcm16", "aes192gcm16", "aes256gcm16", "chacha20poly1305", "null-sha256"] + [
    f"aes{bits}-{auth}" for bits in (128, 192, 256) for auth in ("sha1", "sha256", "sha384", "sha512")])


class Wire:
    """A tunnel with known keys, seen from the branch."""

    def __init__(self, pair, initiator, suite=GCM256, **kw):
        encr, auth = self.suite = suite
        self.p = pair(keys_in_log=True).start(
            esp={"encryption": [encr], "dh-group": "no-pfs", **({"authentication": [auth]} if auth else {})},
            strongswan={"esp": PROPOSALS}, **kw)
        self.p.up(initiator)
        keys = esp.charon_keys(self.p.s.log())
        end = {"culvert": "initiator", "strongswan": "responder"}
        if initiator == "strongswan":
            end = {"culvert": "responder", "strongswan": "initiator"}
        (self.spi_from_culvert, *_), (self.spi_to_culvert, *_) = keys["spi"]
        self.key_from_culvert, self.key_to_culvert = (keys.get("encryption " + end[w]) for w in end)
        self.auth_from_culvert, self.auth_to_culvert = (keys.get("integrity " + end[w]) for w in end)
        self.hq, self.branch = self.p.t.hq, self.p.t.branch

    def sa_from_culvert(self):
        return esp.sa(self.spi_from_culvert, self.key_from_culvert, self.hq.wan_ip, self.branch.wan_ip, self.suite,
                      self.auth_from_culvert)

    def sa_to_culvert(self):
        return esp.sa(self.spi_to_culvert, self.key_to_culvert, self.branch.wan_ip, self.hq.wan_ip, self.suite,
                      self.auth_to_culvert)

    def to_culvert(self, seq, inner, **kw):
        return esp.seal(kw.pop("spi", self.spi_to_culvert), seq, kw.pop("key", self.key_to_culvert), bytes(inner),
                        self.branch.wan_ip, self.hq.wan_ip, **kw)

    def request(self, seq, src=None, dst=None):
        """An echo request from the branch's host, as inner packet; id tells it apart."""
        return IP(src=src or self.branch.host_ip, dst=dst or self.hq.host_ip, ttl=60) / \
            ICMP(id=0x7777, seq=seq) / b"made by scapy"

    def send(self, packet):
        esp.send_raw(self.branch.gateway, esp.wrap(packet))


@pytest.mark.parametrize("suite,initiator", [
    pytest.param(s, ("culvert", "strongswan")[n % 2], id="-".join(filter(None, s))) for n, s in enumerate(esp.SUITES)])
def test_what_culvert_sends(pair, tmp_path, suite, initiator):
    w = Wire(pair, initiator, suite)
    sizes = (0, 1, 2, 3, 56, 57, 1000, 1300)
    with Capture(w.p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan, \
            Capture(w.hq.host, "eth0", tmp_path / "lan.pcap") as lan:
        for size in sizes:
            assert_ping(w.hq.host, w.branch.host_ip, size=size, count=3, interval=0.01)
            assert_ping(w.branch.host, w.hq.host_ip, size=size, count=3, interval=0.01)
    sent = [p for p in wan.packets() if esp.is_esp(p) and p[IP].src == w.hq.wan_ip]
    plain = [bytes(p[IP])[:p[IP].len] for p in lan.packets() if IP in p and p[IP].src == w.hq.host_ip]
    assert len(sent) == len(plain) == 6 * len(sizes)

    crypt, _ = esp.SUITES[suite]
    iv_len = esp.IV_LEN[crypt]
    ivs = set()
    sa = w.sa_from_culvert()
    for n, (p, want) in enumerate(zip(sent, plain), 1):
        raw = esp.unwrap(p)
        assert (raw[ESP].spi, raw[ESP].seq) == (w.spi_from_culvert, n), "sequence numbers count 1, 2, 3, …"
        data = bytes(raw[ESP])
        assert len(data) % 4 == 0, "ICV is aligned (RFC 4303 2.4)"
        ivs.add(data[8:8 + iv_len])
        # The inner packet is the host's, one hop on (RFC 4301 5.1.2.1).
        hop = IP(want)
        hop.ttl -= 1
        del hop.chksum
        want = bytes(hop)
        assert bytes(sa.decrypt(esp.unwrap(p))) == want
        if crypt == "AES-GCM":
            inner, padding, next_header = esp.open_by_hand(p, w.key_from_culvert)
            assert (inner, next_header) == (want, 4)
            assert padding == bytes(range(1, len(padding) + 1)), "RFC 4303 2.4: 1, 2, 3, …"
        outer = p[IP]
        assert (outer.src, outer.dst, outer.proto) == (w.hq.wan_ip, w.branch.wan_ip, 17)
        assert (p[UDP].sport, p[UDP].dport) == (4500, 4500) and p[UDP].chksum == 0, "RFC 3948 2.1"
        assert outer.len == 28 + len(data) and p[UDP].len == 8 + len(data)
        good = IP(bytes(outer))
        del good.chksum
        assert IP(bytes(good)).chksum == outer.chksum
    assert len(ivs) == (len(sent) if iv_len else 1), "an IV is never used twice"
    if crypt == "AES-CBC":  # RFC 3602 3: not predictable, so surely not a counter in its plain form
        assert len({iv[:8] for iv in ivs}) == len(sent)

    seen = esp.tshark_esp(wan.path, [(w.spi_from_culvert, w.key_from_culvert, w.auth_from_culvert),
                                     (w.spi_to_culvert, w.key_to_culvert, w.auth_to_culvert)], suite)
    if seen is not None:
        mine = [s for s in seen if s[0] == w.spi_from_culvert]
        assert len(mine) == len(sent)
        assert all(s[2:] == ("1", w.hq.host_ip, w.branch.host_ip) for s in mine), mine


def test_what_culvert_accepts_and_refuses(pair, tmp_path):
    w = Wire(pair, "culvert", tunnel={"anti-replay-window": 64})
    assert_ping(w.branch.host, w.hq.host_ip, count=3)  # sequence 1 to 3
    n = [0]

    def arrives(packet):
        """Does this ESP packet reach the headquarters' host?  Decided by the packet or by a drop counter."""
        n[0] += 1
        before = w.p.c.drops()
        with Capture(w.hq.host, "eth0", tmp_path / f"lan{n[0]}.pcap", f"icmp and src net {w.branch.net}") as lan:
            w.send(packet)
            got = wait_for("the packet at the host, or a counter", lambda: lan.count() or grown(before), 5)
        return True if lan.count() else got

    def grown(before):
        after = w.p.c.drops()
        return {k: v - before.get(k, 0) for k, v in after.items()
                if v != before.get(k, 0) and (k.startswith("esp-") or k == "ip-bad-header")}

    good = w.to_culvert(5000, w.request(1))
    assert arrives(good) is True
    assert arrives(good) == {"esp-replay": 1}, "the same again"
    assert arrives(w.to_culvert(4990, w.request(2))) is True, "late, but inside the window"
    assert arrives(w.to_culvert(4990, w.request(2))) == {"esp-replay": 1}
    assert arrives(w.to_culvert(4936, w.request(3))) == {"esp-replay": 1}, "one left of the window of 64"
    assert arrives(w.to_culvert(4937, w.request(4))) is True, "the window's last"

    def flip(packet, at):
        data = bytearray(bytes(packet[ESP]))
        data[at] ^= 1
        return IP(src=packet.src, dst=packet.dst, proto=50) / ESP(bytes(data))
    fresh = w.to_culvert(5001, w.request(5))
    for at, where in ((-1, "ICV"), (20, "ciphertext"), (10, "IV")):
        assert arrives(flip(fresh, at)) == {"esp-auth-failed": 1}, f"a bit flipped in the {where}"
    assert arrives(flip(w.to_culvert(5200, w.request(6)), 6)) == {"esp-auth-failed": 1}, "a bit flipped in the sequence"
    assert arrives(fresh) is True, "what failed to authenticate has not moved the window"

    assert arrives(w.to_culvert(5002, w.request(7), spi=w.spi_to_culvert ^ 0x40000000)) == {"esp-unknown-spi": 1}
    assert arrives(w.to_culvert(5003, w.request(8), key=bytes(len(w.key_to_culvert)))) == {"esp-auth-failed": 1}
    assert arrives(w.to_culvert(5004, w.request(9, src="10.10.99.1"))) == {"esp-inner-selector": 1}
    assert arrives(w.to_culvert(5005, w.request(10, dst="10.20.99.1"))) == {"esp-inner-selector": 1}
    assert arrives(w.to_culvert(5006, w.request(11), next_header=59)) == {"esp-dummy": 1}
    assert arrives(w.to_culvert(5007, w.request(12), next_header=6)) == {"esp-next-header": 1}
    assert arrives(w.to_culvert(5008, bytes(w.request(13))[:12])) == {"esp-inner-malformed": 1}
    assert arrives(w.to_culvert(5009, w.request(15), pad_len=200)) == {"esp-bad-padding": 1}
    assert arrives(w.to_culvert(5012, w.request(16), padding=bytes(5))) == {"esp-bad-padding": 1}, "zeros, not 1, 2, 3"
    assert arrives(w.to_culvert(5013, w.request(17), padding=b"")) == {"esp-misaligned": 1}
    assert arrives(w.to_culvert(5014, b"")) == {"esp-inner-malformed": 1}, "nothing inside"
    short = IP(src=w.branch.wan_ip, dst=w.hq.wan_ip, proto=50) / ESP(struct.pack("!II", w.spi_to_culvert, 5010) + bytes(4))
    assert arrives(short) == {"esp-truncated": 1}
    # Authenticated, and the same must hold for inner packets whose padding is longer than need be.
    padded = w.to_culvert(5011, w.request(14), padding=bytes(range(1, 1 + 102 + -(len(bytes(w.request(14))) + 104) % 4)))
    assert arrives(padded) is True, "up to 255 bytes of padding are legal (RFC 4303 2.4)"
    assert w.p.c.alive()


@pytest.mark.parametrize("suite", [pytest.param(s, id="-".join(filter(None, s))) for s in esp.SUITES])
def test_scapy_as_the_peer(pair, tmp_path, suite):
    """What scapy sealed is answered; the answer opens with scapy; replayed or with one bit changed it is refused."""
    w = Wire(pair, "strongswan", suite)
    request = w.sa_to_culvert().encrypt(w.request(99), seq_num=700)
    with Capture(w.p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        w.send(request)
        wait_for("an answer on the wire", lambda: wan.count(f"udp port 4500 and src {w.hq.wan_ip}"))
        before = w.p.c.drops()
        w.send(request)
        wait_for("the replay counted", lambda: w.p.c.drops()["esp-replay"] == before["esp-replay"] + 1)
        bad = bytearray(bytes(w.sa_to_culvert().encrypt(w.request(100), seq_num=701)[ESP]))
        bad[-1] ^= 0x80
        w.send(IP(src=w.branch.wan_ip, dst=w.hq.wan_ip, proto=50) / ESP(bytes(bad)))
        wait_for("the forgery counted", lambda: w.p.c.drops()["esp-auth-failed"] == before["esp-auth-failed"] + 1)
    (answer,) = [p for p in wan.packets() if esp.is_esp(p) and p[IP].src == w.hq.wan_ip]
    inner = w.sa_from_culvert().decrypt(esp.unwrap(answer))
    assert (inner[IP].src, inner[IP].dst) == (w.hq.host_ip, w.branch.host_ip)
    assert inner[ICMP].type == 0 and inner[ICMP].id == 0x7777 and inner[ICMP].seq == 99
    assert bytes(inner[ICMP].payload) == b"made by scapy"
    flow = w.p.c.flow("tun")
    assert (flow["pkt-replay"], flow["auth-err"]) == (1, 1)
