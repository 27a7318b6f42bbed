# SPDX-License-Identifier: Apache-2.0
"""What scripts/demo shows: culvert and strongSwan, a tunnel in both roles, traffic, proof from the wire.

Whatever is printed with "ok" was checked; the first thing that does not hold ends the demo with exit status 1 and the
ends of both logs.
"""
import re
import shutil
import sys
import tempfile
import time

from . import hq
from .proc import Failed, exit_on_signals, wait_for
from .traffic import MARKER, Capture, assert_ping, iperf, mbit

DRAWING = """\
    host A ---------- culvert ------------ WAN ------------ strongSwan ---------- host B
    10.20.20.10    198.51.100.20          router           203.0.113.10     10.10.10.10
"""


class Demo:
    def __init__(self, directory):
        self.t0 = time.monotonic()
        self.dir = directory
        self.lab = hq.HqLab(None, directory)
        self.c, self.s = self.lab.culvertd, self.lab.strongswan
        self.a, self.b = self.lab.net.hq, self.lab.net.branch
        self.captures = []

    # ---- printing ----

    def title(self, text):
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)

    def ok(self, text):
        print(f"  ok    {text}", flush=True)

    def show(self, command):
        print(f"\n  $ culvert {command}")
        for line in self.c.cli(command).strip("\n").splitlines():
            print(f"  {line}".rstrip())
        print(flush=True)

    # ---- steps ----

    def raise_lab(self):
        self.title("The lab: five network namespaces, nothing outside them")
        print(DRAWING)
        check = self.c.check()
        if check.returncode:
            raise Failed(f"culvertd --check refuses conf/hq.conf:\n{check.stdout}{check.stderr}")
        self.ok("culvertd --check: " + check.stdout.strip().split(": ", 1)[-1])
        self.lab.net.up()
        self.lab.start_peer()
        version = self.s.log_has(r"strongSwan [\d.]+")
        self.ok(f"{version[0] if version else 'strongSwan'} runs in the branch")
        self.c.start()
        self.ok("culvertd runs at the headquarters, with conf/hq.conf, its ports on veth by net_af_packet")
        self.wan = Capture(self.lab.net.wan, "to-hq", f"{self.dir}/wan.pcap")
        self.lan = Capture(self.a.host, "eth0", f"{self.dir}/lan.pcap")
        self.captures = [self.wan, self.lan]

    def established(self, role):
        def both():
            sas = self.c.ike_sas()
            return (len(sas) == 1 and sas[0]["role"].lower().startswith(role[:4]) and len(self.c.children()) == 1 and
                    self.s.counts() == (1, 1))
        wait_for(lambda: f"one IKE SA and one Child SA at both ends:\n{self.c.cli('show vpn ike-sa')}{self.s.sas()}",
                 both, 15)
        self.ok(f"established; culvert is the {role}")
        lines = self.s.sas().splitlines()
        print("        strongSwan says: " + re.sub(r"\s+", " ", lines[0]))
        for line in lines:
            if re.search(r"INSTALLED", line):
                print("                         " + line.strip())

    def pings(self, count=20):
        line = assert_ping(self.a.host, self.b.host_ip, count=count, marker=True)
        self.ok(f"ping A to B: {line}")
        line = assert_ping(self.b.host, self.a.host_ip, count=count, marker=True)
        self.ok(f"ping B to A: {line}")

    def tcp(self):
        for server, client, what in ((self.b, self.a, "A to B"), (self.a, self.b, "B to A")):
            end = iperf(server.host, server.host_ip, client.host, f"{self.dir}/iperf", seconds=2)
            moved = end["sum_received"]["bytes"]
            if moved < 100000:
                raise Failed(f"iperf3 {what} moved only {moved} bytes")
            self.ok(f"iperf3 TCP {what}: {moved / 1e6:.0f} MB, {mbit(end):.0f} Mbit/s")

    def grown(self, before):
        after = self.c.flow(hq.TUNNEL)
        keys = {"pkt-encap": "encap", "pkt-decap": "decap"}
        for key in keys:
            if after[key] <= before[key]:
                raise Failed(f"{key} did not grow: {before[key]}, then {after[key]}")
        self.ok("counters grow both ways: " + ", ".join(
            f"{name} packets {before[k]} -> {after[k]}" for k, name in keys.items()))

    def as_initiator(self):
        self.title("1. culvert initiates")
        self.show(f"test vpn ipsec-sa tunnel {hq.TUNNEL}")
        self.established("initiator")
        self.pings()
        for what in ("ike-sa", "ipsec-sa", "flow", f"flow name {hq.TUNNEL}"):
            self.show(f"show vpn {what}")
        before = self.c.flow(hq.TUNNEL)
        self.tcp()
        self.grown(before)
        for what in ("ike-sa", "ipsec-sa", f"flow name {hq.TUNNEL}"):
            self.show(f"show vpn {what}")

    def clear(self):
        self.title("2. The operator clears it")
        self.show(f"clear vpn ike-sa gateway {hq.GATEWAY}")
        wait_for("no SA left at either end", lambda: not self.c.ike_sas() and self.s.counts() == (0, 0))
        if not self.s.log_has("received DELETE for IKE_SA"):
            raise Failed("strongSwan's log shows no Delete")
        self.ok("gone at both ends; strongSwan got the Delete")

    def as_responder(self):
        self.title("3. strongSwan initiates")
        self.s.initiate()
        self.established("responder")
        before = self.c.flow(hq.TUNNEL)
        self.pings()
        self.grown(before)

    def wire(self):
        self.title("4. What the wire between them saw")
        for c in self.captures:
            c.stop()
        esp = [line for line in self.wan.lines("udp port 4500 or ip proto 50") if "ESP(" in line]
        if len(esp) < 80:
            raise Failed(f"only {len(esp)} ESP packets on the wire")
        for line in esp[:2]:
            print(f"        {line}")
        self.ok(f"{len(esp)} ESP packets, two of them above")
        if not self.lan.holds(MARKER):
            raise Failed("the pings' payload is not even in the LAN's capture: the search proves nothing")
        if self.wan.holds(MARKER) or self.wan.count("net 10.0.0.0/8"):
            raise Failed("clear text on the WAN")
        other = self.wan.count("not arp and not udp port 500 and not udp port 4500 and not ip proto 50")
        if other:
            raise Failed(f"{other} packets on the WAN are neither IKE nor ESP nor ARP")
        self.ok(f'no clear text: the pings\' payload "{MARKER.decode()}" is in the LAN\'s capture, not in the WAN\'s,')
        print("        which holds IKE, ESP and ARP, and no packet of 10.0.0.0/8")

    def shutdown(self):
        self.title("5. Clean end")
        since = len(self.s.log())
        status = self.c.stop()
        if status != 0:
            raise Failed(f"culvertd's exit status on SIGTERM: {status}")
        self.s.wait_log("received DELETE for IKE_SA", since=since)
        wait_for("no SA left at strongSwan", lambda: self.s.counts() == (0, 0))
        self.ok("culvertd stopped on SIGTERM with status 0; strongSwan got the Delete and holds no SA")

    def end(self):
        for c in self.captures:
            c.stop()
        self.lab.stop()

    def run(self):
        for step in (self.raise_lab, self.as_initiator, self.clear, self.as_responder, self.wire, self.shutdown):
            step()


def main():
    exit_on_signals()
    directory = tempfile.mkdtemp(prefix="culvert-demo-")
    demo = Demo(directory)
    status = 1
    try:
        demo.run()
        status = 0
    except Failed as e:
        print(f"\n  FAILED  {e}\n")
        for what, text in (("culvertd", demo.c.log()), ("strongSwan", demo.s.log())):
            print(f"  ---- end of {what}'s log")
            print("\n".join("  " + line for line in text.splitlines()[-25:]))
    finally:
        demo.end()
        shutil.rmtree(directory, ignore_errors=True)
    if status == 0:
        demo.ok("lab removed")
        print(f"\nculvert and strongSwan carried traffic, either initiating. {time.monotonic() - demo.t0:.0f} s.")
    return status


if __name__ == "__main__":
    sys.exit(main())
