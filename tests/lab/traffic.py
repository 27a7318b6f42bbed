# SPDX-License-Identifier: Apache-2.0
"""Traffic through the lab, and what is seen of it on a wire."""
import json
import os
import signal
import sys
import time

from . import echo
from .proc import Daemon, Failed, run, wait_for

MARKER = b"CLEARTEXT-MARKER"  # 16 bytes: what ping's pattern holds


def _echo(dst, **kw):
    """The argv of echo.py."""
    argv = [sys.executable, echo.__file__, dst]
    for k, v in kw.items():
        argv += [f"--{k}", v] if v is not None else []
    return argv


def _result(ns, dst, text):
    try:
        return json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"ping from {ns} to {dst}: {text}") from None


def ping(ns, dst, src=None, count=5, interval=0.05, size=56, marker=False, df=None, wait=5):
    """(sent, received, summary line).  marker: the payload repeats MARKER.  wait: how long for an answer after the
    last request was sent."""
    p = run(*_echo(dst, src=src, count=count, interval=interval, size=size, df=df, wait=wait,
                   pattern=MARKER.hex() if marker else None),
            ns=ns, check=False, timeout=count * (interval + 0.5) + wait + 20)
    got = _result(ns, dst, p.stdout + p.stderr)
    lost = 100 * (got["sent"] - got["received"]) // got["sent"]
    extra = "".join(f", {n} x {what}" for what, n in got["errors"].items())
    extra += f", {got['duplicates']} duplicates" if got["duplicates"] else ""
    return got["sent"], got["received"], f"{got['received']} of {got['sent']} answered, {lost}% loss{extra}"


def assert_ping(ns, dst, **kw):
    """Every echo request is answered."""
    sent, got, line = ping(ns, dst, **kw)
    if sent != got or not sent:
        raise Failed(f"ping from {ns} to {dst}: {line}")
    return line


def ping_until(ns, dst, timeout=10, **kw):
    """One echo request after another until one is answered: for tunnels that traffic brings up."""
    return wait_for(f"an answer to ping from {ns} to {dst}",
                    lambda: ping(ns, dst, count=1, wait=1, **kw)[1], timeout)


class Flood:
    """An echo request every 10 ms while the body runs; then not one may be missing or there twice."""

    def __init__(self, ns, dst, log, **kw):
        self.ns, self.dst = ns, dst
        self.daemon = Daemon(_echo(dst, **{"count": 0, "interval": 0.01, **kw}), log, ns=ns)

    def __enter__(self):
        wait_for(lambda: f"the first answer from {self.dst}: {self.daemon.output()}",
                 lambda: "answered" in self.daemon.output())
        return self

    def __exit__(self, *_exc):
        self.daemon.stop(10, signal.SIGINT)

    def result(self):
        """{"sent", "received", "lost": [sequence numbers], "duplicates", "errors"}"""
        return _result(self.ns, self.dst, self.daemon.output())

    def assert_intact(self, least=50):
        got = self.result()
        if got["lost"] or got["duplicates"] or got["sent"] < least:
            raise Failed(f"of {got['sent']} packets (at least {least}): {got}")
        return got


def iperf(server_ns, server_ip, client_ns, log, seconds=2, reverse=False, client_ip=None, port=5201, udp=None):
    """TCP from client to server (reverse: the other way); returns iperf3's `end` object."""
    server = Daemon(["iperf3", "-s", "-1", "-B", server_ip, "-p", port, "--forceflush"], log, ns=server_ns)
    try:
        wait_for("iperf3 server listening",
                 lambda: f":{port} " in run("ss", "-ltnH", ns=server_ns).stdout)
        argv = ["iperf3", "-J", "-c", server_ip, "-p", port, "-t", seconds, "--connect-timeout", 5000]
        argv += ["-B", client_ip] if client_ip else []
        argv += ["-R"] if reverse else []
        argv += ["-u", "-b", udp] if udp else []
        p = run(*argv, ns=client_ns, timeout=seconds + 25, check=False)
        try:
            got = json.loads(p.stdout)
        except ValueError:
            raise Failed(f"iperf3 {client_ns} -> {server_ip}: {p.stdout}{p.stderr}") from None
        if "error" in got:
            raise Failed(f"iperf3 {client_ns} -> {server_ip}: {got['error']}")
        return got["end"]
    finally:
        server.stop(3)


def mbit(end):
    """Received Mbit/s of an iperf() result."""
    return end["sum_received"]["bits_per_second"] / 1e6


class Capture:
    """tcpdump on an interface of a namespace, into a file.  `with Capture(…) as c: …`, then ask c."""

    def __init__(self, ns, dev, path, expr=""):
        self.path, self.err = str(path), str(path) + ".err"
        for stale in (self.path, self.err):
            if os.path.exists(stale):
                os.unlink(stale)
        self.daemon = Daemon(["tcpdump", "-Z", "root", "-U", "--immediate-mode", "-nn", "-B", 16384,
                              "-i", dev, "-w", self.path, *expr.split()],
                             self.err, ns=ns)
        wait_for(lambda: f"tcpdump on {dev} in {ns}: {self.daemon.output()}",
                 lambda: "listening on" in self.daemon.output() or not self.daemon.alive())

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.stop()

    def stop(self):
        if self.daemon.alive():
            time.sleep(0.3)  # what has passed the wire has also reached the file
            self.daemon.stop(5, signal.SIGINT)

    def lines(self, expr="", count=None):
        """As tcpdump prints them."""
        argv = ["tcpdump", "-nn", "-r", self.path] + (["-c", count] if count else []) + expr.split()
        return run(*argv).stdout.splitlines()

    def count(self, expr=""):
        return len(self.lines(expr))

    def packets(self):
        from scapy.utils import rdpcap
        return rdpcap(self.path)

    def holds(self, needle):
        with open(self.path, "rb") as f:
            return needle in f.read()
