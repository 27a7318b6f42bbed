# SPDX-License-Identifier: Apache-2.0
"""A switch with one trunk (IEEE 802.1Q) and an access port for each VLAN, for kernels that have no VLAN interfaces.

    python3 vlan_switch.py TRUNK TAG=PORT…      in the namespace that has them all; says "ready" when it forwards

Frames that come without tag, or with one that no access port has, end here.  Needs nothing but Python's own library.
"""
import select
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
ETH_P_ALL, ETH_P_8021Q, VLAN_VALID = 3, 0x8100, 1 << 4
FRAME_MAX = 65536


def port(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((name, 0))
    return s


def receive(s):
    """(frame, tag or None): the kernel takes the tag off and tells of it beside."""
    frame, beside, _flags, _addr = s.recvmsg(FRAME_MAX, 64)
    for level, kind, data in beside:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _len, _snap, _mac, _net, tci, _tpid = struct.unpack("=IIIHHHH", data[:20])
            if status & VLAN_VALID:
                return frame, tci & 0xFFF
    return frame, None


def main():
    trunk = port(sys.argv[1])
    access = {int(tag): port(name) for tag, name in (a.split("=") for a in sys.argv[2:])}
    tag_of = {s: tag for tag, s in access.items()}
    print("ready", flush=True)
    while True:
        for s in select.select([trunk, *tag_of], [], [])[0]:
            frame, tag = receive(s)
            try:
                if s is not trunk:
                    trunk.send(frame[:12] + struct.pack("!HH", ETH_P_8021Q, tag_of[s]) + frame[12:])
                elif tag in access:
                    access[tag].send(frame)
            except OSError:
                pass  # a link is down, or its queue full: a switch drops


if __name__ == "__main__":
    main()
