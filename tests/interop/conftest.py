# SPDX-License-Identifier: Apache-2.0
"""culvert against independent peers in network namespaces.

Each test makes its own lab through the fixture `pair` (or `culverts`), and the lab is gone when the test is over,
however it ended.  Run by scripts/test, or by hand as root:

    CULVERT_BUILD=$PWD/build PYTHONPATH=tests /usr/bin/python3 -m pytest -q tests/interop -k first
"""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from lab import proc  # noqa: E402
from lab.culvert import Culvertd, site_conf  # noqa: E402
from lab.strongswan import StrongSwan  # noqa: E402
from lab.topology import Topology  # noqa: E402

proc.exit_on_signals()


def pytest_configure(config):
    config.addinivalue_line("markers", "trixie: also against the strongSwan of Debian 13")
    config.addinivalue_line("markers", "core: the subset that the sanitizer build runs as well")
    if os.geteuid():
        raise pytest.UsageError("network namespaces need root; scripts/test raises itself")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The ends of both daemons' logs stand in the report of a failed test."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for what, text in getattr(item, "lab_logs", lambda: [])():
            text = re.sub(r"(?m)^.*> +\d+: (?:[0-9A-F]{2} )+.*\n", "", text)  # dumps of a log with keys
            report.sections.append((what, text[-6000:]))


class Pair:
    """culvertd `c` at the headquarters, strongSwan `s` in the branch, topology `t`.  With branches=2 there is `s2`,
    started and configured by the test."""

    def __init__(self, tmp, keys_in_log=False, charon=None, raw_esp=False, any_mode=False, **topology):
        self.tmp = str(tmp)
        self.t = Topology(**topology)
        sites = [s for s in self.t.sites if s is not self.t.hq]
        self.peers = [StrongSwan(s, f"{tmp}/strongswan{n or ''}", keys_in_log=keys_in_log, charon=charon,
                                 raw_esp=raw_esp, any_mode=any_mode)
                      for n, s in enumerate(sites)]
        self.s, self.s2 = (*self.peers, None)[:2]
        self.c = None

    def conf(self, **kw):
        """culvert's configuration as a dictionary; see site_conf."""
        return site_conf(self.t.hq, f"{self.tmp}/culvert", **kw)

    def start(self, strongswan=None, conf=None, **culvert):
        """Both ends up, no tunnel yet.  strongswan: arguments of configure(); the rest is site_conf's, or conf stands
        instead of what that makes."""
        self.s.start()
        self.s.configure(**(strongswan or {}))
        self.c = Culvertd(self.t.hq, f"{self.tmp}/culvert", conf or self.conf(**culvert))
        self.c.start()
        return self

    def logs(self):
        out = [("charon.log", s.log()) for s in self.peers]
        if self.c and self.c.daemon:
            out += [("culvertd.log", self.c.log()), ("culvertd output", self.c.daemon.output())]
        return out

    def stop(self):
        """Ends everything; True if culvertd had not died and left in order."""
        status = 0
        if self.c and self.c.daemon:
            status = self.c.daemon.popen.poll() if not self.c.alive() else self.c.stop()
        for s in self.peers:
            if s.daemon:
                s.daemon.kill()
        self.t.down()
        return status

    def up(self, initiator="culvert"):
        """The tunnel, brought up by one of the two and seen by both."""
        if initiator == "culvert":
            self.c.cli("test vpn ipsec-sa tunnel tun")
        else:
            self.s.initiate()
        self.wait_up()

    def wait_up(self, children=1, timeout=15):
        proc.wait_for(lambda: f"{children} Child SAs at both ends:\n{self.s.sas()}{self.c.cli('show vpn ike-sa')}",
                      lambda: len(self.c.children()) == children and self.s.counts()[1] == children, timeout, 0.1)

    def wait_down(self, timeout=10):
        proc.wait_for(lambda: f"no SA at either end:\n{self.s.sas()}{self.c.cli('show vpn ike-sa')}",
                      lambda: not self.c.ike_sas() and self.s.counts() == (0, 0), timeout, 0.1)


@pytest.fixture
def pair(request, tmp_path):
    """pair(lans=…, nat=…, branches=…): a Pair in a fresh topology; ended after the test.  culvertd must still run at the end and
    leave with status 0: whatever a peer did, the process is unharmed."""
    made = []

    def make(**kw):
        p = Pair(tmp_path, **kw)
        made.append(p)
        request.node.lab_logs = p.logs
        p.t.up()
        return p
    yield make
    statuses = [p.stop() for p in made]
    assert all(s == 0 for s in statuses), f"culvertd's exit status: {statuses}"


@pytest.fixture
def culverts(request, tmp_path):
    """Two culvertd facing each other over raw ESP: (topology, hq, branch)."""
    made = []

    def make(lans=1, hq=None, branch=None, v6=False, **both):
        t = Topology(lans=lans, branch="dpdk", v6=v6)
        t.up()
        made.append(t)
        ends = []
        request.node.lab_logs = lambda: [(f"{d.site.gateway} log", d.log() + d.daemon.output()) for d in ends if d.daemon]
        for site, extra in ((t.hq, hq), (t.branch, branch)):
            d = f"{tmp_path}/{site.gateway}"
            ends.append(Culvertd(site, d, site_conf(site, d, v6=v6, **{**both, **(extra or {})})))
            made.append(ends[-1])
            ends[-1].start()
        return t, ends[0], ends[1]
    yield make
    statuses = []
    for m in reversed(made):
        if isinstance(m, Topology):
            m.down()
        elif m.daemon:
            statuses.append(m.stop() if m.alive() else m.daemon.popen.poll())
    assert all(s == 0 for s in statuses), f"exit statuses of culvertd: {statuses}"
