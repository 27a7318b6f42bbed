# SPDX-License-Identifier: Apache-2.0
"""strongSwan as the headend of the same branches, and culvertd over the same wire.

    branches: culvertd ── veth ── headend: charon, or culvertd

Debian's charon has its ESP in userland (kernel-libipsec); the one that scripts/peers builds has none at all (load-tester's
fake_kernel), so that IKE alone is seen.  The branches bring up everything; nothing is sent through it.  One host at the
headend is in every proxy-ID, for libipsec wants an address of its own in each, and finds it by looking through all that
there are.
"""
import os
import time
from types import SimpleNamespace

import ike_peer
from lab import topology
from lab.culvert import Culvertd
from lab.proc import Failed, run
from lab.strongswan import StrongSwan, section

from . import conf
from .boxes import link_up, show
from .load import cpu_s, rss

STALL_S = 30
PATIENCE_S = 300
BRANCHES, HEADEND = (f"cvt{os.getpid()}-{name}" for name in ("branches", "headend"))


class Wire:
    """Both namespaces; only charon's end has addresses."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __enter__(self):
        topology.sweep()
        for ns in (BRANCHES, HEADEND):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        topology.veth(BRANCHES, "wan1", HEADEND, "wan0")
        if self.kernel:
            topology.no_offload(HEADEND, "wan0")
            for i in range(conf.ADDRESSES):
                topology.address(HEADEND, "wan0", f"{conf.WAN}.{1 + i}/24")
            topology.address(HEADEND, "lo", conf.host(conf.HEADEND, 0) + "/32")
        return self

    def __exit__(self, *_exc):
        for ns in (BRANCHES, HEADEND):
            topology.remove_namespace(ns)


def culvertd(size, side, directory):
    """A box without its ports to loadgen and what would be routed to them."""
    c = conf.make(size, side, directory)
    wan, _lan, *tunnels = c["interfaces"]
    wan["port"] = conf.veth(0, f"wan{side}")
    c.update({"interfaces": [wan, *tunnels], "routes": []})
    one = conf.host(conf.HEADEND, 0) + "/32"
    for t in c["ipsec-tunnels"]:
        for p in t["proxy-ids"]:
            p["local" if side == conf.HEADEND else "remote"] = one
    ns = SimpleNamespace(gateway=(HEADEND, BRANCHES)[side])
    return Culvertd(ns, f"{directory}/{conf.NAMES[side]}", c)


class Culvert:
    name, kernel = "culvertd", False

    def __init__(self, size, directory):
        self.size, self.d = size, culvertd(size, conf.HEADEND, directory)

    def start(self):
        self.d.start(PATIENCE_S)
        self.pid = self.d.daemon.pid

    def ready(self):
        link_up(self.d)

    def list_sas(self):
        show(self.d, "show vpn ike-sa", PATIENCE_S)

    def kill(self):
        if self.d.alive():
            self.d.kill()


# charon is not to be held up by what protects it from strangers, nor by its log.
CHARON = {"ikesa_table_size": 32768, "ikesa_table_segments": 16, "dos_protection": False, "block_threshold": 0,
          "cookie_threshold": 0, "half_open_timeout": 60}


class Strongswan:
    name, kernel = "strongSwan", True

    def __init__(self, size, directory):
        self.size = size
        self.s = StrongSwan(SimpleNamespace(gateway=HEADEND), f"{directory}/charon", charon={
            **CHARON, "filelog": {"log": {"path": f"{directory}/charon/charon.log", "default": 0}}})

    def start(self):
        self.s.write("swanctl/swanctl.conf", swanctl(self.size))
        self.s.start(load_timeout=PATIENCE_S)
        self.pid = self.s.daemon.pid

    def ready(self):
        pass  # it was when its configuration was loaded

    def list_sas(self):
        self.s.swanctl("--list-sas", timeout=PATIENCE_S)

    def kill(self):
        if self.s.daemon and self.s.daemon.alive():
            self.s.kill()


class IkeOnly(Strongswan):
    """The build of ike_peer, which has the load-tester plugin: SAs are installed nowhere."""
    name = "strongSwan without ESP"

    def __init__(self, size, directory):
        super().__init__(size, directory)
        peer = ike_peer.STRONGSWAN
        tester = {"enable": True, "fake_kernel": True, "initiators": 0, "preshared_key": '"of no use"',
                  "socket": f"unix://{self.s.dir}/ldt"}
        self.s.write("strongswan.conf", section("charon", {
            **CHARON, "load": f"{ike_peer.PLUGINS} load-tester kernel-netlink socket-default vici",
            "filelog": {"log": {"path": self.s.log_path, "default": 0}},
            "plugins": {"load-tester": tester, "vici": {"socket": f"unix://{self.s.vici}"}}}))
        # Its pid file's directory is its own, in the namespace's own mounts.
        self.s.argv = ["sh", "-c", f"mount -t tmpfs none {peer}/run && exec {peer}/libexec/ipsec/charon"]


def swanctl(size):
    """The headend's connections in swanctl.conf's terms."""
    esp = {"aes-256-gcm": "aes256gcm16", "aes-128-gcm": "aes128gcm16", "aes-256-cbc+sha256": "aes256-sha256",
           "chacha20-poly1305": "chacha20poly1305"}[size.suite]
    conns, secrets = {}, {}
    for g in range(size.gateways):
        me, it = conf.identity("hq", g), conf.identity("branch", g)
        ks = range(g * size.proxy_ids, (g + 1) * size.proxy_ids)
        conns[f"gw{g}"] = {
            "version": 2, "local_addrs": conf.wan_address(size, conf.HEADEND, g),
            "remote_addrs": conf.wan_address(size, conf.BRANCH, g), "proposals": "aes256gcm16-prfsha256-x25519",
            "mobike": False, "rekey_time": 0, "local": {"auth": "psk", "id": me}, "remote": {"auth": "psk", "id": it},
            "children": {f"P{k}": {"local_ts": conf.host(conf.HEADEND, 0) + "/32",
                                   "remote_ts": conf.host(conf.BRANCH, k) + "/32", "esp_proposals": esp, "rekey_time": 0}
                         for k in ks}}
        secrets[f"ike-{g}"] = {"id-me": me, "id-it": it, "secret": f'"{conf.secret(g)}"'}
    return section("connections", conns) + section("secrets", secrets)


def bring_up(branches, size, say):
    """The branches call.  Seconds, IKE SAs, SA pairs: all, or what there was when nothing came any more."""
    size.calling = True
    for t in branches.conf["ipsec-tunnels"]:
        t["start"] = True
    branches.write()
    branches.cli("commit")
    t0 = changed = told = time.monotonic()
    before = (0, 0)
    while True:
        info, _ = show(branches, "show system info", PATIENCE_S)
        n, now = (info["ike-sas"], info["ipsec-sas"]), time.monotonic()
        if n != before:
            before, changed = n, now
        if n == (size.gateways, size.total):
            return now - t0, *n
        if now - changed > STALL_S:
            return changed - t0, *before
        if now - told > 5:
            told = now
            say(f"  {now - t0:5.0f} s: {n[1]} of {size.total}")
        time.sleep(0.2)


def measure(kind, size, directory, say=print):
    """One headend under these branches."""
    os.makedirs(directory)
    with Wire(kind.kernel):
        headend, branches = kind(size, directory), culvertd(size, conf.BRANCH, directory)
        try:
            t0 = time.monotonic()
            headend.start()
            started = time.monotonic() - t0
            branches.start(PATIENCE_S)
            headend.ready()
            link_up(branches)
            cpu, memory = cpu_s(headend.pid), rss(headend.pid)
            took, ike, pairs = bring_up(branches, size, say)
            if not pairs:
                raise Failed(f"{kind.name}: nothing came up\n{branches.log()[-1500:]}")
            cpu, memory = cpu_s(headend.pid) - cpu, rss(headend.pid) - memory
            t0 = time.monotonic()
            headend.list_sas()
            listed = time.monotonic() - t0
        finally:
            if branches.alive():
                branches.kill()
            headend.kill()
    return {"headend": kind.name, "start-s": round(started, 1), "ike-sas": ike, "pairs": pairs, "of": size.total,
            "s": round(took, 1), "pairs-a-second": round(pairs / took), "cpu-ms-a-pair": round(cpu * 1000 / pairs, 3),
            "bytes-a-pair": memory // pairs, "list-s": round(listed, 2)}


def all_of_them(gateways, proxy_ids, suite, directory, say=print):
    """One row for each headend; one that cannot is no reason not to ask the others."""
    rows = []
    for kind in (Strongswan, IkeOnly, Culvert):
        say(f"{kind.name} as the headend over a veth ...")
        size = conf.Size(gateways, proxy_ids, suite, dpd={"enable": False}, mortal=0)
        try:
            row = measure(kind, size, f"{directory}/{kind.__name__}", say)
        except Failed as e:
            row = {"headend": kind.name, "failed": str(e)[-500:]}
        rows.append(row)
        say("  " + ", ".join(f"{k} {v}" for k, v in row.items()))
    return rows
