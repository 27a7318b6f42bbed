# SPDX-License-Identifier: Apache-2.0
"""Security rules between zones, with a real peer behind the tunnel."""
from lab.traffic import assert_ping, ping

BOTH_WAYS = [
    {"name": "out", "from": "trust", "to": "VPN-Zone", "source": "any", "destination": "any", "action": "allow"},
    {"name": "in", "from": "VPN-Zone", "to": "trust", "source": "any", "destination": "any", "action": "allow"}]


def rule(doc, name):
    (e,) = [e for e in doc["entries"] if e["name"] == name]
    return e


def test_rules_decide_count_and_log(pair):
    """Allowed both ways; then a rule in front denies one direction, is counted and logged; hits survive commits."""
    p = pair().start()
    p.c.commit(**{"security-rules": BOTH_WAYS})
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    before = p.c.cli("show rule-hit-count", json_out=True)
    assert rule(before, "out")["hit-count"] >= 10 and rule(before, "in")["hit-count"] >= 10

    deny = {"name": "no-ping", "from": "VPN-Zone", "to": "trust", "source": [p.t.branch.net], "destination": "any",
            "service": "icmp", "action": "deny"}
    p.c.commit(**{"security-rules": [deny] + BOTH_WAYS})
    assert ping(p.t.branch.host, p.t.hq.host_ip, count=3, wait=1)[1] == 0
    after = p.c.cli("show rule-hit-count", json_out=True)
    assert rule(after, "no-ping")["hit-count"] == 3 == p.c.drops()["rule-denied"]
    assert rule(after, "in")["hit-count"] >= rule(before, "in")["hit-count"], "kept over a commit"
    p.c.wait_log(rf"traffic-deny no-ping Denied by rule no-ping: zone VPN-Zone \(tunnel\.1\) to zone trust "
                 rf"\(ethernet1/2\), {p.t.branch.host_ip}\[0\] to {p.t.hq.host_ip}\[2048\], protocol 1")

    p.c.commit(**{"security-rules": []})  # nothing is allowed between zones; the gateway itself answers
    assert ping(p.t.hq.host, p.t.branch.host_ip, count=2, wait=1)[1] == 0
    p.c.wait_log(r"traffic-deny interzone-default")
    assert_ping(p.t.hq.host, p.t.hq.lan_ip)
    assert_ping(p.t.branch.host, p.t.hq.lan_ip)
    assert len(p.c.children()) == 1, "IKE is not subject to rules"
