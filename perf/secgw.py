#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""DPDK's example ipsec-secgw beside culvert, on the same machine in the same run: scripts/bench --peers.

    secgw.py RESULTS.json       the cases of AES256-GCM16 with 64 or 1420 bytes, 1 or 1000 SAs, that bench has measured

Its ports are of DPDK's pcap driver, which hands out the same packets over and over; what they cost is measured with
dpdk-testpmd on the same ports, and subtracted. Each of its modes is tried: both crypto drivers, with and without
librte_ipsec. It has no anti-replay here, for the inbound packets come again and again. Windows of a second count in which
it had the core for itself.
"""
import json
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from lab.proc import Daemon, Failed, exit_on_signals  # noqa: E402

SECGW = os.environ.get("SECGW", "/var/cache/culvert/secgw/ipsec-secgw")
KEY, SALT = bytes(range(32)), bytes(range(32, 36))
PACKETS, WINDOWS, ENOUGH, OWN = 4096, 6, 3, 0.94
MODES = [(crypto, lib) for crypto in ("crypto_aesni_gcm0", "crypto_aesni_mb0") for lib in (True, False)]
SIZES, SAS = (64, 1420), (1, 1000)
SPI_OUT, SPI_IN = 1000, 100000


def checksum(b):
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return struct.pack("!H", 0xffff ^ s)


def ipv4(src, dst, proto, payload):
    h = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0) + struct.pack("!II", src, dst)
    return h[:10] + checksum(h) + h[12:] + payload


def inner(size, src, dst):
    return ipv4(src, dst, 17, struct.pack("!HHHH", 1024, 99, size - 20, 0) + bytes(size - 28))


def esp(text, spi, seq):
    pad = -(len(text) + 2) % 4
    head, iv = struct.pack("!II", spi, seq), struct.pack("!Q", seq)
    return head + iv + AESGCM(KEY).encrypt(SALT + iv, text + bytes(range(1, pad + 1)) + bytes((pad, 4)), head)


def far(i):
    return 0x0a800001 + i


def packet(way, size, i):
    if way == "out":
        return inner(size, 0x0a018001, far(i))
    return ipv4(0xc0000202, 0xc0000201, 50, esp(inner(size, far(i), 0x0a018001), SPI_IN + i, 1))


def write_pcap(path, way, size, sas):
    pick = random.Random(1)
    made = {}
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for _ in range(PACKETS):
            i = pick.randrange(sas)
            if i not in made:
                made[i] = b"\x02\0\0\0\0\1\x02\0\0\0\1\1\x08\0" + packet(way, size, i)
            f.write(struct.pack("<IIII", 0, 0, len(made[i]), len(made[i])) + made[i])


def write_config(path, sas):
    key = ":".join(f"{b:02x}" for b in KEY + SALT)
    addr = "{}.{}.{}.{}".format
    hosts = [addr(*struct.pack("!I", far(i))) for i in range(sas)]
    with open(path, "w") as f:
        for i, host in enumerate(hosts):
            f.write(f"sp ipv4 out esp protect {SPI_OUT + i} pri 1 dst {host}/32 sport 0:65535 dport 0:65535\n"
                    f"sp ipv4 in esp protect {SPI_IN + i} pri 1 src {host}/32 dst 10.1.0.0/16 sport 0:65535 dport 0:65535\n")
        for i in range(sas):
            for way, spi, src, dst in (("out", SPI_OUT + i, 1, 2), ("in", SPI_IN + i, 2, 1)):
                f.write(f"sa {way} {spi} aead_algo aes-256-gcm aead_key {key} mode ipv4-tunnel src 192.0.2.{src} "
                        f"dst 192.0.2.{dst}\n")
        f.write("rt ipv4 dst 192.0.2.2/32 port 1\nrt ipv4 dst 10.1.0.0/16 port 0\n"
                "neigh port 0 02:00:00:00:01:01\nneigh port 1 02:00:00:00:01:01\n")


def eal(pcap, way, cores, memory=1024):
    busy, idle = ("net_pcap0,rx_pcap=" + pcap + ",infinite_rx=1", "net_null1,no-rx=1")
    if way == "in":  # the second port is the unprotected one
        busy, idle = busy.replace("pcap0", "pcap1"), idle.replace("null1", "null0")
    first, second = (busy, idle) if way == "out" else (idle, busy)
    return ["-l", cores, "--no-huge", "-m", memory, "--no-pci", "--no-shconf", "--no-telemetry", "--file-prefix",
            f"secgw{os.getpid()}", "--vdev", first, "--vdev", second]


def cpu_ns(pid):
    return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task"))


def windows(argv, directory, pattern):
    """ns of CPU time a packet, of each window of a second in which the program had its core to itself."""
    log = f"{directory}/out"
    if os.path.exists(log):
        os.unlink(log)
    d = Daemon(["stdbuf", "-oL", *argv], log)
    good, last, seen, end = [], None, 0, time.monotonic() + 10 + 2 * WINDOWS
    try:
        while len(good) < WINDOWS and time.monotonic() < end:
            if not d.alive():
                raise Failed(f"{argv[0]}:\n{d.output()[-1500:]}")
            counts = re.findall(pattern, d.output())
            if len(counts) == seen:
                time.sleep(0.005)
                continue
            seen, now = len(counts), (time.monotonic(), cpu_ns(d.pid), int(counts[-1]))
            if last and now[2] > last[2] and now[1] - last[1] > OWN * 1e9 * (now[0] - last[0]):
                good.append((now[1] - last[1]) / (now[2] - last[2]))
            last = now
        lost = re.findall(r"Total packets dropped: +(\d+)", d.output())
        if lost and int(lost[-1]) > 64:
            raise Failed(f"{argv[0]} dropped {lost[-1]} packets")
        return good
    finally:
        d.kill()


def secgw(d, way, mode, cores):
    crypto, lib = mode
    return windows([SECGW, *eal(f"{d}/p.pcap", way, cores), "--vdev", crypto, "--", "-p", "0x3", "-P", "-u", "0x2", "--config",
                    f"(0,0,{cores}),(1,0,{cores})", "-f", f"{d}/ep.cfg", "-t", 1, "-s", 4 * PACKETS, *(["-l"] if lib else []),
                    "--rxoffload", 0, "--txoffload", 0], d, r"Total packets sent: +(\d+)")


def ports_alone(d, way, cores):
    return windows(["dpdk-testpmd", *eal(f"{d}/p.pcap", way, f"0,{cores}"), "--", "--forward-mode=io", "--nb-cores=1", "-a",
                    "--stats-period=1", f"--total-num-mbufs={4 * PACKETS}"], d,
                   r"RX-packets: ([1-9]\d*)")


def judged(good):
    return statistics.median(good) if len(good) >= ENOUGH else None


def case(d, way, size, sas, tsc_ghz, cores):
    """Cycles a packet without the ports: best and worst of the modes; None where it was too noisy."""
    write_pcap(f"{d}/p.pcap", way, size, sas)
    write_config(f"{d}/ep.cfg", sas)
    port = judged(ports_alone(d, way, cores))
    modes = {f"{c.removeprefix('crypto_aesni_')[:-1]}{' librte_ipsec' if lib else ''}": judged(secgw(d, way, (c, lib), cores))
             for c, lib in MODES}
    if port is None or None in modes.values():
        return None
    return {m: (ns - port) * tsc_ghz for m, ns in modes.items()}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    exit_on_signals()
    with open(sys.argv[1], encoding="utf-8") as f:
        doc = json.load(f)
    cores = str(max(os.sched_getaffinity(0)))
    rows = [r for r in doc["results"] if r["suite"] == "AES256-GCM16" and r["size"] in SIZES and
            (r["sas"], r["proxy_ids"]) in ((1, 1), (1000, 1000)) and r["rules"] == 0]
    if not rows:
        sys.exit("secgw.py: bench has measured none of the cases that are compared; see --help of scripts/bench")
    print("\nipsec-secgw, AES256-GCM16, cycles a packet without its ports; best and worst of its modes; no anti-replay\n"
          f"{'way':4} {'inner':>5} {'SAs':>6}  {'culvert':>8}  {'secgw best':>10}  {'worst':>6}  by")
    for r in rows:
        with tempfile.TemporaryDirectory() as d:
            got = case(d, r["direction"], r["size"], r["sas"], doc["tsc_hz"] / 1e9, cores)
        ours = f"{r['cycles']:.0f}" if r["verdict"] == "ok" else r["verdict"]
        shown = ("noisy", "-", "") if not got else (f"{min(got.values()):.0f}", f"{max(got.values()):.0f}", min(got, key=got.get))
        print(f"{r['direction']:4} {r['size']:5} {r['sas']:6}  {ours:>8}  {shown[0]:>10}  {shown[1]:>6}  {shown[2]}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError, subprocess.SubprocessError) as e:
        sys.exit(f"secgw.py: {str(e)[:4000]}")
