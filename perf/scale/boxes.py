# SPDX-License-Identifier: Apache-2.0
"""The two daemons and loadgen between them, and what is read off them."""
import json
import os
import time

from lab.culvert import BUILD, binary
from lab.proc import Daemon, Failed, run

from . import conf

LOADGEN = os.path.join(BUILD, "perf/loadgen/loadgen")
TICKS = os.sysconf("SC_CLK_TCK")
MAX_PPS = 20000  # each way: what three polling processes on two cores carry without loss


def thread_cpu(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Box:
    """A side: its daemon, and its counts."""

    def __init__(self, size, side, directory):
        self.size, self.side, self.dir = size, side, directory
        self.d = conf.daemon(size, side, directory)
        self.patience = 20 + size.total / 500

    def start(self):
        t = time.monotonic()
        self.d.start(self.patience)
        return time.monotonic() - t

    def show(self, words):
        """A show command's document, and how long it took."""
        t = time.monotonic()
        p = run(binary("culvert"), "-s", self.d.socket, "--json", *words.split(), timeout=self.patience)
        return json.loads(p.stdout), time.monotonic() - t

    def do(self, words):
        t = time.monotonic()
        run(binary("culvert"), "-s", self.d.socket, *words.split(), timeout=self.patience)
        return time.monotonic() - t

    def counts(self):
        info, _ = self.show("show system info")
        return info["ike-sas"], info["ipsec-sas"]

    def cpu(self):
        """Seconds so far: the control thread's, and all others' (workers')."""
        pid = self.d.daemon.pid
        control = thread_cpu(pid, pid)
        return control, sum(thread_cpu(pid, t) for t in os.listdir(f"/proc/{pid}/task")) - control

    def rss(self):
        """Bytes of memory."""
        with open(f"/proc/{self.d.daemon.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def flows(self):
        """Every proxy-ID's entry of show vpn flow by its name, and how long the list took."""
        doc, took = self.show("show vpn flow")
        return {f["proxy-id"]["name"]: f for f in doc["entries"]}, took

    def commit(self):
        self.d.commit(**conf.make(self.size, self.side, self.dir))


def loadgen_args(size, directory, pps, rounds, hosts):
    def port(side):
        lan = conf.LAN[side]
        return conf.memif(side, directory, f"lan{side}", "client").replace(",", ":") + f",{lan}.2,{lan}.1"
    return [LOADGEN, "--a", port(conf.HEADEND), "--b", port(conf.BRANCH), "--net-a", conf.host(conf.HEADEND, 0),
            "--net-b", conf.host(conf.BRANCH, 0), "--hosts", hosts or size.total, "--pps", f"{pps:g}",
            "--rounds", rounds, "--wait", 1, "--json", f"{directory}/traffic.json"]


def outcome(directory, out):
    """What loadgen found: packets sent, and lost, altered ... of both ways together."""
    try:
        with open(f"{directory}/traffic.json") as f:
            doc = json.load(f)
    except OSError:
        raise Failed(f"loadgen: {out}") from None
    ways = doc["results"]
    return {"sent": sum(w["sent"] for w in ways), "lost": sum(w["sent"] - w["received"] for w in ways),
            "altered": sum(w["altered"] for w in ways), "other": doc["other"], "each-way": [w["sent"] for w in ways]}


def traffic(size, directory, rounds=2, hosts=None):
    """Packets of every pair of hosts in turn, both ways."""
    hosts = hosts or size.total
    pps = min(MAX_PPS, hosts * rounds)
    p = run(*loadgen_args(size, directory, pps, rounds, hosts), check=False, timeout=60 + 2 * hosts * rounds / pps)
    return outcome(directory, p.stdout + p.stderr)


class Traffic:
    """The same in the background, for so many seconds or a little more: around what may not lose any of it."""

    def __init__(self, size, directory, seconds, pps=None):
        self.dir, self.log = directory, f"{directory}/loadgen.out"
        self.pps = pps or min(MAX_PPS / 4, max(500, size.total))
        rounds = max(1, round(seconds * self.pps / size.total))
        self.seconds = rounds * size.total / self.pps
        self.args = loadgen_args(size, directory, self.pps, rounds, None)

    def __enter__(self):
        if os.path.exists(f"{self.dir}/traffic.json"):
            os.unlink(f"{self.dir}/traffic.json")
        self.daemon = Daemon(self.args, self.log)
        time.sleep(1)  # DPDK's start, the link, ARP
        return self

    def __exit__(self, kind, *_exc):
        if kind or self.daemon.wait(self.seconds * 1.1 + 20) is None:
            self.daemon.kill()
        if not kind:
            self.result = outcome(self.dir, self.daemon.output())
