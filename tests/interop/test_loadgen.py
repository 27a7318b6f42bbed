# SPDX-License-Identifier: Apache-2.0
"""perf/loadgen through two gateways of ours, all in memory: shared-memory ports (memif) between the processes.

    loadgen A ── 10.20.20.0/24 ── culvert 1 ══ 192.0.2.0/24 ══ culvert 2 ── 10.10.10.0/24 ── loadgen B

This is the set-up of perf/README.md without its NICs: a proxy-ID for each pair of hosts, IMIX both ways.
"""
import json
import os
from types import SimpleNamespace

import pytest
from lab.culvert import BUILD, Culvertd
from lab.proc import run, wait_for

LOADGEN = os.path.join(BUILD, "perf/loadgen/loadgen")
HOSTS = 4
MTU = 1496  # memif takes no larger frames than 1518 bytes, and a VLAN tag is counted


def memif(n, tmp, link, role):
    return f"net_memif{n},role={role},id=0,socket={tmp}/{link}.sock,socket-abstract=no"


def gateway(tmp, me):
    """me 1 or 2; the first listens on every link, whoever is at the other end connects."""
    it, lan, far = 3 - me, *((20, 10) if me == 1 else (10, 20))
    d = f"{tmp}/culvert{me}"
    conf = {
        "system": {"hostname": f"culvert{me}", "workers": 1, "idle": "adaptive", "memory": 256, "hugepages": False,
                   "log": f"{d}/culvertd.log", "journal": f"{d}/journal", "cli-socket": f"{d}/cli"},
        "interfaces": [
            {"name": "ethernet1/1", "port": memif(0, tmp, "wan", "server" if me == 1 else "client"),
             "address": [f"192.0.2.{me}/24"], "mtu": MTU},
            {"name": "ethernet1/2", "port": memif(1, tmp, f"lan{me}", "server"), "address": [f"10.{lan}.{lan}.1/24"],
             "mtu": MTU},
            {"name": "tunnel.1"}],
        "routes": [{"destination": f"10.{lan}.0.0/24", "via": f"10.{lan}.{lan}.2"},
                   {"destination": f"10.{far}.0.0/24", "interface": "tunnel.1"}],
        "ike-crypto-profiles": [{"name": "ike", "dh-group": ["group19"], "authentication": ["sha256"],
                                 "encryption": ["aes-256-cbc"]}],
        "ipsec-crypto-profiles": [{"name": "esp", "encryption": ["aes-256-gcm"], "dh-group": "group19"}],
        "ike-gateways": [{"name": "peer", "version": "ikev2", "interface": "ethernet1/1",
                          "local-address": f"192.0.2.{me}", "peer-address": f"192.0.2.{it}",
                          "pre-shared-key": "a secret of two gateways in memory", "ike-crypto-profile": "ike"}],
        "ipsec-tunnels": [{"name": "tun", "tunnel-interface": "tunnel.1", "ike-gateway": "peer",
                           "ipsec-crypto-profile": "esp",
                           "proxy-ids": [{"name": f"P{i}", "local": f"10.{lan}.0.{10 + i}/32",
                                          "remote": f"10.{far}.0.{10 + i}/32"} for i in range(HOSTS)]}],
    }
    return Culvertd(SimpleNamespace(gateway=None), d, conf)


@pytest.fixture
def gateways(tmp_path):
    with gateway(tmp_path, 1) as one, gateway(tmp_path, 2) as two:
        yield tmp_path, one, two
        assert one.alive() and two.alive()


def port(n, tmp, lan, net):
    return memif(n, tmp, lan, "client").replace(",", ":") + f",10.{net}.{net}.2,10.{net}.{net}.1"


def loadgen(tmp, *args, check=True):
    out = run(LOADGEN, "--a", port(0, tmp, "lan1", 20), "--b", port(1, tmp, "lan2", 10), "--net-a", "10.20.0.10",
              "--net-b", "10.10.0.10", "--hosts", HOSTS, "--json", f"{tmp}/result.json", *args, check=check, timeout=60)
    with open(f"{tmp}/result.json") as f:
        return json.load(f), out


def test_through_two_gateways(gateways):
    tmp, one, two = gateways
    # The first packets find the tunnel down and ask for keys; whatever is lost until it is up is seen.
    loadgen(tmp, "--pps", 200, "--seconds", 1, "--wait", 0.5, check=False)
    wait_for("every proxy-ID has its SA", lambda: all(
        len(g.cli("show vpn ipsec-sa", json_out=True)["entries"]) >= HOSTS for g in (one, two)), timeout=10)
    result, out = loadgen(tmp, "--pps", 2000, "--seconds", 1, "--wait", 0.5, "--size", "IMIX", "--flows", 200)
    for way in result["results"]:
        assert way["received"] == way["sent"] > 1000 and way["altered"] == 0, out.stdout
        assert 0 < way["latency_us"]["50"] <= way["latency_us"]["99"] <= way["latency_us"]["max"]
    assert len(result["results"]) == 2
    for g in (one, two):
        for name in ("esp-replay", "esp-auth-failed", "esp-inner-selector", "no-matching-proxy-id"):
            assert g.drops()[name] == 0, name
        flows = [g.flow(f"tun:P{i}") for i in range(HOSTS)]
        assert all(f["pkt-encap"] > 100 and f["pkt-decap"] > 100 for f in flows), "every proxy-ID had its packets"


def test_search(gateways):
    tmp, one, two = gateways
    loadgen(tmp, "--pps", 200, "--seconds", 1, "--wait", 0.2, check=False)
    # The second gateway cuts nothing off and loses nothing at this rate: the search ends with its first trial.
    result, _ = loadgen(tmp, "--search", "--pps", 500, "--seconds", 0.5, "--wait", 0.5, "--way", "a-to-b")
    assert result["non_drop_pps"] > 0 and result["results"][0]["way"] == "a-to-b"
    # Towards hosts that no proxy-ID is for, everything is lost, and said to be.
    result, out = loadgen(tmp, "--net-b", "10.10.0.100", "--pps", 500, "--seconds", 0.5, "--wait", 0.2,
                          "--way", "a-to-b", check=False)
    assert out.returncode == 3 and result["results"][0]["received"] == 0
    assert one.drops()["no-matching-proxy-id"] >= result["results"][0]["sent"] > 0
