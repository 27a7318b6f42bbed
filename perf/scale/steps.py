# SPDX-License-Identifier: Apache-2.0
"""What is done to a headend with very many tunnels, step by step, and what must hold."""
import itertools
import statistics
import time

from lab.proc import Failed

from . import conf
from .boxes import Box, Namespace, Traffic, link_up, traffic
from .load import Counts, Load

STALL_S = 30  # nothing new for so long: it will not come up
SLACK_S = 20  # what a busy machine may take more than DPD's own time, before the run ends
COST_PPS, COST_INTERVALS = 300000, 10

STEPS = ("start", "bring up", "traffic", "cost", "list", "rekey", "commit", "dead", "clear", "restart")
BY_LIFETIME = ("start", "bring up", "traffic", "rekey")


class Run:
    """One size: the daemons, and the steps in order.  Each step returns what it measured."""

    def __init__(self, size, directory, say=print):
        self.size, self.dir, self.say = size, directory, say
        self.namespace = Namespace("scale", [("wan0", "wan1"), ("back0", "back1")])
        self.boxes = [Box(size, which, directory, self.namespace.name) for which in conf.BOXES if size.gateways_of(which)]
        self.headend, self.branches, *mortal = self.boxes
        self.mortal = mortal[0] if mortal else None
        self.callers = [self.branches, *mortal]
        self.by_lifetime = False
        self.table = {}

    def __enter__(self):
        self.namespace.__enter__()
        return self

    def __exit__(self, *_exc):
        # Without their Deletes: hundreds of thousands are no part of what is measured.
        for box in reversed(self.boxes):
            if box.d.alive():
                box.d.kill()
        self.namespace.__exit__()

    def step(self, name, what):
        """Run one step, keep and print its row and the headend's load meanwhile."""
        self.say(f"{name} ...")
        t0 = time.monotonic()
        with Load(self.headend) as load:
            row = what()
        self.table[name] = {**row, "took-s": round(time.monotonic() - t0, 1), "load": load.row()}
        for title, values in ((name, row), ("load", self.table[name]["load"])):
            self.say(f"  {title}: " + ", ".join(f"{k} {v}" for k, v in values.items() if not isinstance(v, list)))

    def everything(self, until=STEPS[-1], steps=STEPS):
        for name in steps[:steps.index(until) + 1] if until in steps else steps:
            self.step(name, getattr(self, name.replace(" ", "_")))
        return self.table

    # ---- waiting ---------------------------------------------------------------------------------

    def all_up(self, every=0.2):
        """Until the headend has every SA and no more; the curve of seconds and SAs on the way."""
        t0 = changed = told = time.monotonic()
        want, curve, before = self.size.total + self.size.added, [], -1
        while True:
            _, n = self.headend.counts()
            now = time.monotonic()
            curve.append([round(now - t0, 2), n])
            if n == want:
                return now - t0, curve
            if n != before:
                before, changed = n, now
            if now - changed > STALL_S:
                raise Failed(f"stands at {n} of {want} SAs for {STALL_S} s")
            if now - told > 5:
                told = now
                self.say(f"  {now - t0:5.0f} s: {n} of {want}")
            time.sleep(every)

    def wait(self, what, probe, seconds, t0=None):
        """Until probe's number is 0; it is told on the way.  How long that took, or how long it is since t0."""
        t0 = t0 or time.monotonic()
        told = t0
        while (left := probe()) != 0:
            now = time.monotonic()
            if now - t0 > seconds:
                raise Failed(f"after {seconds:.0f} s {left} are still not {what}")
            if now - told > 5:
                told = now
                self.say(f"  {now - t0:5.0f} s: {left} not yet {what}")
            time.sleep(0.2)
        return time.monotonic() - t0

    def acquaint(self):
        """The boxes learn each other's MAC address on the link that clear packets take: a burst would not wait for that."""
        if self.mortal:
            self.branches.do(f"ping host {conf.BACK}.2 count 1")
            self.mortal.do(f"ping host {conf.BACK}.1 count 1")

    def spis(self):
        return {name: f.spi for name, f in self.headend.flows().items()}

    # ---- the steps -------------------------------------------------------------------------------

    def start(self):
        for box in self.callers:  # a memif client wants its server first
            box.start()
        took = self.headend.start()
        for box in self.boxes:
            link_up(box.d)
        check = time.monotonic()
        if self.headend.d.check().returncode:
            raise Failed("--check finds the configuration not sound")
        check = time.monotonic() - check
        self.rss = self.headend.rss()
        return {"start-s": round(took, 2), "check-s": round(check, 2), "memory-mb": self.rss >> 20}

    def bring_up(self):
        control = self.headend.control_cpu()
        self.size.calling = True
        for box in self.callers:
            box.commit()
        took, curve = self.all_up()
        control = self.headend.control_cpu() - control
        self.acquaint()
        ike, pairs = self.headend.counts()
        grown = self.headend.rss() - self.rss
        return {"s": round(took, 2), "ike-sas": ike, "pairs": pairs, "pairs-a-second": round(pairs / took),
                "control-ms-a-pair": round(control * 1000 / pairs, 3), "bytes-a-pair": grown // pairs,
                "bytes-an-ike-sa": grown // ike, "curve": curve}

    def traffic(self):
        """Every proxy-ID's counters must have grown by its own packets, at both ends: none went another way."""
        rounds, n = 3, self.size.total
        before = [box.flows() for box in self.boxes]
        r = traffic(self.size, self.dir, rounds)
        self.none_lost(r)
        if r["each-way"] != [rounds * n] * 2:
            raise Failed(f"loadgen sent {r['each-way']}, and not {rounds * n} each way")
        for box, old in zip(self.boxes, before):
            for name, f in box.flows().items():
                out, back = f.encap - old[name].encap, f.decap - old[name].decap
                if (out, back) != (rounds, rounds):
                    raise Failed(f"{name}: {out} packets encrypted and {back} decrypted, not {rounds}")
        return {"proxy-ids": n, "packets": r["sent"], "lost": 0, "in-another-tunnel": 0}

    def cost(self):
        """The headend's worker: CPU time for a packet when 1, 10, 100 … SAs take turns, in bursts as large as a load makes
        them.  Two cores do not carry that load whole, so loss counts for nothing here.  Without the mortal's SAs, whose
        links are slower."""
        first, curve = self.size.mortal_ids, []
        most = self.size.total - first
        for n in [*itertools.takewhile(lambda n: n < most, (10 ** i for i in range(6))), most]:
            with Traffic(self.size, self.dir, 20, first, n, COST_PPS) as t:
                time.sleep(t.round_s + 0.3)  # then every flow is known
                counts = [Counts(self.headend)]
                for _ in range(COST_INTERVALS):
                    time.sleep(0.15)
                    counts.append(Counts(self.headend))
            grown = [b.since(a) for a, b in itertools.pairwise(counts)]
            grown = [g for g in grown if g["packets"]]
            if not grown or t.result["altered"]:
                raise Failed(f"{n} SAs: {t.result['altered']} packets altered, {len(grown)} intervals with any")
            curve.append([n, round(statistics.median(g["workers_s"] * 1e9 / g["packets"] for g in grown)),
                          round(statistics.median(g["packets"] / g["bursts"] for g in grown), 1)])
        return {**{f"ns-at-{n}": ns for n, ns, _ in curve}, "curve": curve}

    def list(self):
        return {words: f"{self.headend.show(words)[1]:.2f} s"
                for words in ("show vpn flow", "show vpn ike-sa", "show vpn ipsec-sa")}

    def rekey(self):
        """Every Child SA gets new keys while every proxy-ID has traffic: at a command, or as their lifetimes end."""
        old, done = self.spis(), self.headend.ike_counter("child_rekey")
        at_most = STALL_S + self.size.total / 200 + (self.size.lifetime if self.by_lifetime else 0)

        def left():
            return max(0, done + len(old) - self.headend.ike_counter("child_rekey"))

        with Traffic(self.size, self.dir, at_most) as t:
            t0, control = time.monotonic(), self.headend.control_cpu()
            if not self.by_lifetime:
                self.headend.do("request vpn rekey ipsec-sa")
            took = self.wait("rekeyed", left, at_most, t0)
            control = self.headend.control_cpu() - control
        self.none_lost(t.result)
        new = self.spis()
        if n := sum(new[p] in (None, spi) for p, spi in old.items()):
            raise Failed(f"{n} proxy-IDs have their old SAs")
        if not self.by_lifetime:
            self.all_up()
        return {"s": round(took, 2), "control-cpu-s": round(control, 2), "packets": t.result["sent"], "lost": 0}

    def commit(self):
        """One more proxy-ID at both ends, under traffic of all others, whose SAs stay."""
        ups = self.headend.ike_counter("child_up")
        with Traffic(self.size, self.dir, STALL_S + self.size.total / 500) as t:
            self.size.added = True
            took = self.headend.commit()
            self.branches.commit()
        self.none_lost(t.result)
        self.all_up()
        if (n := self.headend.ike_counter("child_up") - ups) != 1:
            raise Failed(f"{n} SAs came up where one was new")
        self.none_lost(traffic(self.size, self.dir, 1, self.size.total + 1))
        return {"commit-s": round(took, 2), "packets": t.result["sent"], "lost": 0}

    def dead(self):
        """The mortal's process is killed: nothing comes from its gateways any more, and nobody says so.  The living have
        traffic all the while; then the dead return."""
        if not self.mortal:
            return {"gateways": 0}
        dpd, size = self.size.dpd, self.size
        declared = self.headend.ike_counter("dpd_dead")
        living = {p: spi for p, spi in self.spis().items() if int(p[1:]) >= size.mortal_ids}
        its = dpd["interval"] * (dpd["retry"] + 1)  # a question comes after one interval, the verdict retry later

        def not_known():
            return size.mortal - (self.headend.ike_counter("dpd_dead") - declared)

        def too_many():
            return self.headend.counts()[1] - (size.total + size.added - size.mortal_ids)

        at_most = its + SLACK_S + size.total / 500
        with Traffic(size, self.dir, 2 * at_most, first=size.mortal_ids) as t:
            t0, control = time.monotonic(), self.headend.control_cpu()
            self.mortal.die()
            self.wait("known to be dead", not_known, at_most)
            known = time.monotonic() - t0
            self.wait("removed", too_many, at_most)
            gone = time.monotonic() - t0
            control = self.headend.control_cpu() - control
        self.none_lost(t.result)
        now = self.spis()
        if lost := [p for p, spi in living.items() if now[p] != spi]:
            raise Failed(f"{len(lost)} proxy-IDs of the living have other SAs: {lost[:5]}")
        t0 = time.monotonic()
        self.mortal.start()
        self.all_up()
        back = time.monotonic() - t0
        self.acquaint()
        self.none_lost(traffic(size, self.dir, 1, size.total + size.added))
        return {"gateways": size.mortal, "dpd-s": f"{dpd['interval']} x {dpd['retry']}", "all-known-s": round(known, 1),
                "all-removed-s": round(gone, 1), "control-cpu-s": round(control, 2), "packets": t.result["sent"],
                "lost": 0, "back-s": round(back, 1)}

    def clear(self):
        old = self.spis()
        t0 = time.monotonic()
        self.headend.do("clear vpn ipsec-sa")
        said = time.monotonic() - t0
        took = self.all_new(old) - t0
        self.none_lost(traffic(self.size, self.dir, 1))
        return {"answered-s": round(said, 2), "back-s": round(took, 2)}

    def all_new(self, old):
        """Until every proxy-ID has an SA that was not there before; that moment.  Packets ask for those that wait for one."""
        want = self.size.total + self.size.added
        end = time.monotonic() + STALL_S + self.size.total / 100
        while True:
            n, now = want - self.headend.counts()[1], time.monotonic()
            if n <= 0 and not (n := sum(spi in (None, old[p]) for p, spi in self.spis().items())):
                return now  # the list that shows it takes its own time
            if now > end:
                raise Failed(f"{n} proxy-IDs are not up")
            self.say(f"  {n} of {want} not back yet")
            traffic(self.size, self.dir, 1, want)

    def restart(self):
        """The headend dies without a word: traffic finds that out."""
        old = self.spis()
        self.headend.die()
        t0 = time.monotonic()
        self.headend.start()
        started = time.monotonic() - t0
        took = self.all_new(old) - t0
        self.none_lost(traffic(self.size, self.dir, 1))
        return {"start-s": round(started, 2), "all-back-s": round(took, 2)}

    def none_lost(self, r):
        if r["lost"] or r["altered"] or not r["sent"]:
            drops = {box.d.conf["system"]["hostname"]: {k: n for k, n in box.d.drops().items() if n}
                     for box in self.boxes if box.d.alive()}
            raise Failed(f"of {r['sent']} packets {r['lost']} were lost and {r['altered']} altered; dropped: {drops}")
