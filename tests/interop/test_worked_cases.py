# SPDX-License-Identifier: Apache-2.0
"""The three cases that operators are taught by: a route-based gateway that proposes any-any meets a policy-based peer
(Azure, an ASA, AWS) that has pairs of networks and takes nothing else.  strongSwan narrows what it is proposed, so the
peer's part is culvert's own with ts-policy = "exact"."""
import re

import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping, ping

ANY = [("0.0.0.0/0", "0.0.0.0/0")]


def commit_proxy_ids(c, pairs):
    tunnels = c.conf["ipsec-tunnels"]
    tunnels[0]["proxy-ids"] = [{"name": f"P{i + 1}", "local": a, "remote": b} for i, (a, b) in enumerate(pairs)]
    c.commit(**{"ipsec-tunnels": tunnels})


def told(c):
    return " ".join(c.cli("diagnose vpn tunnel tun").split())


@pytest.mark.parametrize("who_starts", ["we", "the peer"])
def test_any_any_against_pairs_of_networks(culverts, who_starts):
    """Azure and ASA (108, 109): the IKE SA is up, show vpn ipsec-sa is empty; the cure is the peer's pair as proxy-ID."""
    t, a, b = culverts(hq={"proxy_ids": ANY, "tunnel": {"ts-policy": "exact"}}, branch={"tunnel": {"ts-policy": "exact"}})
    starter = a if who_starts == "we" else b
    starter.cli("test vpn ipsec-sa tunnel tun")
    wait_for("a reason at both ends", lambda: a.verdict() == b.verdict() == "proxy-id-mismatch")
    assert a.ike_sas() and b.ike_sas() and a.children() == b.children() == []
    assert "There is no IPSec SA found." in a.cli("show vpn ipsec-sa")
    # Who was asked knows why, who asked hears that it was refused; both are told where to look.
    answered = b if who_starts == "we" else a
    assert "proxy-IDs overlap but are not equal" in told(answered) and "ours: local" in told(answered)
    assert "TS_UNACCEPTABLE" in told(starter) and "at the peer" in told(starter)
    assert ("we propose any to any" in told(starter)) == (starter is a)
    assert ping(t.hq.host, t.branch.host_ip, count=2, wait=1)[1] == 0

    commit_proxy_ids(a, [(t.hq.net, t.branch.net)])
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("the Child SA", lambda: a.children() and b.children())
    assert_ping(t.hq.host, t.branch.host_ip)
    assert a.verdict() == "healthy"


def test_clear_and_test_again(culverts):
    """AWS (110): the IKE SA that was up with any-any stays as it is; the new proxy-ID comes up after clear and test."""
    t, a, b = culverts(hq={"proxy_ids": ANY}, branch={"tunnel": {"ts-policy": "exact"}, "gateway": {"passive-mode": True}})
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("the reason", lambda: a.verdict() == "proxy-id-mismatch")
    commit_proxy_ids(a, [(t.hq.net, t.branch.net)])
    a.cli("clear vpn ike-sa gateway peer")
    assert a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("the Child SA", lambda: a.children() and b.children())
    assert_ping(t.hq.host, t.branch.host_ip)
    assert "proxy-id-mismatch" not in a.cli("diagnose vpn")
    events = [e["event"] for e in a.cli("show vpn history gateway peer", json_out=True)["entries"]]
    assert "ike-up" in events and "commit" in events and events[-1] == "up"


@pytest.mark.parametrize("theirs", ["aes256gcm16", "aes256gcm16-modp3072"], ids=["no-pfs", "group15"])
def test_pfs_shows_at_the_rekey(pair, theirs):
    """PFS differs (150): the first Child SA comes up all the same, and what diagnose says of the next rekey comes true;
    the SA that is up goes on."""
    p = pair().start(strongswan={"esp": theirs})
    p.up("culvert")
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert p.c.verdict() == "healthy" and "the first one with PFS" in told(p.c)
    p.c.cli("request vpn rekey ipsec-sa tunnel tun")
    wait_for(lambda: told(p.c), lambda: p.c.verdict() == "pfs-mismatch")
    assert "in 3" in told(p.c) and "the tunnel goes down" in told(p.c) and "group14" in told(p.c)
    assert len(p.c.children()) == 1
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert "esp_proposals = aes256gcm16-modp2048" in p.c.cli("diagnose vpn tunnel tun")
    # Cleared and up again it looks well; what comes is known now.
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()
    p.up("culvert")
    assert re.search(r"the first rekey at \d\d:\d\d will fail", told(p.c)) and p.c.verdict() == "pfs-mismatch"
