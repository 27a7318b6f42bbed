#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A headend with very many tunnels, and what happens to it.  scripts/scale runs this; perf/README.md explains it."""
import argparse
import json
import os
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "perf")]

from lab.proc import Failed, exit_on_signals  # noqa: E402
from scale import conf  # noqa: E402
from scale.boxes import Box, Traffic, traffic  # noqa: E402

STALL_S = 30  # nothing new for so long: it will not come up


STEPS = ("start", "bring up", "traffic", "list", "rekey", "commit", "clear", "restart")


class Run:
    """One size: both daemons, and the steps in order.  Each step returns what it measured."""

    def __init__(self, size, directory, say=print):
        self.size, self.dir, self.say = size, directory, say
        self.headend, self.branches = (Box(size, side, directory) for side in (conf.HEADEND, conf.BRANCH))
        self.table = {}

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        # Without their Deletes: hundreds of thousands are no part of what is measured.
        for box in (self.branches, self.headend):
            if box.d.alive():
                box.d.kill()

    def step(self, name, what):
        """Run one step, keep and print its row."""
        self.say(f"{name} ...")
        row = what()
        self.table[name] = row
        self.say(f"  {name}: " + ", ".join(f"{k} {v}" for k, v in row.items() if not isinstance(v, list)))

    def everything(self, until=STEPS[-1]):
        for name in STEPS[:STEPS.index(until) + 1]:
            self.step(name, getattr(self, name.replace(" ", "_")))
        return self.table

    # ---- waiting ---------------------------------------------------------------------------------

    def all_up(self, every=0.2):
        """Until the headend has every SA and no more; the curve of seconds and SAs on the way."""
        t0 = changed = told = time.monotonic()
        curve, before = [], -1
        while True:
            now, (_, n) = time.monotonic(), self.headend.counts()
            curve.append([round(now - t0, 2), n])
            if n == self.size.total + self.size.added:
                return now - t0, curve
            if n != before:
                before, changed = n, now
            if now - changed > STALL_S:
                raise Failed(f"stands at {n} of {self.size.total} SAs for {STALL_S} s")
            if now - told > 5:
                told = now
                self.say(f"  {now - t0:5.0f} s: {n} of {self.size.total}")
            time.sleep(every)

    # ---- the steps -------------------------------------------------------------------------------

    def start(self):
        self.branches.start()  # a memif client, as the headend is for the sake of its restart, wants its server first
        took = self.headend.start()
        check = time.monotonic()
        if self.headend.d.check().returncode:
            raise Failed("--check finds the configuration not sound")
        check = time.monotonic() - check
        self.rss = self.headend.rss()
        return {"start-s": round(took, 2), "check-s": round(check, 2), "memory-mb": self.rss >> 20}

    def bring_up(self):
        control, workers = self.headend.cpu()
        self.size.calling = True
        self.branches.commit()
        took, curve = self.all_up()
        control, workers = (b - a for a, b in zip((control, workers), self.headend.cpu()))
        ike, pairs = self.headend.counts()
        return {"s": round(took, 2), "ike-sas": ike, "pairs": pairs, "pairs-a-second": round(pairs / took),
                "control-ms-a-pair": round(control * 1000 / pairs, 3), "workers-cpu-s": round(workers, 2),
                "bytes-a-pair": (self.headend.rss() - self.rss) // pairs, "curve": curve}

    def traffic(self):
        """Every proxy-ID's counters must have grown by its own packets, at both ends: none went another way."""
        rounds, n = 3, self.size.total
        before = [box.flows()[0] for box in (self.headend, self.branches)]
        r = traffic(self.size, self.dir, rounds)
        self.none_lost(r)
        if r["each-way"] != [rounds * n] * 2:
            raise Failed(f"loadgen sent {r['each-way']}, and not {rounds * n} each way")
        for box, old in zip((self.headend, self.branches), before):
            now, _ = box.flows()
            for name, f in now.items():
                for counter in ("pkt-encap", "pkt-decap"):
                    got = f[counter] - old[name][counter]
                    if got != rounds:
                        raise Failed(f"{name}: {counter} grew by {got}, not {rounds}")
        return {"proxy-ids": n, "packets": r["sent"], "lost": 0, "in-another-tunnel": 0}

    def list(self):
        return {words: f"{self.headend.show(words)[1]:.2f} s"
                for words in ("show vpn flow", "show vpn ike-sa", "show vpn ipsec-sa")}

    def rekey(self):
        """Every Child SA gets new keys while every proxy-ID has traffic."""
        old, _ = self.headend.flows()
        control, _ = self.headend.cpu()
        with Traffic(self.size, self.dir, 6 + self.size.total / 500) as t:
            t0 = time.monotonic()
            self.headend.do("request vpn rekey ipsec-sa")
            while True:
                new, _ = self.headend.flows()
                if all(new[p].get("local-spi") not in (None, old[p]["local-spi"]) for p in old):
                    break
                if time.monotonic() - t0 > t.seconds:
                    raise Failed(f"not all rekeyed in {t.seconds:.0f} s")
                time.sleep(0.2)
            took = time.monotonic() - t0
        self.none_lost(t.result)
        self.all_up()
        return {"s": round(took, 2), "control-cpu-s": round(self.headend.cpu()[0] - control, 2),
                "packets": t.result["sent"], "lost": 0}

    def commit(self):
        """One more proxy-ID at both ends, under traffic of all others."""
        self.size.added = True
        with Traffic(self.size, self.dir, 4) as t:
            t0 = time.monotonic()
            self.headend.commit()
            took = time.monotonic() - t0
            self.branches.commit()
        self.none_lost(t.result)
        self.all_up()
        self.none_lost(traffic(self.size, self.dir, 1, self.size.total + 1))
        return {"commit-s": round(took, 2), "packets": t.result["sent"], "lost": 0}

    def clear(self):
        spis = {f["local-spi"] for f in self.headend.flows()[0].values()}
        t0 = time.monotonic()
        self.headend.do("clear vpn ipsec-sa")
        said = time.monotonic() - t0
        self.all_new(spis)
        took = time.monotonic() - t0
        self.none_lost(traffic(self.size, self.dir, 1))
        return {"answered-s": round(said, 2), "back-s": round(took, 2)}

    def all_new(self, spis):
        """Until every proxy-ID has an SA that was not there before.  Packets ask for those that wait for one."""
        end = time.monotonic() + STALL_S + self.size.total / 100
        while True:
            flows = self.headend.flows()[0].values()
            if all(f.get("local-spi") and f["local-spi"] not in spis for f in flows):
                return
            if time.monotonic() > end:
                raise Failed(f"{sum(f['state'] != 'active' for f in flows)} proxy-IDs are not up")
            traffic(self.size, self.dir, 1, self.size.total + self.size.added)

    def restart(self):
        """The headend dies without a word: traffic finds that out."""
        spis = {f["local-spi"] for f in self.headend.flows()[0].values()}
        self.headend.d.kill()
        os.unlink(f"{self.dir}/lan0.sock")  # a memif server that died leaves it, and its successor does not take it
        t0 = time.monotonic()
        self.headend.start()
        started = time.monotonic() - t0
        self.all_new(spis)
        took = time.monotonic() - t0
        self.none_lost(traffic(self.size, self.dir, 1))
        return {"start-s": round(started, 2), "all-back-s": round(took, 2)}

    def none_lost(self, r):
        if r["lost"] or r["altered"] or not r["sent"]:
            drops = {name: n for name, n in self.headend.d.drops().items() if n}
            raise Failed(f"of {r['sent']} packets {r['lost']} were lost and {r['altered']} altered; the headend "
                         f"dropped {drops}")


def options():
    p = argparse.ArgumentParser(prog="scale", description=__doc__)
    p.add_argument("--gateways", type=int, default=20)
    p.add_argument("--proxy-ids", type=int, default=5, help="of each gateway")
    p.add_argument("--suite", choices=conf.SUITES, default="aes-256-gcm")
    p.add_argument("--until", choices=STEPS, default=STEPS[-1], help="the last step")
    p.add_argument("--json", metavar="FILE", help="write the results there")
    return p.parse_args()


def main():
    o = options()
    exit_on_signals()
    size = conf.Size(o.gateways, o.proxy_ids, o.suite)
    with tempfile.TemporaryDirectory(prefix="culvert-scale-") as directory, Run(size, directory) as run:
        try:
            run.everything(o.until)
        except Failed as e:
            print(f"scale: {str(e)[:1000]}\n{run.headend.d.log()[-1500:]}", file=sys.stderr)
            return 1
        finally:
            if o.json:
                with open(o.json, "w") as f:
                    json.dump({"gateways": o.gateways, "proxy-ids": o.proxy_ids, "suite": o.suite, **run.table}, f)
    print(f"{o.gateways} gateways with {o.proxy_ids} proxy-IDs each: done, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
