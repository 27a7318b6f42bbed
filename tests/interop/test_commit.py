# SPDX-License-Identifier: Apache-2.0
"""What a commit does to interfaces: tunnel interfaces come, go and come back under traffic, zones change; what takes a
restart is told by its name and changes nothing."""
import copy
import json
import re
import signal
import socket

from lab.culvert import Culvertd
from lab.proc import wait_for
from lab.traffic import assert_ping, ping


def interface(conf, name):
    return next(i for i in conf["interfaces"] if i["name"] == name)


def refused(p, conf, change, words):
    """A commit of conf with that change applies nothing, and says why."""
    p.c.conf = copy.deepcopy(conf)
    change(p.c.conf)
    p.c.write()
    status, text = p.c.cli("commit", check=False, rc=True)
    assert status != 0 and words in text and "nothing was applied" in text, text


def test_tunnel_interfaces_come_and_go(pair):
    p = pair().start()
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    first = copy.deepcopy(p.c.conf)

    # The tunnel moves to an interface that did not exist; its proxy-ID is another, for where it leads is part of it.
    conf = copy.deepcopy(first)
    conf["interfaces"].insert(0, {"name": "tunnel.7", "zone": "branches"})
    conf["ipsec-tunnels"][0]["tunnel-interface"] = "tunnel.7"
    for r in conf["routes"]:
        if r.get("interface") == "tunnel.1":
            r["interface"] = "tunnel.7"
    p.c.commit(**conf)
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    names = [e["name"] for e in p.c.cli("show interface", json_out=True)["entries"]]
    assert "tunnel.7" in names and "tunnel.1" in names

    # One that nobody uses any longer goes, and comes back.
    conf["interfaces"] = [i for i in conf["interfaces"] if i["name"] != "tunnel.1"]
    p.c.commit(**conf)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert "tunnel.1" not in [e["name"] for e in p.c.cli("show interface", json_out=True)["entries"]]
    p.c.commit(**first)
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_zone_changes_count_at_once(pair):
    p = pair().start()
    p.c.conf["interfaces"].append({"name": "tunnel.9", "zone": "VPN-Zone"})  # or no rule could name the zone
    p.c.commit(**{"security-rules": [
        {"name": "out", "from": "trust", "to": "VPN-Zone", "source": "any", "destination": "any", "action": "allow"},
        {"name": "in", "from": "VPN-Zone", "to": "trust", "source": "any", "destination": "any", "action": "allow"}]})
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    conf = copy.deepcopy(p.c.conf)
    interface(conf, "tunnel.1")["zone"] = "quarantine"
    p.c.commit(**conf)
    assert ping(p.t.hq.host, p.t.branch.host_ip, count=2, wait=1)[1] == 0
    p.c.wait_log(r"traffic-deny interzone-default .*zone trust .*to zone quarantine")
    interface(conf, "tunnel.1")["zone"] = "VPN-Zone"
    conf["interfaces"].reverse()  # their order means nothing
    p.c.commit(**conf)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_what_takes_a_restart(pair):
    p = pair().start()
    p.up()
    first = copy.deepcopy(p.c.conf)
    for change, words in ((lambda c: interface(c, "ethernet1/2").update({"mtu": 1400}), 'interface "ethernet1/2" differs'),
                          (lambda c: interface(c, "tunnel.1").update({"address": ["10.9.9.1/24"]}), '"tunnel.1" differs'),
                          (lambda c: c["interfaces"].append({"name": "ethernet1/1.50", "tag": 50, "zone": "dmz",
                                                             "address": ["10.50.0.1/24"]}), '"ethernet1/1.50" is a new VLAN'),
                          (lambda c: c["system"].update({"workers": 2}), "section system differs")):
        refused(p, first, change, words)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_capacity(pair):
    """Every table says how full it is, and counts what there is."""
    p = pair().start()
    before = {e["name"]: e for e in p.c.cli("show vpn capacity", json_out=True)["entries"]}
    assert before["outbound-sas"]["used"] == before["ike-sas"]["used"] == 0 and before["proxy-ids"]["used"] == 1
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    after = {e["name"]: e for e in p.c.cli("show vpn capacity", json_out=True)["entries"]}
    assert after["outbound-sas"]["used"] == after["inbound-sas"]["used"] == after["ike-sas"]["used"] == 1
    assert after["neighbours"]["used"] >= 2 and after["interfaces"]["used"] == 3
    assert after["memory-bytes"]["used"] < after["memory-bytes"]["limit"]
    control = p.c.cli("show dataplane", json_out=True)["control-thread"]
    assert control["longest-turn-ms"] > 0 and control["busy-percent"] < 100
    assert all(e["left"] == e["limit"] - e["used"] for e in after.values() if "limit" in e)


def test_only_what_differs_is_touched(pair):
    """A commit says how much of it there was, and the SAs of what did not change are the same afterwards."""
    p = pair().start()
    p.c.conf["ike-gateways"].append({**p.c.conf["ike-gateways"][0], "name": "other", "peer-address": "203.0.113.7",
                                     "peer-id": {"type": "fqdn", "value": "other.example"}})
    assert "1 of 2 gateways changed" in p.c.commit(**p.c.conf)
    p.up()
    spi = p.c.flow("tun")["local-spi"]
    assert "0 of 2 gateways changed" in p.c.commit(**p.c.conf)
    p.c.conf["ike-gateways"][1]["peer-address"] = "203.0.113.8"
    assert "1 of 2 gateways changed" in p.c.commit(**p.c.conf)
    p.c.conf["ike-gateways"].reverse()  # their numbers change, no more
    p.c.commit(**p.c.conf)
    assert p.c.flow("tun")["local-spi"] == spi
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_proxy_ids_change_their_gateways(pair):
    """Two tunnels swap gateways, and a third goes over to one of them: whoever had a proxy-ID lets go of it first."""
    p = pair().start()
    conf = copy.deepcopy(p.c.conf)
    gateway, tunnel = conf["ike-gateways"][0], conf["ipsec-tunnels"][0]
    conf["ike-gateways"].append({**gateway, "name": "other", "peer-address": "203.0.113.7",
                                 "peer-id": {"type": "fqdn", "value": "other.example"}})
    for n, name in ((1, "second"), (2, "third")):
        conf["ipsec-tunnels"].append({**tunnel, "name": name, "ike-gateway": ("other", "peer")[n - 1], "proxy-ids": [
            {"name": "P", "local": f"10.77.{n}.0/24", "remote": f"10.78.{n}.0/24"}]})
    p.c.commit(**conf)
    conf["ipsec-tunnels"][0]["ike-gateway"] = "other"
    conf["ipsec-tunnels"][1]["ike-gateway"] = "peer"
    conf["ipsec-tunnels"][2]["ike-gateway"] = "other"
    p.c.commit(**conf)
    flows = {f["name"]: f for f in p.c.cli("show vpn flow", json_out=True)["entries"]}
    assert {f["gateway"] for n, f in flows.items() if n != "second:P"} == {"other"}
    assert flows["second:P"]["gateway"] == "peer"
    conf["ipsec-tunnels"][0]["ike-gateway"] = "peer"
    p.c.commit(**conf)
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_more_than_there_is_room_for(pair):
    """Tables keep the size that they had at the start: what does not fit changes nothing."""
    p = pair().start(system={"memory": 512})
    p.up()
    first = copy.deepcopy(p.c.conf)
    for change, words in (
            (lambda c: c["ipsec-tunnels"][0].update({"proxy-ids": c["ipsec-tunnels"][0]["proxy-ids"] + [
                {"name": f"X{n}", "local": f"10.77.{n // 256}.{n % 256}/32", "remote": "10.78.0.0/16"} for n in range(1100)]}),
             "1100 more proxy-ids do not fit"),
            (lambda c: c["routes"].extend({"destination": f"10.79.{n // 256}.{n % 256}/32", "interface": "tunnel.1"}
                                          for n in range(5000)), "5000 more routes-ipv4 do not fit")):
        refused(p, first, change, words)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert len(p.c.cli("show vpn flow", json_out=True)["entries"]) == 1


def test_memory_is_planned(pair):
    """What the tables take is known before anything is started."""
    p = pair()
    p.c = Culvertd(p.t.hq, f"{p.tmp}/culvert", p.conf(system={"memory": 300, "max-sas": 100000}))
    r = p.c.check()
    needed = re.search(r"memory: found 300; allowed: at least (\d+) \(MB\), for max-sas = 100000, 1 proxy-ID", r.stderr + r.stdout)
    assert r.returncode and needed, r.stderr + r.stdout
    p.c.conf["system"]["memory"] = int(needed[1])
    p.c.write()
    p.c.start()
    used = {e["name"]: e["used"] for e in p.c.cli("show vpn capacity", json_out=True)["entries"]}["memory-bytes"]
    assert used < int(needed[1]) << 20


def test_reload_by_signal(pair):
    """Twice in a row: the second waits for the first, and what the file says last is in force."""
    p = pair().start()
    for n in range(20):
        conf = copy.deepcopy(p.c.conf)
        conf["ike-gateways"][0]["peer-address"] = f"203.0.113.{n + 1}"
        p.c.conf = conf
        p.c.write()
        p.c.daemon.popen.send_signal(signal.SIGHUP)
    wait_for(lambda: p.c.cli("show vpn gateway"), lambda: "203.0.113.20" in p.c.cli("show vpn gateway"))
    p.c.wait_log(r"committed: 1 of 1 gateways changed")


def hits_until_committed(p):
    """What show rule-hit-count says while a commit goes on, asked as fast as it answers: {name: hits} of each answer."""
    since, answers = len(p.c.log()), []
    with socket.socket(socket.AF_UNIX) as s, s.makefile("rw") as f:
        s.connect(p.c.socket)
        p.c.daemon.send(signal.SIGHUP)
        while not answers or "committed" not in p.c.log()[since:]:
            f.write('{"command": ["show", "rule-hit-count"]}\n')
            f.flush()
            answers.append({e["name"]: e["hit-count"] for e in json.loads(f.readline())["document"]["entries"]})
            assert json.loads(f.readline())["status"] == "ok"
    return answers


def test_rules_are_told_by_their_own_names(pair):
    """A commit is applied in slices, and what is asked between two of them is answered from one configuration: the hits of
    a rule are never another's."""
    p = pair()
    allow = {"from": "any", "to": "any", "source": "any", "destination": "any", "action": "allow"}
    rules = [{"name": f"R{n}", **allow, "source": "10.99.0.0/16"} for n in range(40)] + [{"name": "met", **allow}]
    many = [(f"10.20.{n % 250}.0/24", f"10.{100 + n // 250}.{n % 250}.0/24") for n in range(5000)]
    before = p.conf(proxy_ids=[(p.t.hq.net, p.t.branch.net), *many], system={"max-sas": 16384, "memory": 512})
    p.start(conf=before | {"security-rules": rules})
    p.c.cli("test vpn ipsec-sa tunnel tun:P1")
    p.wait_up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    p.c.conf = {**p.c.conf, "security-rules": rules[-1:]}
    p.c.conf["ipsec-tunnels"] = [{**t, "proxy-ids": t["proxy-ids"][:1]} for t in p.c.conf["ipsec-tunnels"]]
    p.c.write()
    answers = hits_until_committed(p)
    for hits in answers:
        assert hits["met"] >= 10 and not [n for n, h in hits.items() if n.startswith("R") and h], hits
