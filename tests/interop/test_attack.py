# SPDX-License-Identifier: Apache-2.0
"""Strangers, forgers and floods: COOKIE both ways (RFC 7296 2.6), messages in fragments (RFC 7383), and a running
tunnel that must not notice (RFC 7296 2.4, 2.21)."""
import re
import sys

import pytest

from lab import attack
from lab.esp import send_raw
from lab.proc import run, wait_for
from lab.traffic import Flood, assert_ping

pytestmark = pytest.mark.trixie
ROLES = ["culvert", "strongswan"]


def both_ways(p):
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def ike_counters(p):
    return {e["name"]: e["value"] for e in p.c.cli("show counter ike all", json_out=True)["entries"]}


def rss_kb(p):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p.c.daemon.pid}/status").read())[1])


def assail(p, kind, count, rate=2000, **known):
    """Send from the WAN, as the branch or as nobody in particular."""
    argv = [sys.executable, attack.__file__, kind, p.t.branch.public_ip, p.t.hq.public_ip,
            "--count", count, "--rate", rate]
    for k, v in known.items():
        argv += [f"--{k.replace('_', '-')}", v]
    run(*argv, ns=p.t.wan, timeout=60 + 5 * count / rate)


@pytest.mark.core
def test_we_demand_a_cookie(pair):
    p = pair().start(system={"cookie-activation-threshold": 0})
    p.up("strongswan")
    assert p.s.log_has(r"parsed IKE_SA_INIT response 0 \[ N\(COOKIE\) \]")
    assert p.s.log_has(r"generating IKE_SA_INIT request 0 \[ N\(COOKIE\) SA KE")
    both_ways(p)


@pytest.mark.core
def test_peer_demands_a_cookie(pair):
    """A half-open SA of a stranger's making, and strongSwan asks everyone."""
    p = pair(charon={"cookie_threshold": 1}).start()
    send_raw(p.t.wan, attack.udp(p.t.hq.public_ip, p.t.branch.public_ip, 500, 500, attack.sa_init()))
    p.s.wait_log(r"generating IKE_SA_INIT response 0")
    p.up()
    assert p.s.log_has(r"parsed IKE_SA_INIT request 0 \[ N\(COOKIE\) SA KE")
    both_ways(p)


@pytest.mark.core
@pytest.mark.parametrize("lossy", [False, True], ids=["", "lossy"])
@pytest.mark.parametrize("initiator", ROLES)
def test_fragments_both_ways(pair, initiator, lossy):
    """Long identities and many selectors: each end cuts what it sends and puts together what it gets, in IKE_AUTH and in
    CREATE_CHILD_SA; every fourth fragment is lost and comes with a retransmission."""
    here, there = ("x".join(["very-long-name"] * 14) + f".{w}.example" for w in ("hq", "branch"))
    p = pair(charon={"fragment_size": 576})
    p.start(strongswan={"local_id": "fqdn:" + there, "remote_id": "fqdn:" + here,
                        "conn": {"fragmentation": "force"},
                        "children": {"net": {"local_ts": p.t.branch.net, "remote_ts": ",".join(
                            [p.t.hq.net] + [f"10.99.{i}.0/24" for i in range(24)])}}},
            gateway={"fragment-size": 576, "local-id": {"type": "fqdn", "value": here},
                     "peer-id": {"type": "fqdn", "value": there}},
            proxy_ids=[("10.0.0.0/8", p.t.branch.net)])
    if lossy:
        run("nft", "-f", "-", ns=p.t.wan, stdin="""table ip lossy {
            chain f { type filter hook forward priority 0
                udp dport { 500, 4500 } ip length > 400 numgen inc mod 4 == 1 drop
            }
            }""")
    p.up(initiator)
    p.s.wait_log(r"splitting IKE message \(\d+ bytes\) into [23] fragments")
    p.s.wait_log(r"received fragment #\d of [23]")
    (old,), since = p.c.children(), len(p.s.log())
    p.s.swanctl("--rekey", "--child", "net")
    wait_for(lambda: p.c.cli("show vpn ike-sa"), lambda: len(p.c.children()) == 1 and
             p.c.children()[0]["i_spi"] != old["i_spi"], 30)
    assert p.s.log_has("reassembled|received fragment", since) and p.s.log_has("splitting IKE message", since)
    both_ways(p)


def refused(p):
    """Every counter of something that was not let in, by name."""
    ike = {k: n for k, n in ike_counters(p).items() if k.startswith(("drop", "cookie_sent"))}
    return {**p.c.drops(), **ike}


# Where most of each kind must end.
REFUSED = {"init": "drop_unknown_peer", "init-peer": "cookie_sent", "noise": "natt-malformed",
           "mutant": "cookie_sent", "forged-ike": "drop_integrity", "forged-esp": "esp-auth-failed",
           "unknown-esp": "esp-unknown-spi", "ikev1": "drop_version"}


def flood_setup(pair, **kw):
    p = pair().start(gateway={"dpd": {"interval": 5, "retry": 5}}, **kw)
    p.up()
    both_ways(p)
    (sa,), (child,) = p.c.ike_sas(), p.c.children()
    known = {"forged-ike": {"spi_i": sa["spi-i"], "spi_r": sa["spi-r"]}, "forged-esp": {"esp_spi": child["i_spi"]}}
    return p, known


@pytest.mark.parametrize("kind", attack.KINDS)
def test_flood_does_not_reach_the_tunnel(pair, tmp_path, kind):
    """Traffic goes on with the same SAs, memory stays flat once every packet buffer was used, the log stays readable, and both
    ends can still talk IKE."""
    p, known = flood_setup(pair)
    sa, child = p.c.ike_sas()[0]["spi-i"], p.c.children()[0]["i_spi"]
    assail(p, kind, 6000, **known.get(kind, {}))
    rss, lines, before = rss_kb(p), p.c.log().count("\n"), refused(p)
    with Flood(p.t.hq.host, p.t.branch.host_ip, tmp_path / "flood") as flood:
        assail(p, kind, 6000, **known.get(kind, {}))
    grown = {k: n - before[k] for k, n in refused(p).items() if n > before[k]}
    assert sum(grown.values()) > 4000 and grown.get(REFUSED[kind]), f"the flood arrived: {grown}"
    got = flood.result()
    assert got["received"] >= 0.98 * got["sent"] and not got["duplicates"], got
    assert rss_kb(p) - rss < 4096, f"{rss} KB before, {rss_kb(p)} after"
    assert p.c.log().count("\n") - lines < 100
    assert p.c.ike_sas()[0]["spi-i"] == sa and p.c.children()[0]["i_spi"] == child
    p.s.swanctl("--rekey", "--child", "net")
    wait_for(lambda: p.c.cli("show vpn ike-sa"),
             lambda: len(p.c.children()) == 1 and p.c.children()[0]["i_spi"] != child)
    both_ways(p)


def test_half_open_flood_and_a_peer_that_means_it(pair):
    """Hundreds of half-open SAs from forged addresses: culvert asks for a COOKIE, keeps its limits, and strongSwan
    comes up all the same."""
    p = pair().start(gateway={"peer-address": "dynamic", "passive-mode": True},
                     system={"cookie-activation-threshold": 50, "maximum-half-opened-sa": 100})
    assail(p, "init", 600, rate=1000)
    wait_for(lambda: str(ike_counters(p)), lambda: ike_counters(p)["cookie_sent"] >= 100)
    assert len(p.c.negotiating()) <= 100
    p.up("strongswan")
    assert p.s.log_has(r"N\(COOKIE\)")
    both_ways(p)
    assert p.c.log().count("\n") < 200


def test_forgers_do_not_lock_a_peer_out(pair):
    """Half-open SAs in the peer's own name, more than one source may have: the peer shows by a COOKIE that it is it."""
    p = pair().start()
    assail(p, "init-peer", 300)
    assert len(p.c.negotiating()) < 64
    p.up("strongswan")
    assert p.s.log_has(r"N\(COOKIE\)")
    both_ways(p)
