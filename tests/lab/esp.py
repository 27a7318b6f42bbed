# SPDX-License-Identifier: Apache-2.0
"""An ESP of its own, by scapy, with the keys that charon logged (ike = 4, chd = 4).

Written against scapy 2.5: its nat_t_header is broken (UDP length 8), hence wrap(); its decrypt() alters the
packet it is given, hence unwrap() hands out a fresh one.  It has no replay window.
"""
import re
import socket
import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw


def charon_keys(log):
    """The last keys in a charon.log's text: {"encryption initiator": bytes, …, "spi": [in, out]}, where in and
    out are (spi, src, dst) as the log's owner sees them.  AEAD keys have the salt appended.  "initiator" is the
    initiator of the exchange that made the Child SA."""
    keys, spi, way, cur, left = {}, [None, None], 0, None, 0
    for line in log.splitlines():
        t = line.split("> ", 1)[-1]
        m = re.match(r"(Sk_\w+|(?:encryption|integrity) (?:initiator|responder)) (?:secret|key) => (\d+) bytes", t)
        if m:
            cur, left = m[1], int(m[2])
            keys[cur] = b""
            continue
        if cur and re.match(r" +\d+: ", t):
            n = min(16, left)
            keys[cur] += bytes.fromhex("".join(t.split(": ", 1)[1].split()[:n]))
            left -= n
            cur = cur if left else None
            continue
        m = re.match(r"\w+ (inbound|outbound) ESP SA", t)
        if m:
            way = int(m[1] == "outbound")
        m = re.match(r" +SPI 0x(\w+), src (\S+) dst (\S+)", t)
        if m:
            spi[way] = (int(m[1], 16), m[2], m[3])
    return {**keys, "spi": spi}


def sa(spi, key, src, dst):
    """AES-GCM with a 16-byte ICV; key with the salt at its end."""
    return SecurityAssociation(ESP, spi=spi, crypt_algo="AES-GCM", crypt_key=key, tunnel_header=IP(src=src, dst=dst))


def wrap(p, sport=4500, dport=4500):
    """Raw ESP packet -> UDP-encapsulated (RFC 3948)."""
    return IP(src=p[IP].src, dst=p[IP].dst) / UDP(sport=sport, dport=dport, chksum=0) / Raw(bytes(p[ESP]))


def unwrap(p):
    """Either form -> a fresh raw ESP packet."""
    p = p[IP]
    return IP(src=p.src, dst=p.dst, proto=50) / ESP(bytes(p[UDP].payload if UDP in p else p[ESP]))


def is_esp(p):
    """ESP, raw or in UDP 4500: not IKE (four zero bytes), not a keepalive."""
    if IP not in p:
        return False
    if ESP in p and UDP not in p:
        return True
    if UDP not in p or 4500 not in (p[UDP].sport, p[UDP].dport):
        return False
    data = bytes(p[UDP].payload)
    return len(data) > 8 and data[:4] != bytes(4)


def send_raw(ns, packet):
    """Put an IP packet on the wire from a namespace, by its routes.  Runs in a child process: a namespace is
    entered for good by the thread that does."""
    from .proc import run
    data = bytes(packet)
    code = ("import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_RAW);"
            "s.sendto(bytes.fromhex(sys.argv[1]),(sys.argv[2],0))")
    run(sys.executable, "-c", code, data.hex(), socket.inet_ntoa(data[16:20]), ns=ns)
