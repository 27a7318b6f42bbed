# SPDX-License-Identifier: Apache-2.0
"""Traffic selectors: narrowing (RFC 7296 2.9) in both roles, and what falls outside the result."""
import re

import pytest

from lab.proc import Daemon, run, wait_for
from lab.traffic import assert_ping, iperf, mbit, ping, ping_until

pytestmark = pytest.mark.trixie
ROLES = ["culvert", "strongswan"]


@pytest.mark.core
@pytest.mark.parametrize("initiator", ROLES)
def test_narrowed_by_the_responder(pair, initiator):
    """One side offers /16 (wide), the other has /24: the /24 is agreed on."""
    p = pair(lans=2)
    narrow, wide = (p.t.hq.nets[0], p.t.branch.nets[0]), ("10.20.0.0/16", "10.10.0.0/16")
    mine, theirs = (wide, narrow) if initiator == "culvert" else (narrow, wide)
    p.start(proxy_ids=[mine], strongswan={"children": {"net": {"local_ts": theirs[1], "remote_ts": theirs[0]}}})
    p.up(initiator)
    (c,) = p.c.children()
    assert c["ts-local"] == [p.t.hq.nets[0]] and c["ts-remote"] == [p.t.branch.nets[0]]
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    if initiator == "culvert":  # inside the proxy-ID, outside what the peer agreed to
        assert ping(p.t.hq.host, p.t.branch.host_ips[1], src=p.t.hq.host_ips[1], count=3, wait=1)[1] == 0
        assert p.c.drops()["outside-selectors"] >= 3


@pytest.mark.parametrize("initiator", ROLES)
def test_any_to_any(pair, initiator):
    """A route-based peer: 0.0.0.0/0 on both sides of culvert, the networks on strongSwan's."""
    p = pair().start(proxy_ids=[("0.0.0.0/0", "0.0.0.0/0")])
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


@pytest.mark.parametrize("initiator", ROLES)
def test_exact_policy_refuses_to_narrow(pair, initiator):
    p = pair()
    p.start(tunnel={"ts-policy": "exact"}, proxy_ids=[(p.t.hq.net, "10.10.0.0/16")] if initiator == "culvert" else None,
            strongswan=None if initiator == "culvert" else
            {"children": {"net": {"local_ts": "10.10.0.0/16", "remote_ts": p.t.hq.net}}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False, timeout=5)
    wait_for(lambda: f"a reason that names ts-policy:\n{p.c.cli('show vpn ike-sa gateway peer')}",
             lambda: "ts-policy" in p.c.cli("show vpn ike-sa gateway peer"))
    assert p.c.children() == []


@pytest.mark.parametrize("initiator", ROLES)
def test_protocol_selector(pair, initiator):
    """A proxy-ID for ICMP alone: pings pass, TCP does not."""
    p = pair()
    p.start(proxy_ids=[{"name": "icmp", "local": p.t.hq.net, "remote": p.t.branch.net, "protocol": "icmp"}],
            strongswan={"children": {"net": {"local_ts": f"{p.t.branch.net}[icmp]",
                                             "remote_ts": f"{p.t.hq.net}[icmp]"}}})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    from lab.proc import run
    tcp = run("timeout", "1", "bash", "-c", f"echo >/dev/tcp/{p.t.branch.host_ip}/9", ns=p.t.hq.host, check=False)
    assert tcp.returncode and "refused" not in tcp.stderr, "nothing comes back from there"
    assert p.c.drops()["no-matching-proxy-id"] >= 1


@pytest.mark.parametrize("initiator", ROLES)
def test_two_hundred_proxy_ids(pair, initiator):
    """One gateway, one IKE SA, 200 Child SAs: up, listed, used, moved together when the IKE SA is rekeyed, and gone
    together."""
    n = 200
    p = pair(lans=n)
    nets = list(zip(p.t.hq.nets, p.t.branch.nets))
    conf = p.conf(proxy_ids=nets, esp={"dh-group": "no-pfs"})
    conf["interfaces"][1]["address"] = ["10.20.20.1/16"]
    p.start(conf=conf, strongswan={"esp": "aes256gcm16", "children": {
        f"net{i}": {"local_ts": b, "remote_ts": a} for i, (a, b) in enumerate(nets)}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        for i in range(n):
            p.s.initiate(f"net{i}")
    p.wait_up(children=n, timeout=60)
    assert len(p.c.ike_sas()) == 1

    def sample():
        for i in (0, 1, 99, n - 1):
            assert_ping(p.t.hq.host, p.t.branch.host_ips[i], src=p.t.hq.host_ips[i], count=2)
            assert_ping(p.t.branch.host, p.t.hq.host_ips[i], src=p.t.branch.host_ips[i], count=2)
    sample()
    listed = p.c.cli("show vpn ipsec-sa")
    assert all(re.search(rf"\bP{i + 1}\b", listed) for i in range(n))
    spis = {c["i_spi"] for c in p.c.children()}
    (old,) = p.c.ike_sas()
    p.s.swanctl("--rekey", "--ike", "peer")
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"),
             lambda: len(p.c.ike_sas()) == 1 and p.c.ike_sas()[0]["spi-i"] != old["spi-i"], 20)
    p.wait_up(children=n)
    assert {c["i_spi"] for c in p.c.children()} == spis, "the same Child SAs, under the new IKE SA"
    sample()
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()


@pytest.mark.parametrize("initiator", ROLES)
def test_lists_of_selectors(pair, initiator):
    """Several networks and protocols on strongSwan's side in one Child SA, culvert's proxy-ID wide: what both have."""
    p = pair(lans=3)
    a, b = p.t.hq, p.t.branch
    p.start(proxy_ids=[("10.20.0.0/16", "10.10.0.0/16")], strongswan={"children": {"net": {
        "local_ts": f"{b.nets[0]},{b.nets[2]}", "remote_ts": f"{a.nets[0]},{a.nets[2]}[icmp]"}}})
    p.up(initiator)
    (c,) = p.c.children()
    assert len(c["ts-local"]) == len(c["ts-remote"]) == 2
    assert_ping(a.host, b.host_ips[0], src=a.host_ips[0])
    assert_ping(b.host, a.host_ips[2], src=b.host_ips[2])
    before = p.c.drops()["outside-selectors"]
    assert ping(a.host, b.host_ips[1], src=a.host_ips[1], count=3, wait=1)[1] == 0
    assert p.c.drops()["outside-selectors"] >= before + 3


@pytest.mark.parametrize("initiator", ROLES)
def test_port_selector(pair, tmp_path, initiator):
    """TCP to one port of the branch alone: iperf3 there passes, a ping does not."""
    p = pair()
    p.start(proxy_ids=[{"name": "web", "local": p.t.hq.net, "remote": p.t.branch.net, "protocol": "tcp",
                        "remote-port": 5201}],
            strongswan={"children": {"net": {"local_ts": f"{p.t.branch.net}[tcp/5201]",
                                             "remote_ts": f"{p.t.hq.net}[tcp]"}}})
    p.up(initiator)
    assert mbit(iperf(p.t.branch.host, p.t.branch.host_ip, p.t.hq.host, tmp_path / "iperf", seconds=1)) > 1
    assert ping(p.t.hq.host, p.t.branch.host_ip, count=3, wait=1)[1] == 0
    assert p.c.drops()["no-matching-proxy-id"] >= 3


ANSWERS = """import socket, sys, threading
def serve(port):
    s = socket.create_server((sys.argv[1], port))
    while True:
        s.accept()[0].sendall(b"ok")
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(int(port),)).start()
"""
ASKS = """import socket, sys
sys.exit(socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5).recv(2) != b"ok")
"""


def served(p, port):
    """Does TCP to a port of the branch get through?"""
    return run("python3", "-c", ASKS, p.t.branch.host_ip, str(port), ns=p.t.hq.host, check=False).returncode == 0


@pytest.mark.parametrize("initiator", ROLES)
def test_range_of_ports(pair, tmp_path, initiator):
    """A proxy-ID of a range of ports, and one port of it that has a Child SA of its own."""
    p = pair()
    nets = {"local": p.t.hq.net, "remote": p.t.branch.net, "protocol": "tcp"}
    p.start(proxy_ids=[{"name": "range", **nets, "remote-port": "8000-8080"}, {"name": "one", **nets, "remote-port": 8010}],
            strongswan={"children": {"net": {"local_ts": f"{p.t.branch.net}[tcp/8000-8080]",
                                             "remote_ts": f"{p.t.hq.net}[tcp]"}}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun:range")
    else:
        p.s.initiate()
    p.wait_up()
    assert p.c.children()[0]["ts-remote"] == [f"{p.t.branch.net}[tcp/8000-8080]"]
    assert "6:8000-8080" in p.c.cli("show vpn tunnel")
    ports = (7999, 8000, 8010, 8044, 8080, 8081)
    server = Daemon(["python3", "-c", ANSWERS, p.t.branch.host_ip, *map(str, ports)], tmp_path / "server",
                    ns=p.t.branch.host)
    assert [served(p, port) for port in (7999, 8000, 8044, 8080, 8081)] == [False, True, True, True, False]
    assert p.c.flow("tun:one")["acquire"] == 0
    wait_for("an SA for the one port", lambda: served(p, 8010))
    assert p.c.flow("tun:one")["acquire"] > 0
    assert sorted(c["ts-remote"] for c in p.c.children()) == [[f"{p.t.branch.net}[tcp/8000-8080]"],
                                                            [f"{p.t.branch.net}[tcp/8010]"]]
    server.kill()


@pytest.mark.core
@pytest.mark.parametrize("initiator", ROLES)
def test_several_proxy_ids_in_one_child_sa(pair, initiator):
    """proxy-id-mode = combined: one Child SA with both networks of each end, through a rekey, and asked for again by
    traffic of the second proxy-ID."""
    p = pair(lans=2)
    nets = list(zip(p.t.hq.nets, p.t.branch.nets))
    p.start(proxy_ids=nets, tunnel={"proxy-id-mode": "combined"},
            strongswan={"children": {"net": {"local_ts": ",".join(b for _, b in nets),
                                             "remote_ts": ",".join(a for a, _ in nets)}}})

    def both():
        for i in range(2):
            assert_ping(p.t.hq.host, p.t.branch.host_ips[i], src=p.t.hq.host_ips[i])
            assert_ping(p.t.branch.host, p.t.hq.host_ips[i], src=p.t.branch.host_ips[i])
    p.up(initiator)
    (c,) = p.c.children()
    assert c["ts-local"] == p.t.hq.nets and c["ts-remote"] == p.t.branch.nets
    both()
    p.s.swanctl("--rekey", "--child", "net")
    wait_for(lambda: f"another SPI:\n{p.c.children()}",
             lambda: [x["i_spi"] for x in p.c.children()] not in ([], [c["i_spi"]]) and len(p.c.children()) == 1)
    both()
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()
    ping_until(p.t.hq.host, p.t.branch.host_ips[1], src=p.t.hq.host_ips[1])
    both()
    assert len(p.c.children()) == 1
