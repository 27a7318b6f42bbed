# SPDX-License-Identifier: Apache-2.0
"""The lab's network: two sites and the WAN between them, each box in a namespace of its own.

       HQ                                                                        branch
    hosta ------------- gw ---------------- wan ----------------- branch ------------ hostb
    10.20.20.10   .1 d-lan | d-wan          .1 | .1          wan0 | lan0 .1     10.10.10.10
                           198.51.100.20                203.0.113.10
        10.20.20.0/24        198.51.100.0/24      203.0.113.0/24          10.10.10.0/24

A gateway is "dpdk": its interfaces d-wan and d-lan carry no address and belong to culvertd; or "kernel":
wan0 and lan0 have addresses, for strongSwan.  `lans` > 1 adds networks 10.20.21.0/24, 10.10.11.0/24, … with the
same host numbers.

nat="branch" (or True), "hq" or "both": that site sits behind a masquerading router, and its public address belongs to
the router.  The branch is then 192.168.7.2 behind `nat`, the headquarters 192.168.8.2 behind `nat-hq`.  What a router
did not ask for itself, UDP 500 and 4500, is forwarded inside.  branches=2 puts a second branch behind the router of
the first: `branch2`, 192.168.9.2, with 10.10.110.0/24 and host `hostc`.

With v6=True every network has IPv6 besides, which disable_ipv6 keeps out otherwise: 2001:db8:1::/64 and
2001:db8:2::/64 on the WAN sides (gateways ::20 and ::10), fd00:20::/64 and fd00:10::/64 on the first LANs.

What each veth needs is told where it is done; the reasons were found the hard way.
"""
import contextlib
import os
import re

from .proc import run


class Site:
    """One end: a gateway, a host behind it, their addresses."""

    def __init__(self, prefix, gateway, host, wan_ip, wan_router, lan, lans, kind):
        self.gateway, self.host = prefix + gateway, prefix + host
        self.wan_ip, self.wan_router, self.kind = wan_ip, wan_router, kind
        self.public_ip = wan_ip  # what the other end sees
        self.nat_ns = None
        a, b, c = lan
        self.nets = [f"{a}.{b}.{c + i}.0/24" for i in range(lans)]
        self.lan_ips = [f"{a}.{b}.{c + i}.1" for i in range(lans)]
        self.host_ips = [f"{a}.{b}.{c + i}.10" for i in range(lans)]
        n = 1 if gateway == "gw" else 2
        self.wan6_router, self.wan6_ip = f"2001:db8:{n}::1", f"2001:db8:{n}::{wan_ip.rpartition('.')[2]}"
        self.net6, self.lan6_ip, self.host6_ip = f"fd00:{b}::/64", f"fd00:{b}::1", f"fd00:{b}::10"

    def behind(self, nat_ns, inner):
        """Move it behind a router: inner is the network between them, "192.168.7"."""
        self.nat_ns, self.wan_ip, self.wan_router = nat_ns, inner + ".2", inner + ".1"

    @property
    def net(self):
        return self.nets[0]

    @property
    def lan_ip(self):
        return self.lan_ips[0]

    @property
    def host_ip(self):
        return self.host_ips[0]


class Topology:
    """Context manager: up() on entry, down() on exit.  Instances with different prefixes coexist."""

    _count = 0

    def __init__(self, prefix=None, hq="dpdk", branch="kernel", lans=1, nat=False, branches=1, v6=False):
        if prefix is None:
            Topology._count += 1
            prefix = f"cvt{os.getpid()}-{Topology._count}-"
        self.prefix, self.v6 = prefix, v6
        self.wan = prefix + "wan"
        self.hq = Site(prefix, "gw", "hosta", "198.51.100.20", "198.51.100.1", (10, 20, 20), lans, hq)
        self.branch = Site(prefix, "branch", "hostb", "203.0.113.10", "203.0.113.1", (10, 10, 10), lans, branch)
        self.hq.other, self.branch.other = self.branch, self.hq
        self.sites = [self.hq, self.branch]
        if nat in (True, "branch", "both"):
            self.branch.behind(prefix + "nat", "192.168.7")
        if nat in ("hq", "both"):
            self.hq.behind(prefix + "nat-hq", "192.168.8")
        if branches == 2:
            self.branch2 = Site(prefix, "branch2", "hostc", "203.0.113.10", None, (10, 10, 110), 1, branch)
            self.branch2.behind(self.branch.nat_ns, "192.168.9")
            self.branch2.other = self.hq
            self.sites.append(self.branch2)

    def namespaces(self):
        names = [self.wan] + [n for s in self.sites for n in (s.host, s.gateway)]
        return names + sorted({s.nat_ns for s in self.sites if s.nat_ns})

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_exc):
        self.down()

    def up(self):
        sweep()
        for ns in self.namespaces():
            run("ip", "netns", "add", ns)
            # IPv6 would send router solicitations and MLD into captures and DPDK ports.
            # rp_filter: decrypted packets come out of a TUN device that has no route back to their source.
            sysctl(ns, **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1,
                          "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0})
            run("ip", "-n", ns, "link", "set", "lo", "up")
        sysctl(self.wan, **{"net.ipv4.ip_forward": 1})
        for s, name, router in ((self.hq, "to-hq", "198.51.100.1"), (self.branch, "to-branch", "203.0.113.1")):
            if s.nat_ns:
                self._nat(s, name, router)
            else:
                self._wan_link(s, name, self.wan, router + "/24")
        for n, s in enumerate(self.sites):
            if s.nat_ns:
                self._wan_link(s, f"in{n}", s.nat_ns, s.wan_router + "/24")
            self._lan(s)
        if self.v6:
            self._v6()

    def down(self):
        for ns in self.namespaces():
            remove_namespace(ns)

    def _wan_link(self, site, far_name, far_ns, far_addr):
        gw = site.gateway
        own = "d-wan" if site.kind == "dpdk" else "wan0"
        veth(gw, own, far_ns, far_name)
        address(far_ns, far_name, far_addr)
        if site.kind == "dpdk":
            no_offload(far_ns, far_name)
            return
        address(gw, own, site.wan_ip + "/24")
        run("ip", "-n", gw, "route", "add", "default", "via", site.wan_router)
        sysctl(gw, **{"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.send_redirects": 0})
        for net in site.other.nets:
            # Without an SA the far network is nowhere: the kernel gateway must not leak it to the WAN.
            # strongSwan's routes live in table 220, which is asked first.
            run("ip", "-n", gw, "route", "add", "unreachable", net)

    def _lan(self, s):
        own = "d-lan" if s.kind == "dpdk" else "lan0"
        veth(s.gateway, own, s.host, "eth0")
        at_host, at_gateway = [], []
        for host_ip, lan_ip in zip(s.host_ips, s.lan_ips):
            at_host.append(f"addr add {host_ip}/24 dev eth0")
            at_gateway.append(f"addr add {lan_ip}/24 dev {own}")
        at_host.append(f"route add default via {s.lan_ip}")
        for net, host_ip in zip(s.other.nets, s.host_ips):
            # n-th network to n-th network, from the address that lies inside the proxy-ID.
            at_host.append(f"route add {net} via {s.lan_ip} src {host_ip}")
        run("ip", "-n", s.host, "-b", "-", stdin="\n".join(at_host))
        if s.kind == "kernel":
            run("ip", "-n", s.gateway, "-b", "-", stdin="\n".join(at_gateway))
        else:
            no_offload(s.host, "eth0")

    def _v6(self):
        sysctl(self.wan, **{"net.ipv6.conf.all.forwarding": 1})
        for s, far in ((self.hq, "to-hq"), (self.branch, "to-branch")):
            address6(self.wan, far, s.wan6_router + "/64")
            address6(s.host, "eth0", s.host6_ip + "/64")
            run("ip", "-n", s.host, "route", "add", "default", "via", s.lan6_ip)
            run("ip", "-n", s.host, "route", "add", s.other.net6, "via", s.lan6_ip)
            if s.kind == "kernel":
                address6(s.gateway, "wan0", s.wan6_ip + "/64")
                address6(s.gateway, "lan0", s.lan6_ip + "/64")
                # the second for strongSwan's TUN device, which comes later
                sysctl(s.gateway, **{"net.ipv6.conf.all.forwarding": 1, "net.ipv6.conf.default.disable_ipv6": 0})
                run("ip", "-n", s.gateway, "route", "add", "default", "via", s.wan6_router)
                run("ip", "-n", s.gateway, "route", "add", "unreachable", s.other.net6)

    def _nat(self, site, name, router):
        ns = site.nat_ns
        sysctl(ns, **{"net.ipv4.ip_forward": 1})
        veth(ns, "out", self.wan, name)
        address(self.wan, name, router + "/24")
        address(ns, "out", site.public_ip + "/24")
        run("ip", "-n", ns, "route", "add", "default", "via", router)
        self.nat_map(20000, 20999, site)

    def nat_map(self, low, high, site=None):
        """Masquerade UDP to source ports low..high from now on; mappings that exist are forgotten."""
        site = site or self.branch
        run("nft", "-f", "-", ns=site.nat_ns, stdin=f"""
            table ip nat
            delete table ip nat
            table ip nat {{
                chain pre {{
                    type nat hook prerouting priority dstnat
                    iifname "out" udp dport {{ 500, 4500 }} dnat to {site.wan_ip}
                }}
                chain post {{
                    type nat hook postrouting priority srcnat
                    oifname "out" meta l4proto udp masquerade to :{low}-{high}
                    oifname "out" masquerade
                }}
            }}""")
        run("conntrack", "-F", ns=site.nat_ns)

    @contextlib.contextmanager
    def wan_cut(self):
        """No packet passes between the sites; links and addresses stay as they are."""
        v6 = {"net.ipv6.conf.all.forwarding": 0} if self.v6 else {}
        sysctl(self.wan, **{"net.ipv4.ip_forward": 0}, **v6)
        try:
            yield
        finally:
            sysctl(self.wan, **{"net.ipv4.ip_forward": 1}, **{k: 1 for k in v6})


def veth(ns_a, a, ns_b, b):
    run("ip", "link", "add", a, "netns", ns_a, "type", "veth", "peer", "name", b, "netns", ns_b)
    for ns, dev in ((ns_a, a), (ns_b, b)):
        sysctl(ns, **{f"net/ipv6/conf/{dev}/disable_ipv6": 1, f"net/ipv4/conf/{dev}/rp_filter": 0})
        run("ip", "-n", ns, "link", "set", dev, "up")


def address(ns, dev, addr):
    run("ip", "-n", ns, "addr", "add", addr, "dev", dev)


def address6(ns, dev, addr):
    """nodad: an address that is still being tried out cannot be used."""
    sysctl(ns, **{f"net/ipv6/conf/{dev}/disable_ipv6": 0, f"net/ipv6/conf/{dev}/accept_ra": 0})
    run("ip", "-n", ns, "addr", "add", addr, "dev", dev, "nodad")


def no_offload(ns, dev):
    """The kernel hands a veth unfinished checksums and 64 KB TCP segments; a DPDK port at the other end would
    encrypt them as they are.  Off on every kernel end that faces one."""
    run("ethtool", "-K", dev, "tx", "off", ns=ns)


def sysctl(ns, **values):
    run("sysctl", "-qw", *[f"{k}={v}" for k, v in values.items()], ns=ns)


def exists(ns):
    return os.path.exists(f"/run/netns/{ns}")


def remove_namespace(ns):
    if exists(ns):
        run("ip", "netns", "del", ns, check=False)


def sweep():
    """Remove what a killed run left: namespaces named after a process that is no more."""
    try:
        names = os.listdir("/run/netns")
    except OSError:
        return
    for name in names:
        m = re.match(r"cvt(\d+)-", name)
        if m and not os.path.exists(f"/proc/{m[1]}"):
            remove_namespace(name)
