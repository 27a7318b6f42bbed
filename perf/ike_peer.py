#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Culvert as the responder under strongSwan's load-tester, beside strongSwan as the responder under the same initiator.

    ike_peer.py [--sas N] [--group 14,19,31] [--times N] [--json FILE]

Two namespaces and a veth between them. The initiator is busier than any responder here, so rates say more about it; what
counts is the responder's CPU time for each IKE SA with its Child SA, from the kernel's count, less what it uses when
idle for as long. strongSwan has its kernel part faked by load-tester, so it installs nothing; culvert installs its SAs.
Both are asked for nothing while it goes on: progress is read off the initiator. scripts/bench ike-peer runs this.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "perf")]

from lab.culvert import Culvertd  # noqa: E402
from lab.proc import Daemon, Failed, exit_on_signals, run, wait_for  # noqa: E402
from scale.load import cpu_s, rss  # noqa: E402

STRONGSWAN = os.environ.get("LOAD_TESTER", "/var/cache/culvert/load-tester")
INITIATOR, RESPONDER = f"cvt{os.getpid()}-li", f"cvt{os.getpid()}-lr"
GROUPS = {14: "modp2048", 19: "ecp256", 31: "curve25519"}
PSK = "load test key, of no use to anyone"
PLUGINS = "random nonce hmac kdf openssl pem pkcs1 pkcs8 pubkey x509"
STALL_S = 10


class Namespaces:
    """The initiator's, and the responder's, whose end of the veth has an address only for strongSwan."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __enter__(self):
        try:
            self.up()
        except Failed:
            self.__exit__()
            raise
        return self

    def up(self):
        for ns in (INITIATOR, RESPONDER):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
            run("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        run("ip", "link", "add", "name", "li", "netns", INITIATOR, "type", "veth", "peer", "name", "lr", "netns", RESPONDER)
        for ns, dev in ((INITIATOR, "li"), (RESPONDER, "lr")):
            # A packet socket gets checksums that nobody has filled in, unless the sender's offload is off.
            run("ip", "netns", "exec", ns, "ethtool", "-K", dev, "tx", "off")
            run("ip", "-n", ns, "link", "set", "dev", dev, "up")
        run("ip", "-n", INITIATOR, "addr", "add", "192.0.2.1/24", "dev", "li")
        if self.kernel:
            run("ip", "-n", RESPONDER, "addr", "add", "192.0.2.2/24", "dev", "lr")

    def __exit__(self, *_exc):
        for ns in (INITIATOR, RESPONDER):
            run("ip", "netns", "del", ns, check=False)


def options(text):
    """Nested dictionaries as strongswan.conf has them."""
    return "\n".join(f"{k} {{\n{options(v)}\n}}" if isinstance(v, dict) else f"{k} = {v}" for k, v in text.items())


def charon(ns, directory, plugins, load_tester, more=None):
    """A charon of the load-tester build.  The pid file's directory is its own, in the namespace's own mounts."""
    os.makedirs(directory, exist_ok=True)
    conf = {"charon": {
        "threads": 16, "ikesa_table_size": 32768, "ikesa_table_segments": 16, "dos_protection": "no", "block_threshold": 0,
        "cookie_threshold": 0, "half_open_timeout": 60, "load": f"{PLUGINS} {plugins}",
        "filelog": {"log": {"path": f"{directory}/charon.log", "default": 0, "flush_line": "yes"}},
        "plugins": {"load-tester": {"enable": "yes", "fake_kernel": "yes", "preshared_key": f'"{PSK}"',
                                    "socket": f"unix://{directory}/ldt", **load_tester}, **(more or {})}}}
    with open(f"{directory}/strongswan.conf", "w") as f:
        f.write(options(conf) + "\n")
    return Daemon(["sh", "-c", f"mount -t tmpfs none {STRONGSWAN}/run && exec {STRONGSWAN}/libexec/ipsec/charon"],
                  f"{directory}/out", ns=ns, env={"STRONGSWAN_CONF": f"{directory}/strongswan.conf"})


def initiator(directory, group, sas):
    return charon(INITIATOR, directory, "load-tester kernel-netlink socket-default", {
        "version": 2, "initiator": "192.0.2.1", "responder": "192.0.2.2", "initiators": 2, "iterations": sas // 2,
        "init_limit": 24, "delay": 1, "proposal": f"aes128-sha256-{GROUPS[group]}", "esp": "aes128gcm16",
        "initiator_auth": "psk", "responder_auth": "psk", "initiator_id": "c%d-r%d@load.example",
        "responder_id": "srv.load.example", "initiator_tsi": "10.1.0.0/16", "initiator_tsr": "10.2.0.0/16"})


class Strongswan:
    name = "strongSwan"
    kernel = True

    def __init__(self, directory, group, _sas):
        self.dir, self.group, self.log = directory, group, f"{directory}/charon.log"

    def __enter__(self):
        vici = f"unix://{self.dir}/vici"
        self.daemon = charon(RESPONDER, self.dir, "load-tester kernel-netlink socket-default vici", {"initiators": 0},
                             {"vici": {"socket": vici}})
        wait_for("charon listens", lambda: os.path.exists(f"{self.dir}/vici"))
        os.makedirs(f"{self.dir}/swanctl", exist_ok=True)
        with open(f"{self.dir}/swanctl/swanctl.conf", "w") as f:
            f.write(options({
                "connections": {"load": {
                    "version": 2, "local_addrs": "192.0.2.2", "proposals": f"aes128-sha256-{GROUPS[self.group]}",
                    "rekey_time": 0, "local": {"auth": "psk", "id": "srv.load.example"},
                    "remote": {"auth": "psk", "id": "*@load.example"},
                    "children": {"net": {"local_ts": "10.2.0.0/16", "remote_ts": "10.1.0.0/16",
                                         "esp_proposals": "aes128gcm16", "rekey_time": 0}}}},
                "secrets": {"ike-l": {"secret": f'"{PSK}"'}}}) + "\n")
        self.swanctl("--load-all")
        return self

    def swanctl(self, verb):
        return run(f"{STRONGSWAN}/sbin/swanctl", verb, "--uri", f"unix://{self.dir}/vici", ns=RESPONDER, timeout=30,
                   env={"SWANCTL_DIR": f"{self.dir}/swanctl", "STRONGSWAN_CONF": f"{self.dir}/strongswan.conf"}).stdout

    def sas(self):
        return int(self.swanctl("--stats").split("IKE_SAs: ")[1].split()[0])

    def __exit__(self, *_exc):
        self.daemon.kill()  # with thousands of SAs a polite end takes minutes


class Culvert:
    name = "culvert"
    kernel = False

    def __init__(self, directory, group, sas):
        conf = {
            "system": {"hostname": "load", "workers": 1, "idle": "adaptive", "hugepages": False, "memory": 512,
                       "max-sas": 4 * sas, "log": f"{directory}/culvertd.log", "journal": f"{directory}/journal",
                       "cli-socket": f"{directory}/cli", "maximum-half-opened-sa": 1000, "half-opened-sa-per-source": 1000},
            "interfaces": [{"name": "ethernet1/1", "port": "net_af_packet0,iface=lr", "address": ["192.0.2.2/24"]}] +
                          [{"name": f"tunnel.{i}"} for i in range(1, sas + 1)],
            "ike-crypto-profiles": [{"name": "ike", "dh-group": [f"group{group}"], "authentication": ["sha256"],
                                     "encryption": ["aes-128-cbc"], "lifetime": "24h"}],
            "ipsec-crypto-profiles": [{"name": "esp", "encryption": ["aes-128-gcm"], "dh-group": "no-pfs",
                                       "lifetime": "24h"}],
            # An identity for each, as the initiator has them: one address, so many gateways.
            "ike-gateways": [{"name": f"g{i}", "version": "ikev2", "interface": "ethernet1/1",
                              "local-address": "192.0.2.2", "peer-address": "192.0.2.1", "pre-shared-key": PSK,
                              "local-id": {"type": "fqdn", "value": "srv.load.example"},
                              "peer-id": {"type": "ufqdn", "value": f"c{i}-r1@load.example"}, "passive-mode": True,
                              "ike-crypto-profile": "ike"} for i in range(1, sas + 1)],
            "ipsec-tunnels": [{"name": f"t{i}", "tunnel-interface": f"tunnel.{i}", "ike-gateway": f"g{i}",
                               "ipsec-crypto-profile": "esp",
                               "proxy-ids": [{"name": "net", "local": "10.2.0.0/16", "remote": "10.1.0.0/16"}]}
                              for i in range(1, sas + 1)],
        }
        self.site = type("Site", (), {"gateway": RESPONDER})
        self.culvertd = Culvertd(self.site, directory, conf)
        self.log = self.culvertd.log_path

    def __enter__(self):
        self.culvertd.start(timeout=60)
        self.daemon = self.culvertd.daemon
        return self

    def sas(self):
        return self.culvertd.cli("show system info", json_out=True)["ike-sas"]

    def __exit__(self, *_exc):
        self.culvertd.kill()


def usage(pid):
    """Of the process, of its first thread: in culvertd, the control thread."""
    return time.monotonic(), cpu_s(pid), cpu_s(pid, pid)


class Progress:
    """IKE SAs with their Child SA that the initiator's log says are up."""

    def __init__(self, log):
        wait_for("the initiator starts", lambda: os.path.exists(log))
        self.file, self.rest, self.up = open(log, errors="replace"), "", 0

    def look(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        self.up += sum("] CHILD_SA load-test{" in line and " established with " in line for line in lines)
        return self.up


def end_of(log):
    try:
        with open(log, errors="replace") as f:
            return f.read()[-1500:]
    except OSError as e:
        return str(e)


def drive(responder, directory, group, sas):
    """One run: seconds, CPU seconds of the responder and of its control thread, bytes."""
    pid = responder.daemon.pid
    time.sleep(1)
    idle = usage(pid)
    time.sleep(2)
    before, memory = usage(pid), rss(pid)
    idle_cpu = [(b - a) / (before[0] - idle[0]) for a, b in zip(idle[1:], before[1:])]
    started, last = initiator(directory, group, sas), (0, time.monotonic())
    try:
        progress = Progress(f"{directory}/charon.log")
        while True:
            up = progress.look()
            if up > last[0]:
                last = (up, time.monotonic())
            if up >= sas:
                break
            if not started.alive() or time.monotonic() > last[1] + STALL_S:
                raise Failed(f"{responder.name}: {up} of {sas} SAs\n{end_of(directory + '/charon.log')}"
                             f"\n{end_of(responder.log)}")
            time.sleep(0.02)
        after = usage(pid)
        if responder.sas() < sas:
            raise Failed(f"{responder.name} has {responder.sas()} SAs of {sas}")
        seconds = after[0] - before[0]
        cpu = [b - a - i * seconds for a, b, i in zip(before[1:], after[1:], idle_cpu)]
        return seconds, *cpu, rss(pid) - memory, cpu_s(started.pid)
    finally:
        started.kill()


def measure(kind, group, sas, times):
    runs = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as d, Namespaces(kind.kernel), kind(f"{d}/r", group, sas) as responder:
            runs.append(drive(responder, f"{d}/i", group, sas))
    cpu = [r[1] / sas * 1e3 for r in runs]
    return {"responder": kind.name, "group": group, "sas": sas, "cpu_ms": statistics.median(cpu),
            "spread": (max(cpu) - min(cpu)) / 2 / statistics.median(cpu),
            "control_ms": statistics.median(r[2] / sas * 1e3 for r in runs),
            "rate": statistics.median(sas / r[0] for r in runs), "bytes": statistics.median(r[3] / sas for r in runs),
            "initiator_ms": statistics.median(r[4] / sas * 1e3 for r in runs)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sas", type=int, default=1000, help="IKE SAs of a run, 2 to 4000, even")
    ap.add_argument("--group", default="14,19,31")
    ap.add_argument("--times", type=int, default=3, help="runs, of which the median counts")
    ap.add_argument("--json")
    args = ap.parse_args()
    groups = [int(g) for g in args.group.split(",") if g.isdigit()]
    if not groups or any(g not in GROUPS for g in groups) or not 2 <= args.sas <= 4000 or args.sas % 2 or args.times < 1:
        ap.error("groups are 14, 19, 31; --sas an even number from 2 to 4000")
    exit_on_signals()
    print(f"{args.sas} IKE SAs with a Child SA each, PSK, IKE AES-128-CBC, ESP AES-128-GCM; medians of {args.times}; CPU time for "
          "each SA,\nidle time taken off; +- is half of what lies between the least and the most; memory is what the process grew by\n")
    print(f"{'group':>5}  {'responder':10}  {'CPU ms':>7} {'+-':>5}  {'of it control':>13}  {'bytes':>7}  {'SAs/s':>6}  initiator CPU ms")
    results = []
    for group in groups:
        for kind in (Culvert, Strongswan):
            r = measure(kind, group, args.sas, args.times)
            results.append(r)
            control = f"{r['control_ms']:.3f}" if kind is Culvert else "-"
            print(f"{group:5}  {r['responder']:10}  {r['cpu_ms']:7.3f} {r['spread']:4.0%}  {control:>13}  {r['bytes']:7.0f}  "
                  f"{r['rate']:6.0f}  {r['initiator_ms']:.2f}", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"results": results}, f, indent=1)


if __name__ == "__main__":
    try:
        main()
    except Failed as e:
        sys.exit(f"ike_peer.py: {str(e)[:4000]}")
