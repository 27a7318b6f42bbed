# SPDX-License-Identifier: Apache-2.0
"""Traffic selectors: narrowing (RFC 7296 2.9) in both roles, and what falls outside the result."""
import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping, ping

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
