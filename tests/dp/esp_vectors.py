#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ESP against scapy, through the production path: esp_vectors.py ESP_TOOL

For every suite, raw and in UDP, with and without ESN, IPv4 and IPv6 inside and outside, and in transport mode: packets that scapy (or, where it lacks the suite or
does it wrong, a few lines of RFC here) makes must arrive at the host as they were, and packets of ours
must be, byte for byte, what the other implementation makes of the same text, number and IV.
"""
import hashlib
import hmac
import random
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.all import IP, UDP, ICMP, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, Raw
from scapy.layers.ipsec import ESP, SecurityAssociation

SPI_OUT = 0x00C0FFEE
OUR, PEER = {4: "192.0.2.1", 6: "2001:db8:1::1"}, {4: "192.0.2.2", 6: "2001:db8:1::2"}
HOST, FAR = {4: "10.1.0.7", 6: "fd00:1::7"}, {4: "10.2.0.9", 6: "2001:db8:f::9"}
# numbers of dp_api.h
NONE, GCM16, GCM12, GCM8, CBC, CTR, CHACHA, NULL, GMAC = range(9)
SHA = {1: ("HMAC-SHA1-96", 20, 12, hashlib.sha1), 2: ("SHA2-256-128", 32, 16, hashlib.sha256),
       3: ("SHA2-384-192", 48, 24, hashlib.sha384), 4: ("SHA2-512-256", 64, 32, hashlib.sha512)}
random.seed(4303)


def rnd(n):
    return bytes(random.randrange(256) for _ in range(n))


class Suite:
    def __init__(self, encr, bits, integ, esn):
        self.encr, self.bits, self.integ, self.esn = encr, bits, integ, esn
        self.key = rnd(32 if encr == CHACHA else bits // 8)
        self.salt = rnd(4) if encr in (GCM16, GCM12, GCM8, CTR, CHACHA, GMAC) else b""
        self.akey = rnd(SHA[integ][1]) if integ else b""
        self.iv_len = {CBC: 16, NULL: 0}.get(encr, 8)
        self.icv_len = SHA[integ][2] if integ else {GCM12: 12, GCM8: 8}.get(encr, 16)

    def __str__(self):
        return "encr %d/%d integ %d%s" % (self.encr, self.bits, self.integ, " esn" if self.esn else "")

    def line(self, udp, inner, outer):
        return "sa %d %d %d %s %s %s %s %s %d %d" % (
            self.encr, self.bits, self.integ, self.key.hex() or "-", self.salt.hex() or "-", self.akey.hex() or "-",
            "esn" if self.esn else "noesn", "udp" if udp else "raw", inner, outer)

    def seal(self, inner, spi, seq, iv, transport=False):
        """The ESP packet, without outer header; transport: of what is in an IP packet, not of all of it."""
        v6 = inner[0] >> 4 == 6
        next_header = 41 if v6 else 4
        whole = (IPv6 if v6 else IP)(inner)
        if transport:
            inner, next_header = bytes(whole.payload), whole.nh if v6 else whole.proto
        if self.encr in (GCM12, GCM8):  # scapy has ICVs of 16 only: RFC 4106 by hand
            pad = -(len(inner) + 2) % 4
            text = inner + bytes(range(1, pad + 1)) + bytes([pad, next_header])
            head = spi.to_bytes(4, "big")
            low = (seq & 0xFFFFFFFF).to_bytes(4, "big")
            aad = head + ((seq >> 32).to_bytes(4, "big") if self.esn else b"") + low
            sealed = AESGCM(self.key).encrypt(self.salt + iv, text, aad)
            return head + low + iv + sealed[:len(text) + self.icv_len]
        if self.encr == GMAC:  # scapy has none: RFC 4543 by hand
            pad = -(len(inner) + 2) % 4
            text = inner + bytes(range(1, pad + 1)) + bytes([pad, next_header])
            head, low = spi.to_bytes(4, "big"), (seq & 0xFFFFFFFF).to_bytes(4, "big")
            aad = head + ((seq >> 32).to_bytes(4, "big") if self.esn else b"") + low + iv + text
            return head + low + iv + text + AESGCM(self.key).encrypt(self.salt + iv, b"", aad)
        name = {GCM16: "AES-GCM", CBC: "AES-CBC", CTR: "AES-CTR", CHACHA: "CHACHA20-POLY1305", NULL: "NULL"}[self.encr]
        # scapy takes ESN for AEADs; with HMAC it forgets the upper half, so that part is done below
        aead = not self.integ
        kw = {"esn_en": True, "esn": seq >> 32} if self.esn and aead else {}
        sa = SecurityAssociation(ESP, spi=spi, crypt_algo=name, crypt_key=self.key + self.salt or None,
                                 auth_algo=SHA[self.integ][0] if self.integ else None, auth_key=self.akey or None,
                                 tunnel_header=None if transport else IP(src=PEER[4], dst=OUR[4]), **kw)
        p = bytes(sa.encrypt(whole, seq_num=seq & 0xFFFFFFFF, iv=iv)[ESP])
        if self.esn and not aead:
            body = p[:-self.icv_len]
            high = (seq >> 32).to_bytes(4, "big")
            p = body + hmac.new(self.akey, body + high, SHA[self.integ][3]).digest()[:self.icv_len]
        return p


def wrap(esp, udp, outer):
    ip = IPv6(src=PEER[6], dst=OUR[6], nh=17 if udp else 50) if outer == 6 else \
        IP(src=PEER[4], dst=OUR[4], proto=17 if udp else 50)
    return bytes(ip / UDP(sport=4500, dport=4500, chksum=0) / Raw(esp) if udp else ip / Raw(esp))


def echo(src, dst, seq, data, **ip):
    """An echo request of the addresses' family."""
    if ":" in src:
        return bytes(IPv6(src=src, dst=dst, tc=ip.get("tos", 0)) / ICMPv6EchoRequest(id=7, seq=seq, data=data))
    return bytes(IP(src=src, dst=dst, id=seq, **ip) / ICMP(id=7, seq=seq) / data)


def hop(packet):
    """The packet after one router."""
    if packet[0] >> 4 == 6:
        p = IPv6(packet)
        p.hlim -= 1
        return bytes(p)
    p = IP(packet)
    p.ttl -= 1
    del p.chksum
    return bytes(p)


class Tool:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        answer = self.p.stdout.readline().strip()
        if not answer:
            sys.exit("esp_tool gave up at: %s" % line[:80])
        return answer


checked = failed = 0


def check(what, got, want):
    global checked, failed
    checked += 1
    if got != want:
        failed += 1
        print("FAILED %s\n  got  %s\n  want %s" % (what, got, want))


def sealed_by_us(what, packet, udp, outer, tos=0xB8, df=2):
    """The ESP packet in one of ours, whose outer header is right."""
    if outer == 4:
        out = IP(packet)
        check(what + ": outer header", (out.src, out.dst, out.ttl, out.tos, int(out.flags), out.len),
              (OUR[4], PEER[4], 64, tos, df, len(packet)))
    else:
        out = IPv6(packet)
        check(what + ": outer header", (out.src, out.dst, out.hlim, out.tc, out.fl, out.plen),
              (OUR[6], PEER[6], 64, tos, 0, len(packet) - 40))
    esp, again = bytes(out.payload), out.__class__(packet)
    if outer == 4:
        del again.chksum
        check(what + ": header checksum", out.chksum, IP(bytes(again)).chksum)
    if udp:
        u = out[UDP]
        esp = esp[8:]
        check(what + ": udp header", (u.sport, u.dport, u.len), (4500, 4500, len(esp) + 8))
        del again[UDP].chksum
        check(what + ": udp checksum", u.chksum, 0 if outer == 4 else IPv6(bytes(again))[UDP].chksum)
    return esp


def one_suite(tool, s, udp, inner_v=4, outer_v=4):
    word, spi, mtu = tool.ask(s.line(udp, inner_v, outer_v)).split()
    spi, mtu, base, head = int(spi), int(mtu), 0, 28 if inner_v == 4 else 48
    if s.esn:
        base = 5 * 2**32 + 17
        tool.ask("seq %d" % base)
    sizes = [0, 1, 2, 3, 14, 15, 16, 17, 100, 255, 1000, mtu - head]
    if (inner_v, outer_v) != (4, 4):
        sizes = [0, 3, 15, 100, 1000, mtu - head]
    for n, size in enumerate(sizes, 1):
        what = "%s %s, %d in %d, %d bytes" % (s, "udp" if udp else "raw", inner_v, outer_v, size)
        seq = base + n
        # theirs
        inner = echo(FAR[inner_v], HOST[inner_v], n, rnd(size))
        esp = s.seal(inner, spi, seq, rnd(s.iv_len))
        check(what + ": open", tool.ask("open " + wrap(esp, udp, outer_v).hex()), hop(inner).hex())
        check(what + ": replay", tool.ask("open " + wrap(esp, udp, outer_v).hex()), "drop esp-replay")
        # theirs, altered
        bad = bytearray(s.seal(inner, spi, seq + 1000, rnd(s.iv_len)))
        bad[random.randrange(8, len(bad))] ^= 1 << random.randrange(8)
        check(what + ": altered", tool.ask("open " + wrap(bytes(bad), udp, outer_v).hex()), "drop esp-auth-failed")
        # ours
        inner = echo(HOST[inner_v], FAR[inner_v], n, rnd(size), tos=0xB8, flags="DF")
        esp = sealed_by_us(what, bytes.fromhex(tool.ask("seal " + inner.hex())), udp, outer_v)
        iv = esp[8:8 + s.iv_len]
        check(what + ": sealed", esp.hex(), s.seal(hop(inner), SPI_OUT, seq, iv).hex())
    big = echo(HOST[inner_v], FAR[inner_v], 1, rnd(mtu - head + 1), flags="DF")
    check("%s: one byte more than fits" % s, tool.ask("seal " + big.hex()), "drop too-big")


def transport(tool, s, udp, v):
    """An echo request of the peer's to the gateway itself, and its answer."""
    _, spi, _ = tool.ask(s.line(udp, 0, v)).split()
    spi, base = int(spi), 0
    if s.esn:
        base = 5 * 2**32 + 17
        tool.ask("seq %d" % base)
    for n, size in enumerate([0, 3, 16, 1000, 1300], 1):
        what, seq = "%s %s, transport %d, %d bytes" % (s, "udp" if udp else "raw", v, size), base + n
        request = echo(PEER[v], OUR[v], n, rnd(size))
        esp = s.seal(request, spi, seq, rnd(s.iv_len), True)
        packet = bytes.fromhex(tool.ask("echo " + wrap(esp, udp, v).hex()))
        check(what + ": replay", tool.ask("echo " + wrap(esp, udp, v).hex()), "drop esp-replay")
        data = request[48 if v == 6 else 28:]
        if v == 6:
            answer = IPv6(src=OUR[6], dst=PEER[6]) / ICMPv6EchoReply(id=7, seq=n, data=data)
        else:
            answer = IP(src=OUR[4], dst=PEER[4]) / ICMP(type=0, id=7, seq=n) / data
        esp = sealed_by_us(what, packet, udp, v, 0, 0)
        iv = esp[8:8 + s.iv_len]
        check(what + ": sealed", esp.hex(), s.seal(bytes(answer), SPI_OUT, seq, iv, True).hex())
    clear = echo(PEER[v], OUR[v], 1, b"")
    check("%s: in the clear" % s, tool.ask("echo " + clear.hex()), "drop clear-text-refused")


def main():
    tool = Tool(sys.argv[1])
    suites = [(e, b, 0) for e in (GCM16, GCM12, GCM8, GMAC) for b in (128, 192, 256)] + [(CHACHA, 0, 0)]
    suites += [(e, b, i) for e in (CBC, CTR) for b in (128, 192, 256) for i in SHA] + [(NULL, 0, i) for i in SHA]
    for suite in suites:
        for esn in (False, True):
            for udp in (False, True):
                one_suite(tool, Suite(*suite, esn), udp)
        for inner, outer in ((6, 4), (4, 6), (6, 6)):
            for udp in (False, True):
                one_suite(tool, Suite(*suite, udp), udp, inner, outer)
        for v in (4, 6):
            for udp in (False, True):
                transport(tool, Suite(*suite, not udp), udp, v)
    print("%d checks over %d suites, %d failed" % (checked, len(suites), failed))
    tool.p.stdin.close()
    return 1 if failed or tool.p.wait() else 0


sys.exit(main())
