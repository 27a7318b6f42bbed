# SPDX-License-Identifier: Apache-2.0
"""show vpn history: what became of a tunnel, and by whom, also before a restart."""
import signal

from lab.proc import wait_for
from lab.traffic import assert_ping


def events(c):
    """(event, by) of the tunnel's own entries and the daemon's."""
    doc = c.cli("show vpn history tunnel tun", json_out=True)
    return [(e["event"], e["by"]) for e in doc["entries"] if not e["event"].startswith("ike")]


def test_who_did_it_and_a_restart_remembers(pair):
    p = pair().start()
    p.up()
    p.s.terminate("--child", "net")
    wait_for("no child here", lambda: p.c.children() == [])
    p.up()
    p.c.cli("clear vpn ipsec-sa tunnel tun")
    p.up("strongswan")
    told = [("start", "here"), ("up", "here"), ("down", "peer"), ("up", "here"), ("down", "operator"), ("up", "peer")]
    assert events(p.c) == told
    p.c.daemon.popen.send_signal(signal.SIGKILL)
    p.c.daemon.popen.wait()
    p.c.start()
    p.up()
    assert events(p.c) == told + [("start", "here"), ("up", "here")]
    s = p.c.cli("show vpn history", json_out=True)["tunnels"][0]
    assert (s["name"], s["outages"], s["down"], s["regular"]) == ("tun:P1", 3, False, False)
    text = p.c.cli("show vpn history tunnel tun")
    assert "peer-deleted" in text and "operator" in text
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_a_renamed_tunnel_keeps_its_outages(pair):
    """Under its old name, as one that is no more; and a proxy-ID that waits for traffic is not down."""
    p = pair().start()
    p.up()
    p.s.terminate("--child", "net")
    wait_for("an outage", lambda: p.c.cli("show vpn history tunnel tun", json_out=True)["tunnels"][0]["outages"] == 1)
    tunnel = {**p.c.conf["ipsec-tunnels"][0], "name": "renamed"}
    p.c.commit(**{"ipsec-tunnels": [tunnel]})
    (new, old) = p.c.cli("show vpn history gateway peer", json_out=True)["tunnels"]
    assert (new["name"], new["outages"], new["down"], new["configured"]) == ("renamed:P1", 0, False, True)
    assert (old["name"], old["down"], old["configured"]) == ("tun:P1", False, False) and old["outages"] >= 1
    assert "tun:P1 (no more)" in p.c.cli("show vpn history gateway peer")
