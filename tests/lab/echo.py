# SPDX-License-Identifier: Apache-2.0
"""Echo requests counted exactly.  As a program, inside a namespace: sends them, prints what came of them as JSON.

iputils' ping waits no longer than two round trips for what is outstanding, so on a busy machine it calls late answers
lost; a test that asks for "not one lost" needs them told apart.  SIGINT ends the sending; what is on its way is then
still waited for.  Needs nothing but Python's own library.
"""
import argparse
import errno
import json
import os
import select
import signal
import socket
import struct
import time

MAX_SEQ = 65535
_V4 = {"family": socket.AF_INET, "proto": socket.IPPROTO_ICMP, "request": 8, "reply": 0, "unreachable": (3, 11)}
_V6 = {"family": socket.AF_INET6, "proto": socket.IPPROTO_ICMPV6, "request": 128, "reply": 129,
       "unreachable": (1, 2, 3)}
_DF = {"do": 2, "dont": 0}  # IP_PMTUDISC_*


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF


class Echo:
    """One run: count requests (0: until told to stop), then up to `wait` seconds for what is outstanding."""

    def __init__(self, dst, src=None, count=5, interval=0.05, size=56, pattern=b"", df=None, wait=5.0):
        self.v = _V6 if ":" in dst else _V4
        self.dst, self.count, self.interval, self.wait = dst, count or MAX_SEQ, interval, wait
        self.payload = (pattern * (size // max(1, len(pattern)) + 1))[:size] if pattern else bytes(size)
        self.id = os.getpid() & 0xFFFF
        self.answers, self.sent, self.stopped, self.errors = {}, 0, False, {}
        self.sock = socket.socket(self.v["family"], socket.SOCK_RAW, self.v["proto"])
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if src:
            self.sock.bind((src, 0))
        if df and self.v is _V4:
            self.sock.setsockopt(socket.IPPROTO_IP, 10, _DF[df])  # IP_MTU_DISCOVER

    def stop(self):
        self.stopped = True

    def error(self, what):
        self.errors[what] = self.errors.get(what, 0) + 1

    def send(self):
        self.sent += 1
        head = struct.pack("!BBHHH", self.v["request"], 0, 0, self.id, self.sent)
        if self.v is _V4:  # of ICMPv6 the kernel makes the checksum
            head = struct.pack("!BBHHH", 8, 0, checksum(head + self.payload), self.id, self.sent)
        try:
            self.sock.sendto(head + self.payload, (self.dst, 0))
        except OSError as e:
            self.error(errno.errorcode.get(e.errno, str(e.errno)))

    def receive(self):
        data = self.sock.recv(65536)
        if self.v is _V4:
            data = data[(data[0] & 15) * 4:]
        if len(data) < 8:
            return
        kind, code, _, ident, seq = struct.unpack("!BBHHH", data[:8])
        if kind == self.v["reply"] and ident == self.id and 1 <= seq <= self.sent:
            if not self.answers:
                print("answered", flush=True)
            self.answers[seq] = self.answers.get(seq, 0) + 1
        elif kind in self.v["unreachable"]:
            inner = data[8:]
            inner = inner[(inner[0] & 15) * 4:] if inner and self.v is _V4 else inner[40:]
            if len(inner) >= 6 and struct.unpack("!H", inner[4:6])[0] == self.id:
                self.error(f"icmp {kind}/{code}")

    def listen(self, until):
        """Receive until then, or until told otherwise."""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return
            if select.select([self.sock], [], [], min(left, 0.1))[0]:
                self.receive()
            if self.stopped and self.answered() == self.sent:
                return

    def answered(self):
        return len(self.answers)

    def run(self):
        due = time.monotonic()
        while self.sent < self.count and not self.stopped:
            self.send()
            # Not to catch up on what was missed: a burst would be another test.
            due = max(due + self.interval, time.monotonic())
            self.listen(due)
        self.stopped = True
        self.listen(time.monotonic() + self.wait)
        lost = [s for s in range(1, self.sent + 1) if s not in self.answers]
        return {"sent": self.sent, "received": self.answered(), "lost": lost[:50], "errors": self.errors,
                "duplicates": sum(n - 1 for n in self.answers.values())}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("dst")
    a.add_argument("--src")
    a.add_argument("--count", type=int, default=5)
    a.add_argument("--interval", type=float, default=0.05)
    a.add_argument("--size", type=int, default=56)
    a.add_argument("--pattern", type=bytes.fromhex, default=b"")
    a.add_argument("--df", choices=list(_DF))
    a.add_argument("--wait", type=float, default=5.0)
    echo = Echo(**vars(a.parse_args()))
    signal.signal(signal.SIGINT, lambda *_: echo.stop())
    print(json.dumps(echo.run()), flush=True)


if __name__ == "__main__":
    main()
