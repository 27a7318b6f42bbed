# SPDX-License-Identifier: Apache-2.0
"""REDIRECT (RFC 5685): strongSwan sends culvert to another address, and the tunnel goes there without an end."""
from lab.proc import run, wait_for
from lab.traffic import Flood

OTHER = "203.0.113.11"


def start(pair, redirect=True):
    p = pair()
    ns, old = p.t.branch.gateway, p.t.branch.wan_ip
    dev = run("ip", "-n", ns, "-o", "addr", "show", "to", old).stdout.split()[1]
    run("ip", "-n", ns, "addr", "add", OTHER + "/24", "dev", dev)
    p.start(gateway={"redirect": redirect, "peer-id": {"type": "fqdn", "value": "hub.example"}},
            strongswan={"local_id": "fqdn:hub.example", "local_addrs": f"{old}, {OTHER}"})
    p.up("culvert")
    return p


def test_established_sa_is_redirected(pair, tmp_path):
    p = start(pair)
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "ping", interval=0.01) as flood:
        p.s.swanctl("--redirect", "--ike", "peer", "--gateway", OTHER)
        wait_for(lambda: f"the IKE SA with the other one:\n{p.c.cli('show vpn ike-sa')}{p.c.log()[-2000:]}",
                 lambda: [sa["remote-ip"] for sa in p.c.ike_sas()] == [OTHER], 20)
        wait_for(lambda: f"nothing left at the first one:\n{p.s.sas()}", lambda: p.s.counts() == (1, 1))
    assert not flood.result()["duplicates"] and len(flood.result()["lost"]) < 100
    assert p.s.log_has(r"N\(REDIR_FROM\)")


def test_not_obeyed_unless_configured(pair):
    p = start(pair, redirect=False)
    p.s.swanctl("--redirect", "--ike", "peer", "--gateway", OTHER, check=False)
    assert [sa["remote-ip"] for sa in p.c.ike_sas()] == [p.t.branch.wan_ip]
