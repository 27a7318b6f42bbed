# SPDX-License-Identifier: Apache-2.0
"""Tunnels broken on purpose in the ways operators meet: the symptom is seen end to end, and culvert's own output
names the cause.

ITEMS is the whole list of failure scenarios that end in lost packets, by number, with the tests that reproduce them;
those that other files have are not repeated here."""
import contextlib
import os
import re
import time

import pytest

from lab import attack
from lab.esp import send_raw
from lab.proc import run, wait_for
from lab.traffic import assert_ping, ping, ping_until

ITEMS = {
    "140 half-up: IKE SA without Child SA": ["test_failures.py::test_cause_in_words_and_recovery",
                                             "test_worked_cases.py::test_any_any_against_pairs_of_networks"],
    "141 phase 1 never starts": ["test_failures.py::test_peer_that_never_answers"],
    "142 UDP 500 or 4500 blocked": ["test_failures.py::test_peer_that_never_answers",
                                    "test_scenarios.py::test_port_4500_blocked"],
    "143 IKE versions differ": ["test_failures.py::test_peer_has_ikev1_only",
                                "test_failures.py::test_aggressive_mode_tells_who_calls"],
    "144 pre-shared keys differ": ["test_failures.py::test_cause_in_words_and_recovery"],
    "145 phase 1 proposals differ": ["test_failures.py::test_cause_in_words_and_recovery"],
    "146 phase 1 begins and fails, or is up": ["test_failures.py::test_cause_in_words_and_recovery",
                                               "test_scenarios.py::test_port_4500_blocked"],
    "147 clocks and certificates": ["test_certificates.py::test_expired", "test_certificates.py::test_not_yet_valid"],
    "148 NAT traversal off behind a NAT": ["test_scenarios.py::test_nat_traversal_off_behind_a_nat"],
    "149 proxy-IDs do not fit": ["test_failures.py::test_cause_in_words_and_recovery",
                                 "test_selectors.py::test_exact_policy_refuses_to_narrow",
                                 "test_scenarios.py::test_peer_takes_part_of_it"],
    "150 PFS differs": ["test_worked_cases.py::test_pfs_shows_at_the_rekey", "test_scenarios.py::test_pfs_at_the_peer_only"],
    "151 phase 2 transforms differ": ["test_failures.py::test_cause_in_words_and_recovery"],
    "152 up, but no traffic: route, policy, NAT": ["test_scenarios.py::test_proxy_id_wider_than_its_networks",
                                                   "test_scenarios.py::test_up_but_no_traffic",
                                                   "test_rules.py::test_rules_decide_count_and_log",
                                                   "test_packet.py::test_verdicts"],
    "153 one way": ["test_scenarios.py::test_up_but_no_traffic", "test_scenarios.py::test_comes_in_and_goes_nowhere",
                    "test_scenarios.py::test_answers_are_denied"],
    "154 flapping on schedule": ["test_scenarios.py::test_peer_with_shorter_lifetime",
                                "test_scenarios.py::test_peer_is_silent_on_schedule"],
    "155 slow: MTU": ["test_scenarios.py::test_large_packets_vanish", "test_mtu.py::test_hole_in_the_path_is_found_and_told",
                      "test_mtu.py::test_host_is_told_the_exact_mtu",
                      "test_mtu.py::test_tcp_through_a_narrow_wan_does_not_stall"],
    "156 some applications fail": ["test_selectors.py::test_port_selector", "test_packet.py::test_verdicts",
                                   "test_first_tunnel.py::test_outside_the_proxy_ids_nothing_passes",
                                   "test_scenarios.py::test_large_packets_vanish",
                                   "test_mtu.py::test_hole_in_the_path_is_found_and_told"],
    "157 certificates are refused": ["test_certificates.py::test_unknown_issuer", "test_certificates.py::test_expired",
                                     "test_certificates.py::test_revoked_by_a_list", "test_certificates.py::test_wrong_identity",
                                     "test_certificates.py::test_without_extended_key_usage_for_ike",
                                     "test_certificates.py::test_peer_refuses_ours"],
    "158 comes up only when one of them starts": ["test_scenarios.py::test_comes_up_from_one_side_only"],
    "159 half-open limit reached": ["test_scenarios.py::test_half_open_limit"],
    "161 active here, not connected there": ["test_scenarios.py::test_up_but_no_traffic"],
    "162 outage while logs say that it never went down": ["test_scenarios.py::test_up_but_no_traffic",
                                                          "test_monitor.py::test_fail_over_and_back"],
    "163 one has an SA that the other lost": ["test_scenarios.py::test_peer_restarts_and_nobody_asks",
                                              "test_scenarios.py::test_peer_with_shorter_lifetime",
                                              "test_liveness.py::test_we_restart_and_call"],
    "164 peer reboots, WAN drops": ["test_scenarios.py::test_peer_goes_silent", "test_liveness.py::test_peer_killed", "test_liveness.py::test_link_cut",
                                    "test_liveness.py::test_peer_restarts_and_calls"],
    "165 lifetimes differ": ["test_scenarios.py::test_peer_with_shorter_lifetime"],
    "166 the peer's address changes": ["test_scenarios.py::test_peer_moves_to_another_address",
                                       "test_nat.py::test_mapping_moves_followed_by_esp"],
}


def test_every_item_has_its_test():
    for names in ITEMS.values():
        for file, test in (n.split("::") for n in names):
            with open(f"{os.path.dirname(__file__)}/{file}") as f:
                assert re.search(rf"^def {test}\(", f.read(), re.M), f"{file} has no {test}"


# ---- harm -----------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def blocked(ns, rule, hook="forward"):
    """While the body runs a namespace drops what an nftables rule matches."""
    run("nft", "-f", "-", ns=ns, stdin=f"table ip harm {{\nchain c {{\ntype filter hook {hook} priority 0\n{rule} drop\n}}\n}}\n")
    try:
        yield
    finally:
        run("nft", "delete", "table", "ip", "harm", ns=ns)


ESP_IN_UDP = "udp dport 4500 @th,64,32 != 0"  # IKE on that port begins with four zero bytes
IKE_IN_UDP = "udp dport 4500 @th,64,32 == 0"


@contextlib.contextmanager
def routes_lost(ns):
    """While the body runs strongSwan's routes into its tunnels are gone."""
    lines = run("ip", "-n", ns, "route", "show", "table", "220").stdout.splitlines()
    assert lines
    run("ip", "-n", ns, "route", "flush", "table", "220")
    try:
        yield
    finally:
        for line in lines:
            run("ip", "-n", ns, "route", "add", *line.split(), "table", "220")


def lost(src, dst, count=5, **kw):
    """Not one of some echo requests is answered."""
    return ping(src, dst, count=count, wait=1, **kw)[1] == 0


def both_ways(p):
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def diagnosed(p, tunnel="tun"):
    """What diagnose vpn says of a tunnel of one proxy-ID."""
    return p.c.cli(f"diagnose vpn tunnel {tunnel}", json_out=True)["entries"][0]


def bad(got):
    """The steps that found something amiss."""
    return [s["step"] for s in got["steps"] if s["state"] == "bad"]


def asked(p, dst=None):
    return p.c.cli(f"test vpn packet source {p.t.hq.host_ip} destination {dst or p.t.branch.host_ip}", json_out=True)


# ---- the scenarios --------------------------------------------------------------------------------------------------

def test_port_4500_blocked(pair):
    """142.  The first exchange passes on port 500, all that comes after it is lost on 4500."""
    p = pair().start()
    with blocked(p.t.wan, "udp dport 4500"):
        p.c.cli("test vpn ipsec-sa tunnel tun")
        wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), lambda: p.c.failures(), 60, 0.2)
        text = p.c.cli("show vpn ike-sa gateway peer")
        assert p.c.verdict() == "no-answer-4500"
    assert re.search(r"no answer from 203\.0\.113\.10\[4500\] to IKE_AUTH", text)
    assert "answered IKE_SA_INIT but not IKE_AUTH: check that UDP port 4500 passes" in " ".join(text.split())
    p.up()
    both_ways(p)


def test_nat_traversal_off_behind_a_nat(pair):
    """148.  Where we start, the peer's refusal is told together with the setting; where it starts, the NAT is seen and
    told."""
    p = pair(nat=True).start(gateway={"nat-traversal": "off"})
    p.s.initiate(check=False, timeout=3)
    p.c.wait_log(r"ikev2-nego-ike-succ .*Attention: a NAT is on the way and nat-traversal is off")
    p.c.cli("test vpn ipsec-sa tunnel tun")
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"),
             lambda: any("nat-traversal is off here" in f["hint"] for f in p.c.failures()))
    assert p.c.children() == []
    got = diagnosed(p)
    assert got["verdict"] == "nat-traversal-off" and "set nat-traversal" in got["fix"]
    p.c.commit(**p.conf())
    p.s.terminate("--ike", "peer")
    p.up("strongswan")
    both_ways(p)


def test_up_but_no_traffic(pair):
    """152, 153, 161, 162.  Each end shows an SA, and no answer comes: what the peer's route or the way of ESP lacks is
    seen as traffic in one direction, a route that we lack by asking for the packet's fate."""
    p = pair().start()
    p.up()
    both_ways(p)
    hq, branch = p.t.hq, p.t.branch
    assert p.c.flow("tun")["traffic"] == "both ways" and "traffic:                both ways" in p.c.cli("show vpn flow name tun")

    # Our route is missing: the default route would take the packets out in the clear.
    routes = p.c.conf["routes"]
    p.c.commit(routes=[r for r in routes if "interface" not in r])
    before = p.c.flow("tun")["pkt-encap"]
    assert lost(hq.host, branch.host_ip)
    got = asked(p)
    assert "tun:P1 would fit, but the route does not lead to tunnel.1" in str(got["steps"])
    assert got["advice"] == (f"proxy-ID tun:P1 holds such packets, but no route takes them to tunnel.1 and they leave "
                             f"in the clear: add one to {branch.host_ip}")
    assert p.c.flow("tun")["pkt-encap"] == before
    status, text = p.c.cli(f"ping source {hq.lan_ip} host {branch.host_ip} count 1", check=False, rc=True)
    assert status == 1 and "proxy-ID tun:P1 holds such packets, but the route leads out of ethernet1/1, in clear" in text
    got = diagnosed(p)
    assert got["verdict"] == "no-route-into-tunnel" and bad(got) == ["route into tunnel"]
    assert "destination 10.10.10.0/24, interface tunnel.1" in got["fix"]
    p.c.commit(routes=routes)
    both_ways(p)

    # The peer has NAT in front of its tunnel: what its hosts begin never gets in, what ours begin is answered.
    run("nft", "-f", "-", ns=branch.gateway, stdin=f"""
        table ip exemption {{
            chain post {{
                type nat hook postrouting priority srcnat
                ip saddr {branch.net} snat to {branch.wan_ip}
            }}
        }}""")
    before = p.c.flow("tun")["pkt-decap"]
    assert lost(branch.host, hq.host_ip)
    assert p.c.flow("tun")["pkt-decap"] == before and p.c.drops()["esp-inner-selector"] == 0, "it never got here"
    assert_ping(hq.host, branch.host_ip)
    run("nft", "delete", "table", "ip", "exemption", ns=branch.gateway)

    # The peer has no route into the tunnel: active here, not connected there.
    with routes_lost(branch.gateway):
        assert lost(hq.host, branch.host_ip, count=30, interval=0.2)
        flow, text = p.c.flow("tun"), p.c.cli("show vpn flow name tun")
        assert flow["state"] == "active" and flow["traffic"] == "out only" and flow["one-way-s"] >= 4
        assert p.c.verdict() == "one-way-out"
        assert re.search(r"traffic: +out only for \d+ s: nothing comes back .* the peer for a route", text)
    both_ways(p)
    assert p.c.flow("tun")["traffic"] == "both ways" and p.c.verdict() == "healthy"

    # ESP is lost on the way while IKE passes: no log will ever tell.
    since = len(p.c.log())
    with blocked(p.t.wan, ESP_IN_UDP):
        assert lost(hq.host, branch.host_ip, count=30, interval=0.2)
        assert p.c.flow("tun")["traffic"] == "out only"
        assert asked(p)["verdict"] == "pass", "nothing is amiss here"
        got = diagnosed(p)
        assert got["verdict"] == "one-way-out" and bad(got) == ["inbound"] and "must pass" in got["fix"]
        p.s.swanctl("--rekey", "--ike", "peer")
        wait_for("the peer's rekey, answered", lambda: "ikev2-nego-ike-succ" in p.c.log()[since:])
    assert "tunnel-status-down" not in p.c.log()[since:] and p.s.counts() == (1, 1)
    both_ways(p)


def test_comes_in_and_goes_nowhere(pair):
    """153.  Packets are decrypted and then denied; or what would go in is, because rules speak of another zone than the
    tunnel's; or the host does not answer through us."""
    p = pair().start()
    hq, branch = p.t.hq, p.t.branch
    rules = [{"name": f"{a}-{b}", "from": a, "to": b, "source": "any", "destination": "any", "action": "allow"}
             for a, b in (("trust", "VPN-Zone"), ("VPN-Zone", "trust"))]
    p.c.commit(**{"security-rules": rules})
    p.up()
    both_ways(p)
    p.c.commit(**{"security-rules": rules[:1]})
    assert lost(branch.host, hq.host_ip, count=30, interval=0.2)
    flow, text = p.c.flow("tun"), p.c.cli("show vpn flow name tun")
    assert flow["traffic"] == "in only" and p.c.drops()["rule-denied"] == 30
    assert p.c.verdict() == "rule-denies"
    assert re.search(r"traffic: +in only for \d+ s: nothing goes back .* here for a security rule", text)
    got = asked(p)
    assert [s for s in got["steps"] if s["step"] == "answer: rule" and not s["ok"] and "interzone-default" in s["text"]]

    elsewhere = [{**r, "from": "untrust"} if r["from"] == "VPN-Zone" else {**r, "to": "untrust"} for r in rules]
    p.c.commit(**{"security-rules": elsewhere})
    assert lost(hq.host, branch.host_ip)
    assert "add a security rule from zone trust to zone VPN-Zone" in asked(p)["advice"]
    p.c.commit(**{"security-rules": rules})
    both_ways(p)

    run("ip", "-n", hq.host, "route", "replace", "blackhole", branch.net)
    before = p.c.flow("tun")
    assert lost(branch.host, hq.host_ip)
    after = p.c.flow("tun")
    assert after["pkt-decap"] == before["pkt-decap"] + 5 and after["pkt-encap"] == before["pkt-encap"]
    wait_for(lambda: str(diagnosed(p)), lambda: lost(branch.host, hq.host_ip, count=1) and
             p.c.verdict() == "one-way-in", 20)
    assert bad(diagnosed(p)) == [] and "hosts' own route back" in diagnosed(p)["fix"]


def test_answers_are_denied(pair):
    """153.  One rule, for what goes in, as a firewall with sessions would have it: each answer comes out of the tunnel, is
    counted as traffic in both directions, and denied.  Rules that let some packets through and not the one that diagnose
    asks for are none of its business."""
    p = pair().start()
    rules = [{"name": f"{a}-{b}", "from": a, "to": b, "source": "any", "destination": "any", "action": "allow"}
             for a, b in (("trust", "VPN-Zone"), ("VPN-Zone", "trust"))]
    p.c.commit(**{"security-rules": rules[:1]})
    p.up()
    assert lost(p.t.hq.host, p.t.branch.host_ip)
    got = diagnosed(p)
    assert p.c.flow("tun")["traffic"] == "both ways" and got["verdict"] == "rule-denies" and bad(got) == ["security rules"]
    assert "out of the tunnel" in got["cause"] and "each direction" in got["cause"]

    p.c.commit(**{"security-rules": [{**r, "service": "tcp"} for r in rules]})
    got = diagnosed(p)
    assert got["verdict"] == "healthy" and bad(got) == []
    (step,) = (s for s in got["steps"] if s["step"] == "security rules")
    assert step["text"].endswith("others they allow")


def test_proxy_id_wider_than_its_networks(pair):
    """152.  Proxy-IDs that hold more than is routed and more than the LAN are usual, and no fault."""
    local, remote = "10.20.0.0/16", "10.10.0.0/16"
    p = pair().start(proxy_ids=[(local, remote)],
                     strongswan={"children": {"net": {"local_ts": remote, "remote_ts": local}}})
    p.c.commit(**{"security-rules": [{"name": f"{a}-{b}", "from": a, "to": b, "source": "any", "destination": "any",
                                      "action": "allow"} for a, b in (("trust", "VPN-Zone"), ("VPN-Zone", "trust"))]})
    p.up()
    both_ways(p)
    got = diagnosed(p)
    assert got["verdict"] == "healthy" and bad(got) == []
    (step,) = (s for s in got["steps"] if s["step"] == "route into tunnel")
    assert step["text"] == f"{p.t.branch.net} leads to tunnel.1, but not all of {remote}"


def test_pfs_at_the_peer_only(pair):
    """150.  The other way round than in the worked case; and when the peer has been mended it is well."""
    p = pair().start(esp={"dh-group": "no-pfs"})
    p.up()
    both_ways(p)
    p.c.cli("request vpn rekey ipsec-sa tunnel tun")
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.verdict() == "pfs-mismatch")
    p.s.swanctl("--rekey", "--child", "net")
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: "peer offers group14" in diagnosed(p)["cause"])
    assert p.c.verdict() == "pfs-mismatch"

    p.s.configure(esp="aes256gcm16")
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()
    p.up()
    both_ways(p)
    assert "unless the peer was changed since" in diagnosed(p)["cause"]
    old = p.c.children()
    p.c.cli("request vpn rekey ipsec-sa tunnel tun")
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: [c["i_spi"] for c in p.c.children()] != [c["i_spi"] for c in old])
    both_ways(p)
    assert p.c.verdict() == "healthy"


def test_large_packets_vanish(pair):
    """155, 156.  The way to the peer is narrower than the port, and whoever is to say so is silent: small packets
    pass, large ones do not, and nothing here drops any.  DF taken off the outer header is the cure."""
    p = pair().start()
    hq, branch = p.t.hq, p.t.branch
    p.up()
    for ns, dev in ((p.t.wan, "to-branch"), (branch.gateway, "wan0")):
        run("ip", "-n", ns, "link", "set", dev, "mtu", 1300)
    with blocked(p.t.wan, "icmp type destination-unreachable", "output"):
        assert_ping(hq.host, branch.host_ip, size=1000, df="do")
        assert lost(hq.host, branch.host_ip, size=1300, df="do")
        flow = p.c.flow("tun")
        assert flow["mtu"] > 1400 and "path-mtu" not in flow and p.c.drops()["too-big"] == 0
        assert flow["df"] == "copy" and "outer DF:               copy" in p.c.cli("show vpn flow name tun")
        p.c.commit(**p.conf(tunnel={"df": "clear"}))
        assert_ping(hq.host, branch.host_ip, size=1300, df="do")


def test_comes_up_from_one_side_only(pair):
    """158.  What the peer offers is wider than what we take; what we offer it narrows to."""
    p = pair().start(tunnel={"ts-policy": "exact"},
                     strongswan={"children": {"net": {"local_ts": "10.10.0.0/16", "remote_ts": "10.20.0.0/16"}}})
    p.s.initiate(check=False, timeout=3)
    text = " ".join(p.c.cli("show vpn ike-sa gateway peer").split())
    assert "ts-policy" in text and "10.10.0.0/16" in text and "as responder" in text
    got = diagnosed(p)
    assert got["verdict"] == "proxy-id-mismatch" and got["reason"]["role"] == "responder"
    assert [(d["parameter"], d["how"]) for d in got["reason"]["parameters"]] == [
        ("local network", "another mask: theirs is wider"), ("remote network", "another mask: theirs is wider")]
    assert p.c.children() == []
    p.up("culvert")
    both_ways(p)


def test_peer_takes_part_of_it(pair):
    """149, 156.  The peer has a longer mask: the tunnel is up, and half of the hosts are not reached."""
    p = pair().start(strongswan={"children": {"net": {"local_ts": "10.10.10.0/25", "remote_ts": "10.20.20.0/24"}}})
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    (step,) = (s for s in diagnosed(p)["steps"] if s["step"] == "proxy-ID")
    assert p.c.verdict() == "healthy" and "narrowed it to local 10.20.20.0/24 remote 10.10.10.0/25; 0 packets" in step["text"]
    assert lost(p.t.hq.host, "10.10.10.200", count=3)
    got = diagnosed(p)
    assert got["verdict"] == "proxy-id-mismatch" and bad(got) == ["proxy-ID"] and "10.10.10.0/25" in got["cause"]


def test_half_open_limit(pair):
    """159.  Strangers who begin and do not go on use up what may be half open: whoever calls then is turned away, which
    is told; when they are gone the peer comes in."""
    p = pair().start(gateway={"peer-address": "any", "passive-mode": True},
                     system={"maximum-half-opened-sa": 4, "cookie-activation-threshold": 100})
    for n in range(4):
        send_raw(p.t.wan, attack.udp(f"192.0.2.{n + 1}", p.t.hq.public_ip, 500, 500, attack.sa_init()))
    wait_for("half-open SAs", lambda: len(p.c.negotiating()) == 4)
    p.s.initiate(check=False, timeout=2)
    p.c.wait_log(r"Half-open limit reached, request of peer IP 203\.0\.113\.10\[500\] refused\. Due to half-open-limit")
    got = diagnosed(p)
    assert got["verdict"] == "half-open-limit" and bad(got) == ["half-open SAs"]
    wait_for("they are gone", lambda: not p.c.negotiating(), 45, 0.5)
    assert p.c.verdict() == "waits-for-peer"
    p.up("strongswan")


def test_peer_goes_silent(pair):
    """164.  From its first unanswered request to its being declared dead, and back."""
    p = pair().start(gateway={"dpd": {"interval": 2, "retry": 3}})
    p.up()
    both_ways(p)
    p.s.freeze()
    seen = []

    def verdicts():
        if (v := p.c.verdict()) not in seen:
            seen.append(v)
        return "peer-dead" in seen
    wait_for(lambda: f"peer-dead in {seen}", verdicts, 40)
    assert "peer-silent" in seen and not set(seen) - {"healthy", "peer-silent", "negotiating", "peer-dead"}
    got = diagnosed(p)
    assert "stopped answering" in got["cause"] and bad(got) == ["UDP 500 and 4500"]
    assert re.search(r"ikev2-nego-ike-dpd-dn peer .*Due to dpd:", p.c.log())
    p.s.thaw()
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.children(), 60)
    ping_until(p.t.hq.host, p.t.branch.host_ip)
    history = [(e["event"], e["by"]) for e in p.c.cli("show vpn history tunnel tun", json_out=True)["entries"]]
    assert ("down", "liveness") in history and history[-1][0] == "up"


def test_peer_restarts_and_nobody_asks(pair):
    """163, 164.  Without liveness checks an SA that the peer lost goes on here; what is told cures it."""
    p = pair().start(gateway={"dpd": {"enable": False}})
    p.up()
    both_ways(p)
    p.s.kill()
    p.s.start()
    p.s.configure()
    assert lost(p.t.hq.host, p.t.branch.host_ip, count=30, interval=0.2)
    got = diagnosed(p)
    assert got["verdict"] == "one-way-out"
    (cure,) = re.findall(r"clear vpn ike-sa gateway peer", got["fix"])
    p.c.cli(cure)
    ping_until(p.t.hq.host, p.t.branch.host_ip, timeout=20)
    assert p.c.verdict() == "healthy"


def test_peer_is_silent_on_schedule(pair):
    """154.  The journal has why it went down each time: lifetimes are no part of it."""
    p = pair().start(gateway={"dpd": {"interval": 2, "retry": 2}}, tunnel={"start": True})
    for _ in range(3):
        wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.children(), 30)
        p.s.freeze()
        wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: not p.c.children(), 30)
        p.s.thaw()
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.children(), 30)
    got = diagnosed(p)
    assert got["verdict"] == "flapping" and "each because the peer was silent" in got["cause"]
    assert "the peer's restarts" in got["fix"] and "lifetime" not in got["fix"] + got["cause"]
    assert "each time the peer was silent" in p.c.cli("show vpn history tunnel tun")


def test_peer_with_shorter_lifetime(pair):
    """154, 165, 163.  The peer lets its SA go at equal intervals, which is told; new keys are there at once.  When its
    Delete is lost on the way we go on with an SA that it does not have."""
    p = pair().start(strongswan={"child": {"life_time": "4s"}})
    p.up()
    end = time.monotonic() + 6
    while time.monotonic() < end:
        ping(p.t.hq.host, p.t.branch.host_ip, count=5, interval=0.1, wait=0.2)
    p.c.wait_log(r"ipsec-key-delete .*peer deleted the Child SA after [345] s of its 3600 s.*equal intervals.*lifetime")
    ping_until(p.t.hq.host, p.t.branch.host_ip)

    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"),
             lambda: [ping(p.t.hq.host, p.t.branch.host_ip, count=5, interval=0.1, wait=0.2)] and
             p.c.verdict() == "flapping", 30)
    got = diagnosed(p)
    assert "on schedule" in got["cause"] and "make lifetimes equal" in got["fix"] and bad(got) == ["history"]

    with blocked(p.t.branch.gateway, IKE_IN_UDP, "output"):
        time.sleep(4.5)
        since = len(p.c.log())
        assert lost(p.t.hq.host, p.t.branch.host_ip)
        flow = p.c.flow("tun")
        assert flow["state"] == "active" and p.c.log()[since:].count("tunnel-status-down") == 0
        wait_for(lambda: str(p.c.flow("tun")), lambda: lost(p.t.hq.host, p.t.branch.host_ip) and
                 p.c.flow("tun")["traffic"] == "out only")
        assert "that it still has its SA" in diagnosed(p)["fix"]
    ping_until(p.t.hq.host, p.t.branch.host_ip, timeout=20)


def test_peer_moves_to_another_address(pair):
    """166.  Its call is refused by an address that nobody configured, and the log says so; with peer-address = "any"
    its identity is what counts."""
    p = pair().start()
    p.up()
    both_ways(p)
    branch, new = p.t.branch, "203.0.113.99"
    p.s.kill()
    run("ip", "-n", branch.gateway, "addr", "del", f"{branch.wan_ip}/24", "dev", "wan0")
    run("ip", "-n", branch.gateway, "addr", "add", f"{new}/24", "dev", "wan0")
    run("ip", "-n", branch.gateway, "route", "add", "default", "via", branch.wan_router)
    p.s.start()
    p.s.configure(local_addrs=new)
    p.s.initiate(check=False, timeout=3)
    p.c.wait_log(rf"ikev2-nego-fail-common - .* request for peer IP {re.escape(new)}\[500\]\. Due to no-config")
    (call,) = p.c.cli("diagnose vpn", json_out=True)["callers"]
    assert (call["remote-ip"], call["kind"]) == (new, "no-gateway")
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.verdict() in ("peer-silent", "peer-dead"), 60)
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: f"{new}[500] called in IKEv2" in p.c.cli("diagnose vpn tunnel tun"), 60)
    p.c.commit(**p.conf(gateway={"peer-address": "any"}))
    p.s.initiate()
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: [sa["remote-ip"] for sa in p.c.ike_sas()] == [new], 15)
    ping_until(p.t.hq.host, branch.host_ip)
    both_ways(p)
