#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ESP against scapy, through the production path: esp_vectors.py ESP_TOOL

For every suite, raw and in UDP, with and without ESN: packets that scapy (or, where it lacks the suite or
does it wrong, a few lines of RFC here) makes must arrive at the host as they were, and packets of ours
must be, byte for byte, what the other implementation makes of the same text, number and IV.
"""
import hashlib
import hmac
import random
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.all import IP, UDP, ICMP, Raw
from scapy.layers.ipsec import ESP, SecurityAssociation

OUR, PEER, HOST, FAR, SPI_OUT = "192.0.2.1", "192.0.2.2", "10.1.0.7", "10.2.0.9", 0x00C0FFEE
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

    def line(self, udp):
        return "sa %d %d %d %s %s %s %s %s" % (
            self.encr, self.bits, self.integ, self.key.hex() or "-", self.salt.hex() or "-", self.akey.hex() or "-",
            "esn" if self.esn else "noesn", "udp" if udp else "raw")

    def seal(self, inner, spi, seq, iv):
        """The ESP packet, without outer header."""
        if self.encr in (GCM12, GCM8):  # scapy has ICVs of 16 only: RFC 4106 by hand
            pad = -(len(inner) + 2) % 4
            text = inner + bytes(range(1, pad + 1)) + bytes([pad, 4])
            head = spi.to_bytes(4, "big")
            low = (seq & 0xFFFFFFFF).to_bytes(4, "big")
            aad = head + ((seq >> 32).to_bytes(4, "big") if self.esn else b"") + low
            sealed = AESGCM(self.key).encrypt(self.salt + iv, text, aad)
            return head + low + iv + sealed[:len(text) + self.icv_len]
        if self.encr == GMAC:  # scapy has none: RFC 4543 by hand
            pad = -(len(inner) + 2) % 4
            text = inner + bytes(range(1, pad + 1)) + bytes([pad, 4])
            head, low = spi.to_bytes(4, "big"), (seq & 0xFFFFFFFF).to_bytes(4, "big")
            aad = head + ((seq >> 32).to_bytes(4, "big") if self.esn else b"") + low + iv + text
            return head + low + iv + text + AESGCM(self.key).encrypt(self.salt + iv, b"", aad)
        name = {GCM16: "AES-GCM", CBC: "AES-CBC", CTR: "AES-CTR", CHACHA: "CHACHA20-POLY1305", NULL: "NULL"}[self.encr]
        # scapy takes ESN for AEADs; with HMAC it forgets the upper half, so that part is done below
        aead = not self.integ
        kw = {"esn_en": True, "esn": seq >> 32} if self.esn and aead else {}
        sa = SecurityAssociation(ESP, spi=spi, crypt_algo=name, crypt_key=self.key + self.salt or None,
                                 auth_algo=SHA[self.integ][0] if self.integ else None, auth_key=self.akey or None,
                                 tunnel_header=IP(src=PEER, dst=OUR), **kw)
        p = bytes(sa.encrypt(IP(inner), seq_num=seq & 0xFFFFFFFF, iv=iv)[ESP])
        if self.esn and not aead:
            body = p[:-self.icv_len]
            high = (seq >> 32).to_bytes(4, "big")
            p = body + hmac.new(self.akey, body + high, SHA[self.integ][3]).digest()[:self.icv_len]
        return p


def wrap(esp, udp):
    if udp:
        return bytes(IP(src=PEER, dst=OUR) / UDP(sport=4500, dport=4500, chksum=0) / Raw(esp))
    return bytes(IP(src=PEER, dst=OUR, proto=50) / Raw(esp))


def hop(packet):
    """The packet after one router."""
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


def one_suite(tool, s, udp):
    word, spi, mtu = tool.ask(s.line(udp)).split()
    spi, mtu, base = int(spi), int(mtu), 0
    if s.esn:
        base = 5 * 2**32 + 17
        tool.ask("seq %d" % base)
    sizes = [0, 1, 2, 3, 14, 15, 16, 17, 100, 255, 1000, mtu - 28]
    for n, size in enumerate(sizes, 1):
        what = "%s %s, %d bytes" % (s, "udp" if udp else "raw", size)
        seq = base + n
        # theirs
        inner = bytes(IP(src=FAR, dst=HOST, id=n) / ICMP(id=7, seq=n) / rnd(size))
        esp = s.seal(inner, spi, seq, rnd(s.iv_len))
        check(what + ": open", tool.ask("open " + wrap(esp, udp).hex()), hop(inner).hex())
        check(what + ": replay", tool.ask("open " + wrap(esp, udp).hex()), "drop esp-replay")
        # theirs, altered
        bad = bytearray(s.seal(inner, spi, seq + 1000, rnd(s.iv_len)))
        bad[random.randrange(8, len(bad))] ^= 1 << random.randrange(8)
        check(what + ": altered", tool.ask("open " + wrap(bytes(bad), udp).hex()), "drop esp-auth-failed")
        # ours
        inner = bytes(IP(src=HOST, dst=FAR, id=n, tos=0xB8, flags="DF") / ICMP(id=8, seq=n) / rnd(size))
        out = IP(bytes.fromhex(tool.ask("seal " + inner.hex())))
        check(what + ": outer header", (out.src, out.dst, out.ttl, out.tos, int(out.flags), out.len),
              (OUR, PEER, 64, 0xB8, 2, len(bytes(out))))
        again = IP(bytes(out))
        del again.chksum
        check(what + ": header checksum", out.chksum, IP(bytes(again)).chksum)
        esp = bytes(out.payload)
        if udp:
            u = out[UDP]
            check(what + ": udp header", (u.sport, u.dport, u.len, u.chksum), (4500, 4500, len(esp), 0))
            esp = esp[8:]
        iv = esp[8:8 + s.iv_len]
        check(what + ": sealed", esp.hex(), s.seal(hop(inner), SPI_OUT, seq, iv).hex())
    big = bytes(IP(src=HOST, dst=FAR, flags="DF") / ICMP() / rnd(mtu - 27))
    check("%s: one byte more than fits" % s, tool.ask("seal " + big.hex()), "drop too-big")


def main():
    tool = Tool(sys.argv[1])
    suites = [(e, b, 0) for e in (GCM16, GCM12, GCM8, GMAC) for b in (128, 192, 256)] + [(CHACHA, 0, 0)]
    suites += [(e, b, i) for e in (CBC, CTR) for b in (128, 192, 256) for i in SHA] + [(NULL, 0, i) for i in SHA]
    for suite in suites:
        for esn in (False, True):
            for udp in (False, True):
                one_suite(tool, Suite(*suite, esn), udp)
    print("%d checks over %d suites, %d failed" % (checked, len(suites), failed))
    tool.p.stdin.close()
    return 1 if failed or tool.p.wait() else 0


sys.exit(main())
