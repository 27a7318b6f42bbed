# SPDX-License-Identifier: Apache-2.0
"""Two workers, the kernel spreading flows over af_packet's queue pairs as a NIC does by RSS."""
from lab.culvert import Culvertd
from lab.traffic import assert_ping, ping


def test_two_workers(pair):
    """Proxy-IDs of two networks, owned by a worker each, and flows that arrive wherever their hash says: nothing is lost,
    replayed or counted twice, and what came to the wrong worker was handed over."""
    p = pair(lans=2)
    p.s.start()
    p.s.configure(children={f"net{i}": {"local_ts": b, "remote_ts": a}
                            for i, (a, b) in enumerate(zip(p.t.hq.nets, p.t.branch.nets))})
    conf = p.conf(system={"workers": 2}, proxy_ids=list(zip(p.t.hq.nets, p.t.branch.nets)))
    for f in conf["interfaces"]:
        if "port" in f:
            f["port"] += ",qpairs=2"
    p.c = Culvertd(p.t.hq, f"{p.tmp}/culvert", conf)
    p.c.start()
    p.c.cli("test vpn ipsec-sa tunnel tun")
    p.wait_up(children=2)
    for src, dst in zip(p.t.hq.host_ips, p.t.branch.host_ips):
        assert_ping(p.t.hq.host, dst, src=src)
        assert_ping(p.t.branch.host, src, src=dst)
    for i in range(8):  # the hash of an echo request lies in its addresses; of an answer as well
        assert ping(p.t.hq.host, p.t.branch.host_ips[i % 2], src=p.t.hq.host_ips[i % 2], count=2)[1] == 2
    flows = [p.c.flow(f"tun:P{i}") for i in (1, 2)]
    assert {f["owner-cpuid"] for f in flows} == {0, 1}, "the SAs' owners"
    for f in flows:
        assert f["pkt-encap"] == f["pkt-decap"] >= 18 and f["pkt-replay"] == f["auth-err"] == 0
    workers = p.c.cli("show dataplane", json_out=True)["entries"]
    assert len(workers) == 2 and sum(w["rx-packets"] for w in workers) >= 72
    assert all(w["rx-bursts"] <= w["rx-packets"] and 0 < w["busy-ns"] < w["up-ns"] for w in workers)
    for name in ("handover-ring-full", "tx-ring-full", "esp-replay", "esp-unknown-spi"):
        assert p.c.drops()[name] == 0
