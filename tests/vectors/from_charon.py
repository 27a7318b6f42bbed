#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""from_charon.py CHARON_LOG PCAP: an IKEv2 conversation with its secrets, as a vector file.

The log is the initiator's, of a charon that logs with ike = 4 and chd = 4; the capture holds one IKE SA's
life (UDP 500 and 4500).  Needs scapy.
"""
import re
import sys

from scapy.all import UDP, rdpcap

NAMES = {
    "shared Diffie Hellman secret": "dh", "SKEYSEED": "skeyseed", "Sk_d secret": "d", "Sk_ai secret": "ai",
    "Sk_ar secret": "ar", "Sk_ei secret": "ei", "Sk_er secret": "er", "Sk_pi secret": "pi", "Sk_pr secret": "pr",
    "AUTH = prf(prf(secret, keypad), octets)": "auth", "DH secret": "dh",
    "encryption initiator key": "encr_i", "encryption responder key": "encr_r",
    "integrity initiator key": "integ_i", "integrity responder key": "integ_r",
}


def values(path):
    """(group, text, bytes) of every dump in the log, in order."""
    current, left = None, 0
    for line in open(path, errors="replace"):
        m = re.match(r"\S+ \d+\[(\w+)\] (?:<[^>]*> )?(.*)\n", line)
        if not m:
            continue
        group, text = m[1], m[2]
        dump = re.match(r"(.*) => (\d+) bytes", text)
        if dump:
            current, left = [group, dump[1], b""], int(dump[2])
        elif current and group == current[0] and re.match(r" +\d+: ", text):
            n = min(16, left)
            current[2] += bytes.fromhex("".join(text.split(": ", 1)[1].split()[:n]))
            left -= n
            if not left:
                yield current
                current = None


def main(log, pcap):
    print(f"# Captured between two strongSwan 5.9.8 daemons; values from the initiator's log.")
    for i, p in enumerate(p for p in rdpcap(pcap) if UDP in p):
        data = bytes(p[UDP].payload)
        if p[UDP].dport == 4500:
            assert data[:4] == bytes(4)
            data = data[4:]
        print(f"msg.{i} = {data.hex()}")
    ike = child = auth = 0
    child_dh = False
    for group, text, value in values(log):
        name = NAMES.get(text)
        if not name:
            continue
        if group == "IKE" and name == "auth":
            auth += 1
            print(f"auth.{auth} = {value.hex()}")
        elif group == "IKE":
            ike += name == "dh"
            print(f"ike.{ike}.{name} = {value.hex()}")
        elif group == "CHD":
            if name == "dh" or name == "encr_i" and not child_dh:
                child += 1
            child_dh = name == "dh"
            print(f"child.{child}.{name} = {value.hex()}")


main(*sys.argv[1:])
