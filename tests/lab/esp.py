# SPDX-License-Identifier: Apache-2.0
"""An ESP of its own, by scapy, with the keys that charon logged (ike = 4, chd = 4).

Written against scapy 2.5: its nat_t_header is broken (UDP length 8), hence wrap(); its decrypt() alters the
packet it is given, hence unwrap() hands out a fresh one.  It has no replay window.
"""
import re
import socket
import struct
import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw

from .proc import run


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


# culvert's (encryption, authentication): scapy's names.  tshark's stand in tshark_esp().
SUITES = {
    ("aes-128-gcm", None): ("AES-GCM", None), ("aes-192-gcm", None): ("AES-GCM", None),
    ("aes-256-gcm", None): ("AES-GCM", None), ("chacha20-poly1305", None): ("CHACHA20-POLY1305", None),
    ("null", "sha256"): ("NULL", "SHA2-256-128"),
    **{(f"aes-{bits}-cbc", auth): ("AES-CBC", name) for bits in (128, 192, 256) for auth, name in (
        ("sha1", "HMAC-SHA1-96"), ("sha256", "SHA2-256-128"), ("sha384", "SHA2-384-192"), ("sha512", "SHA2-512-256"))},
}
IV_LEN = {"AES-GCM": 8, "CHACHA20-POLY1305": 8, "AES-CBC": 16, "NULL": 0}


def sa(spi, key, src, dst, suite=("aes-256-gcm", None), auth_key=None):
    """scapy's view of an SA; key with the salt at its end where the cipher has one."""
    crypt, auth = SUITES[suite]
    return SecurityAssociation(ESP, spi=spi, crypt_algo=crypt, crypt_key=key, auth_algo=auth, auth_key=auth_key,
                               tunnel_header=IP(src=src, dst=dst))


def seal(spi, seq, key, inner, src, dst, next_header=4, padding=None, pad_len=None, iv=None):
    """An AES-GCM ESP packet by hand (RFC 4303, RFC 4106): every byte as told, so that it can be told wrong.
    padding: bytes between the inner packet and the pad length; None: 1, 2, 3, … up to a multiple of 4.
    pad_len: what the pad length says instead of the truth."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    if padding is None:
        padding = bytes(range(1, 1 + -(len(inner) + 2) % 4))
    iv = iv or struct.pack("!Q", seq)
    header = struct.pack("!II", spi, seq)
    text = inner + padding + bytes([len(padding) if pad_len is None else pad_len, next_header])
    return IP(src=src, dst=dst, proto=50) / ESP(header + iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, text, header))


def open_by_hand(packet, key):
    """(inner packet, padding, next header) of an ESP packet; raises InvalidTag."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    data = bytes(unwrap(packet)[ESP])
    text = AESGCM(key[:-4]).decrypt(key[-4:] + data[8:16], data[16:], data[:8])
    return text[:-2 - text[-2]], text[-2 - text[-2]:-2], text[-1]


def tshark_esp(pcap, sas, suite=("aes-256-gcm", None)):
    """What tshark makes of a capture, given (spi, key, auth key) of SAs: a list of (spi, seq, icv good, inner source,
    inner destination).  None where tshark 4.0 does not know the suite."""
    crypt, auth = SUITES[suite]
    names = {"AES-GCM": "AES-GCM with 16 octet ICV [RFC4106]", "AES-CBC": "AES-CBC [RFC3602]", "NULL": "NULL"}
    auths = {None: "NULL", "HMAC-SHA1-96": "HMAC-SHA-1-96 [RFC2404]", "SHA2-256-128": "HMAC-SHA-256-128 [RFC4868]",
             "SHA2-384-192": "HMAC-SHA-384-192 [RFC4868]", "SHA2-512-256": "HMAC-SHA-512-256 [RFC4868]"}
    if crypt not in names:
        return None
    argv = ["tshark", "-r", pcap, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    for spi, key, auth_key in sas:
        key, auth_key = ("0x" + k.hex() if k else "" for k in (key, auth_key))
        argv += ["-o", f'uat:esp_sa:"IPv4","*","*","0x{spi:08x}","{names[crypt]}","{key}","{auths[auth]}","{auth_key}"']
    argv += ["-Y", "esp", "-T", "fields", "-e", "esp.spi", "-e", "esp.sequence", "-e", "esp.icv_good", "-e", "ip.src",
             "-e", "ip.dst"]
    out = []
    for line in run(*argv, timeout=60).stdout.splitlines():
        spi, seq, good, src, dst = line.split("\t")
        out.append((int(spi, 16), int(seq), good, src.split(",")[-1], dst.split(",")[-1]))
    return out


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
    data = bytes(packet)
    code = ("import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_RAW);"
            "s.sendto(bytes.fromhex(sys.argv[1]),(sys.argv[2],0))")
    run(sys.executable, "-c", code, data.hex(), socket.inet_ntoa(data[16:20]), ns=ns)
