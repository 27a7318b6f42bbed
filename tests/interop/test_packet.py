# SPDX-License-Identifier: Apache-2.0
"""`test vpn packet` tells beforehand what becomes of a packet."""
from lab.traffic import assert_ping, ping


def asked(p, dst, **more):
    words = "".join(f" {k.replace('_', '-')} {v}" for k, v in more.items())
    return p.c.cli(f"test vpn packet source {p.t.hq.host_ip} destination {dst}{words}", json_out=True)


def test_verdicts(pair):
    """No SA, no proxy-ID, no route, a rule's deny, and all well: each as the packet's fate then shows."""
    p = pair(lans=2).start()
    far = p.t.branch.host_ip
    got = asked(p, far)
    assert (got["verdict"], got["reason"]) == ("drop", "no-sa") and "test vpn ipsec-sa tunnel tun:P1" in got["advice"]
    got = asked(p, p.t.branch.host_ips[1])  # routed into the tunnel, in no proxy-ID
    assert got["reason"] == "no-matching-proxy-id"
    assert p.c.drops()["no-sa"] == 0 and not p.c.negotiating() and not p.c.ike_sas(), "nothing was sent or asked for"

    p.up()
    got = asked(p, far, protocol="tcp", source_port=40000, destination_port=443)
    assert got["verdict"] == "pass" and all(s["ok"] for s in got["steps"]), got
    (child,) = p.c.children()
    assert f"SPI {child['o_spi']:08X}" in str(got["steps"])
    assert_ping(p.t.hq.host, far)
    assert asked(p, far, size=1500)["reason"] == "too-big"

    # The other way: out of the tunnel, and what the peer must not send.
    words = f"test vpn packet source {far} destination {p.t.hq.host_ip} interface tunnel.1"
    got = p.c.cli(words, json_out=True)
    assert got["verdict"] == "pass" and all(s["ok"] for s in got["steps"]), got
    assert [s["step"] for s in got["steps"]][:2] == ["proxy-id, inbound", "sa, inbound"]
    assert f"SPI {child['i_spi']:08X}" in str(got["steps"])
    got = p.c.cli(words.replace(far, "192.0.2.7"), json_out=True)
    assert (got["verdict"], got["reason"]) == ("drop", "esp-inner-selector")

    conf = p.conf()
    p.c.commit(**{"security-rules": [], "routes": [r for r in conf["routes"] if r["destination"] != "0.0.0.0/0"] +
                  [{"destination": p.t.branch.wan_ip + "/32", "via": p.t.hq.wan_router}]})
    assert asked(p, "192.0.2.1")["reason"] == "no-route"
    got = asked(p, far)
    assert got["reason"] == "rule-denied" and "from zone trust to zone VPN-Zone" in got["advice"]
    assert ping(p.t.hq.host, far, count=1, wait=1)[1] == 0 and p.c.drops()["rule-denied"] == 1
