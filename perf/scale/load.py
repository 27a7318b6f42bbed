# SPDX-License-Identifier: Apache-2.0
"""What kept a daemon busy for a while: its control thread, its workers, and what it dropped."""
import os
import threading
import time

SAMPLE_S = 0.5


def cpu_s(pid, tid=None):
    """Seconds of CPU time so far, of a process or of one of its threads."""
    total = 0
    for t in [tid] if tid else os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def rss(pid):
    """Bytes of memory."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Counts:
    """Everything that only grows, at one moment."""

    def __init__(self, box):
        self.pid = box.d.daemon.pid
        doc, _ = box.show("show dataplane")
        self.control = doc["control-thread"]
        workers = doc["entries"]
        self.long_turns = self.control["long-turns"]
        self.busy_ns, self.up_ns, self.packets, self.bursts = (
            sum(w[k] for w in workers) for k in ("busy-ns", "up-ns", "rx-packets", "rx-bursts"))
        self.workers_s = cpu_s(self.pid) - cpu_s(self.pid, self.pid)
        self.drops = box.d.drops()

    def since(self, before):
        """What has been added, as a dictionary by name; after a restart it all counts."""
        fresh = self.pid != before.pid
        grown = {k: getattr(self, k) - (0 if fresh else getattr(before, k))
                 for k in ("busy_ns", "up_ns", "packets", "bursts", "long_turns", "workers_s")}
        grown["drops"] = {k: n - (0 if fresh else before.drops.get(k, 0)) for k, n in self.drops.items()}
        return grown


class Load:
    """Context manager around a step; row() says what it was.  The control thread is looked at from outside, twice a
    second, so that looking does not keep it busy."""

    def __init__(self, box):
        self.box, self.peak, self.total, self.seconds = box, 0.0, 0.0, 0.0

    def __enter__(self):
        self.before = Counts(self.box) if self.box.d.alive() else None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind, *_exc):
        self.over.set()
        self.thread.join()
        if not kind:
            self.after = Counts(self.box)

    def _watch(self):
        last = self._look()
        while not self.over.wait(SAMPLE_S):
            now = self._look()
            if now[0] == last[0] and now[0]:
                seconds, cpu = now[1] - last[1], now[2] - last[2]
                self.total, self.seconds = self.total + cpu, self.seconds + seconds
                self.peak = max(self.peak, cpu / seconds)
            last = now

    def _look(self):
        """(pid, time, the control thread's CPU time); pid None while there is no daemon."""
        try:
            pid = self.box.d.daemon.pid
            return pid, time.monotonic(), cpu_s(pid, pid)
        except (OSError, AttributeError, IndexError):
            return None, time.monotonic(), 0.0

    def row(self):
        """Per cent; the longest turns are those since the daemon's start, as they are shown: by the clock, and in CPU time."""
        control = self.after.control
        row = {"control-%": round(100 * self.total / self.seconds) if self.seconds else 0,
               "control-peak-%": round(100 * self.peak), "longest-turn-ms": round(control["longest-turn-ms"], 1),
               "longest-turn-cpu-ms": round(control["longest-turn-cpu-ms"], 1)}
        if self.before:
            grown = self.after.since(self.before)
            row[f"turns-over-{control['long-turn-ms']}-ms"] = grown["long_turns"]
            row["workers-%"] = round(100 * grown["busy_ns"] / max(1, grown["up_ns"]), 1)
            row["drops"] = {k: n for k, n in grown["drops"].items() if n and not k.startswith("arp-")}
        return row
