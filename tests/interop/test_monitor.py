# SPDX-License-Identifier: Apache-2.0
"""Tunnel monitors and backup routes: a tunnel whose SA is up and that carries nothing is found out."""
from lab.proc import run, wait_for
from lab.topology import sysctl
from lab.traffic import assert_ping

MONITOR = {"interval": 1, "threshold": 2}


def answering(p, yes):
    """The far host is alive for everything but pings, as a tunnel may be up that leads nowhere."""
    sysctl(p.t.branch.host, **{"net.ipv4.icmp_echo_ignore_all": 0 if yes else 1})


def status(p):
    return p.c.flow("tun")["mon"]


def way(p, dst):
    """The interface by which a packet to dst leaves."""
    (entry,) = p.c.cli(f"show routing route destination {dst}", json_out=True)["entries"]
    return entry["interface"]


def test_fail_over_and_back(pair):
    """The monitored host falls silent: the tunnel's route gives way to the second one, the SA is rekeyed, and when
    the host answers again everything is as before."""
    p = pair()
    far = p.t.branch.host_ip
    p.start(tunnel={"tunnel-monitor": {**MONITOR, "destination": far, "action": "fail-over"}})
    p.c.commit(routes=p.c.conf["routes"] + [{"destination": p.t.branch.net, "via": p.t.hq.wan_router, "metric": 20}])
    p.wait_up(timeout=20)  # the probes themselves ask for keys
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"),
             lambda: p.c.cli("show vpn tunnel-monitor", json_out=True)["entries"][0]["pkt-recv"] >= 2)
    (m,) = p.c.cli("show vpn tunnel-monitor", json_out=True)["entries"]
    assert m["status"] == m["tunnel-status"] == "up" and 0 < m["rtt-min-ns"] <= m["rtt-max-ns"]
    assert status(p) == "up" and way(p, far) == "tunnel.1"
    (before,) = p.c.children()

    answering(p, False)
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: status(p) == "down", 20)
    assert way(p, far) == "ethernet1/1"
    got = p.c.cli(f"test vpn packet source {p.t.hq.host_ip} destination {far}", json_out=True)
    assert got["verdict"] == "pass" and not [s for s in got["steps"] if s["step"] == "sa"], "past the tunnel"
    routes = {(r["destination"], r["interface"]): r for r in p.c.cli("show routing route", json_out=True)["entries"]}
    assert routes[p.t.branch.net, "ethernet1/1"]["active"] and not routes[p.t.branch.net, "tunnel.1"]["active"]
    p.c.wait_log(r"tunnel-status-down tun Tunnel tun is down: 0 of 1 monitored destinations answer")
    wait_for(lambda: f"new keys:\n{p.c.cli('show vpn ipsec-sa')}",
             lambda: p.c.children() and p.c.children()[0]["i_spi"] != before["i_spi"])

    answering(p, True)
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: status(p) == "up", 20)
    p.c.wait_log(r"tunnel-status-up tun Tunnel tun is up: 1 of 1")
    assert way(p, far) == "tunnel.1"
    assert_ping(p.t.hq.host, far)
    assert "monitor status:       up" in p.c.cli("show vpn flow name tun")


def test_fail_over_without_a_back_up_leaks_nothing(pair):
    """No other route leads there but the default one: the tunnel keeps its own, so that nothing leaves in the clear."""
    p = pair()
    far = p.t.branch.host_ip
    p.start(tunnel={"tunnel-monitor": {**MONITOR, "destination": far, "action": "fail-over"}})
    p.wait_up(timeout=20)
    answering(p, False)
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: status(p) == "down", 20)
    assert way(p, far) == "tunnel.1" and p.c.verdict() == "monitor-down"
    answering(p, True)
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: status(p) == "up", 20)
    assert_ping(p.t.hq.host, far)


def test_wait_recover_keeps_the_route(pair):
    """The default action: told and rekeyed, and the interface stays."""
    p = pair()
    p.start(tunnel={"tunnel-monitor": {**MONITOR, "destination": [p.t.branch.host_ip, p.t.branch.lan_ip]}})
    p.wait_up(timeout=20)
    answering(p, False)  # one of two, and the quorum is one
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"),
             lambda: [e["status"] for e in p.c.cli("show vpn tunnel-monitor", json_out=True)["entries"]] ==
             ["down", "up"], 20)
    assert status(p) == "up"
    sysctl(p.t.branch.gateway, **{"net.ipv4.icmp_echo_ignore_all": 1})
    wait_for(lambda: p.c.cli("show vpn tunnel-monitor"), lambda: status(p) == "down", 20)
    assert way(p, p.t.branch.host_ip) == "tunnel.1"


def test_port_without_link(pair):
    """A route whose port has no link gives way to the next metric, and comes back with the link."""
    p = pair().start()
    dst = "192.0.2.0/24"
    p.c.commit(routes=p.c.conf["routes"] + [{"destination": dst, "via": p.t.hq.host_ip},
                                            {"destination": dst, "via": p.t.hq.wan_router, "metric": 20}])
    assert way(p, "192.0.2.1") == "ethernet1/2"
    run("ip", "-n", p.t.hq.host, "link", "set", "eth0", "down")
    wait_for(lambda: p.c.cli("show routing route"), lambda: way(p, "192.0.2.1") == "ethernet1/1")
    run("ip", "-n", p.t.hq.host, "link", "set", "eth0", "up")
    wait_for(lambda: p.c.cli("show routing route"), lambda: way(p, "192.0.2.1") == "ethernet1/2")
