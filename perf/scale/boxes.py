# SPDX-License-Identifier: Apache-2.0
"""The daemons and loadgen between them, and what is read off them."""
import json
import os
import signal
import time
from collections import namedtuple

from lab import topology
from lab.culvert import BUILD, binary
from lab.proc import Daemon, Failed, run, wait_for

from . import conf
from .load import cpu_s, rss

LOADGEN = os.path.join(BUILD, "perf/loadgen/loadgen")
MAX_PPS = 20000  # each way: what polling processes on two cores carry without loss


Flow = namedtuple("Flow", "spi encap decap")


class Namespace:
    """Where the daemons run, with the veth links that some of them have."""

    def __init__(self, what, links):
        self.name, self.links = f"cvt{os.getpid()}-{what}", links

    def __enter__(self):
        topology.sweep()
        run("ip", "netns", "add", self.name)
        for a, b in self.links:
            topology.veth(self.name, a, self.name, b)
        return self

    def __exit__(self, *_exc):
        topology.remove_namespace(self.name)


def show(d, words, patience):
    """A show command's document, and how long it took."""
    t = time.monotonic()
    p = run(binary("culvert"), "-s", d.socket, "--json", *words.split(), timeout=patience)
    return json.loads(p.stdout), time.monotonic() - t


def link_up(d, port="ethernet1/1"):
    """Wait for it: daemons look at their links once in a while.  Who asked for a neighbour too early asks again after a
    second."""
    def up():
        entries = d.cli("show interface", json_out=True)["entries"]
        return next(e["state"] for e in entries if e["name"] == port) == "up"
    wait_for(f"{port} of {d.dir} is up", up)
    time.sleep(1)


class Box:
    """A daemon, and its counts."""

    def __init__(self, size, which, directory, namespace):
        self.size, self.which, self.dir = size, which, directory
        self.d = conf.daemon(size, which, directory, namespace)
        self.patience = 20 + size.total / 500

    def start(self):
        t = time.monotonic()
        self.d.start(self.patience)
        return time.monotonic() - t

    def die(self):
        """Without a word.  A memif server that died leaves its socket, and its successor does not take it."""
        self.d.kill()
        if self.which != conf.MORTAL:
            os.unlink(f"{self.dir}/lan{self.which}.sock")

    def show(self, words):
        return show(self.d, words, self.patience)

    def do(self, words):
        t = time.monotonic()
        run(binary("culvert"), "-s", self.d.socket, *words.split(), timeout=self.patience)
        return time.monotonic() - t

    def counts(self):
        info, _ = self.show("show system info")
        return info["ike-sas"], info["ipsec-sas"]

    def ike_counter(self, name):
        """The list leaves out what has not happened."""
        return {c["name"]: c["value"] for c in self.show("show counter ike")[0]["entries"]}.get(name, 0)

    def control_cpu(self):
        pid = self.d.daemon.pid
        return cpu_s(pid, pid)

    def rss(self):
        return rss(self.d.daemon.pid)

    def flows(self):
        """What the steps want of every proxy-ID in show vpn flow, by its name."""
        return {f["proxy-id"]["name"]: Flow(f.get("local-spi"), f["pkt-encap"], f["pkt-decap"])
                for f in self.show("show vpn flow")[0]["entries"]}

    def commit(self):
        self.d.conf.update(conf.make(self.size, self.which, self.dir))
        self.d.write()
        return self.do("commit")


def loadgen_args(size, directory, pps, rounds, first, hosts):
    def port(side):
        lan = conf.LAN[side]
        return conf.memif(side, directory, f"lan{side}", "client").replace(",", ":") + f",{lan}.2,{lan}.1"
    return [LOADGEN, "--a", port(conf.HEADEND), "--b", port(conf.BRANCH), "--net-a", conf.host(conf.HEADEND, first),
            "--net-b", conf.host(conf.BRANCH, first), "--hosts", hosts, "--pps", f"{pps:g}",
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


def forget(directory):
    if os.path.exists(f"{directory}/traffic.json"):
        os.unlink(f"{directory}/traffic.json")


def traffic(size, directory, rounds=2, hosts=None):
    """Packets of every pair of hosts in turn, both ways."""
    hosts = hosts or size.total
    pps = min(MAX_PPS, hosts * rounds)
    forget(directory)
    p = run(*loadgen_args(size, directory, pps, rounds, 0, hosts), check=False, timeout=60 + 2 * hosts * rounds / pps)
    return outcome(directory, p.stdout + p.stderr)


class Traffic:
    """The same in the background until the block is over and every pair has had its packet: around what may not lose any
    of it.  at_most: seconds, should the block not come to its end; first: from this proxy-ID on; hosts: so many."""

    def __init__(self, size, directory, at_most, first=0, hosts=None, pps=None):
        self.dir, self.log = directory, f"{directory}/loadgen.out"
        hosts = hosts or size.total + size.added - first
        pps = pps or min(MAX_PPS / 4, max(500, hosts))
        self.round_s = hosts / pps
        rounds = min(10 ** 6, round((at_most + 2) * pps / hosts) + 1)
        self.args = loadgen_args(size, directory, pps, rounds, first, hosts)

    def __enter__(self):
        forget(self.dir)
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.daemon = Daemon(self.args, self.log)
        wait_for(lambda: f"loadgen sends: {self.daemon.output()}",
                 lambda: "sending\n" in self.daemon.output() or not self.daemon.alive(), 30)
        return self

    def __exit__(self, kind, *_exc):
        if kind:
            self.daemon.kill()
            return
        time.sleep(self.round_s + 0.2)
        self.daemon.send(signal.SIGINT)
        if self.daemon.wait(20) is None:
            self.daemon.kill()
        self.result = outcome(self.dir, self.daemon.output())
