# SPDX-License-Identifier: Apache-2.0
"""What cannot work does not, says why in words, harms nothing, and works once it is corrected."""
import re
import time

import pytest

from test_scenarios import blocked
from lab.proc import run, wait_for
from lab.traffic import assert_ping, ping

pytestmark = pytest.mark.core

ROLES = ["culvert", "strongswan"]

# name: (culvert's configuration, strongSwan's, what the operator reads, by role of culvert)
CASES = {
    "wrong-psk": (
        {"psk": "not the same"}, {},
        {"initiator": r"AUTHENTICATION_FAILED.*local-id 198\.51\.100\.20.*pre-shared key",
         "responder": r"pre-shared key"}),
    "wrong-identity": (
        {"gateway": {"peer-id": {"type": "fqdn", "value": "somebody.example"}}}, {},
        {"initiator": r"AUTHENTICATION_FAILED.*peer-id somebody\.example", "responder": r"identi.*somebody\.example"}),
    "ike-cipher": (
        {"ike": {"encryption": ["aes-128-gcm"]}}, {},
        {"initiator": r"NO_PROPOSAL_CHOSEN|proposal", "responder": r"proposal.*encryption|encryption.*proposal"}),
    "ike-group": (
        {"ike": {"dh-group": ["group20"]}}, {},
        {"initiator": r"NO_PROPOSAL_CHOSEN|INVALID_KE|group", "responder": r"group"}),
    "esp-cipher": (
        {"esp": {"encryption": ["aes-128-gcm"]}}, {},
        {"initiator": r"NO_PROPOSAL_CHOSEN|proposal", "responder": r"proposal"}),
    "disjoint-proxy-ids": (
        {"proxy_ids": [("10.20.99.0/24", "10.10.99.0/24")]}, {},
        {"initiator": r"TS_UNACCEPTABLE|selector|proxy-ID", "responder": r"proxy-ID|selector"}),
}

VERDICTS = {"wrong-psk": "auth-failed", "wrong-identity": {"culvert": "auth-failed", "strongswan": "identity-mismatch"},
            "ike-cipher": "no-proposal",
            "ike-group": "no-proposal", "esp-cipher": "ipsec-no-proposal", "disjoint-proxy-ids": "proxy-id-mismatch"}
CAUSES = {"auth-failed": "auth-failed", "identity-mismatch": "id-mismatch", "no-proposal": "no-proposal",
          "ipsec-no-proposal": "no-proposal", "proxy-id-mismatch": "ts-unacceptable"}
# What the peer, as strongSwan, is told to have so that it fits what is here.
AT_PEER = {"wrong-psk": "<the same key>", "wrong-identity": "    id = somebody.example",
           "ike-cipher": "proposals = aes128gcm16-prfsha256-modp2048", "ike-group": "proposals = aes256-sha256-ecp384",
           "esp-cipher": "esp_proposals = aes128gcm16-modp2048", "disjoint-proxy-ids": "local_ts = 10.10.99.0/24"}


def try_up(p, initiator):
    if initiator == "culvert":
        p.c.cli("test vpn ike-sa gateway peer")
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False, timeout=5)


def only_cause(p, cause):
    """Records and log name this cause and no other."""
    assert {f["cause"] for f in p.c.failures()} == {cause}
    assert set(re.findall(r"Due to ([a-z-]+):", p.c.log())) == {cause}


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("case", CASES)
def test_cause_in_words_and_recovery(pair, case, initiator):
    mine, theirs, words = CASES[case]
    p = pair().start(strongswan=theirs, **mine)
    try_up(p, initiator)
    pattern = words["initiator" if initiator == "culvert" else "responder"]

    def told():
        return re.search(pattern, p.c.cli("show vpn ike-sa gateway peer"), re.I | re.S)
    wait_for(lambda: f"{pattern} in:\n{p.c.cli('show vpn ike-sa gateway peer')}", told, 10)
    assert re.search(pattern, p.c.log(), re.I), "the log says it too"
    verdict = VERDICTS[case] if isinstance(VERDICTS[case], str) else VERDICTS[case][initiator]
    assert p.c.verdict() == verdict
    only_cause(p, CAUSES[verdict])
    assert AT_PEER[case] in p.c.cli("show vpn ike-sa detail gateway peer")
    assert AT_PEER[case] in p.c.cli("diagnose vpn tunnel tun")
    assert p.c.children() == [] and p.s.counts()[1] == 0
    assert ping(p.t.hq.host, p.t.branch.host_ip, count=3, wait=1)[1] == 0
    assert p.c.alive()
    assert "not the same" not in p.c.log() + p.c.cli("show vpn ike-sa gateway peer"), "no secret is ever printed"

    p.c.commit(**p.conf())  # as it should have been
    p.s.terminate("--ike", "peer")
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


@pytest.mark.parametrize("initiator", ROLES)
def test_peer_has_ikev1_only(pair, initiator):
    """143.  Its call names its version; and when we call, what it answers, a mere no, is seen in that light."""
    p = pair().start(strongswan={"conn": {"version": 1}})
    p.s.initiate(check=False, timeout=2)
    p.c.wait_log(r"ikev2-nego-ike-fail peer .*Due to version-mismatch: peer speaks IKEv1: main mode")
    only_cause(p, "version-mismatch")
    if initiator == "culvert":
        p.c.cli("test vpn ike-sa gateway peer")
        wait_for(lambda: str(p.c.failures()), lambda: p.c.failures()[0]["role"] == "initiator")
    got = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"][0]
    assert got["verdict"] == "version-mismatch" and "IKEv1" in got["cause"] and "IKEv2" in got["fix"]
    (call,) = p.c.cli("diagnose vpn", json_out=True)["callers"]
    assert (call["remote-ip"], call["protocol"]) == (p.t.branch.wan_ip, "IKEv1 main mode")
    p.s.configure()
    p.up(initiator)
    assert p.c.verdict() in ("healthy", "no-packets")


def test_aggressive_mode_tells_who_calls(pair):
    """An IKEv1 peer from an address that nobody has: named with the identity that it sends in clear."""
    p = pair().start(gateway={"peer-address": "203.0.113.77", "peer-id": {"type": "ipaddr", "value": "203.0.113.77"}},
                     strongswan={"local_id": "fqdn:old.branch.example", "conn": {"version": 1, "aggressive": True}})
    p.s.initiate(check=False, timeout=2)
    p.c.wait_log(r"ikev2-nego-fail-common .*IKE phase-1 request for peer IP 203\.0\.113\.10\[500\].*old\.branch\.example")
    text = p.c.cli("diagnose vpn")
    assert re.search(r"203\.0\.113\.10\[500\] called in IKEv1 aggressive mode, identity old\.branch\.example", text)
    assert "203.0.113.10" in p.c.cli("diagnose vpn tunnel tun")


def test_peer_that_never_answers(pair):
    """Nobody at the peer's address: retransmissions end, the cause says so, the next try succeeds."""
    p = pair().start()
    with p.t.wan_cut():
        p.c.cli("test vpn ipsec-sa tunnel tun")
        wait_for(lambda: f"no answer, in:\n{p.c.cli('show vpn ike-sa gateway peer')}",
                 lambda: re.search(r"no answer from 203\.0\.113\.10\[500\].*UDP port 500 passes",
                                   " ".join(p.c.cli("show vpn ike-sa gateway peer").split())), 120, 1)
        assert p.c.verdict() == "no-answer"
        only_cause(p, "no-answer")
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    failures = p.c.cli("show vpn ike-sa detail gateway peer", json_out=True)
    assert failures["failures"] == [] and [f["cause"] for f in failures["earlier-failures"]].count("no-answer")
    assert "Earlier failure of gateway peer" in p.c.cli("show vpn ike-sa detail gateway peer")


def asked(p, what="ipsec-sa tunnel tun"):
    got = p.c.cli(f"test vpn {what}", json_out=True)
    return got["initiated"], got["asked-again"]


@pytest.mark.parametrize("lost", ["no-link", "no-port-4500"])
def test_asked_for_while_it_waits(pair, lost):
    """The operator asks again once the fault is mended: he does not have to wait for the next retransmission, which
    after 18 s is 13 s away."""
    p = pair().start()
    with p.t.wan_cut() if lost == "no-link" else blocked(p.t.wan, "udp dport 4500"):
        assert asked(p) == (1, 0)
        time.sleep(18)
        assert p.c.children() == []
    text = p.c.cli("test vpn ipsec-sa tunnel tun")
    assert "Initiate 0 IPSec SA for tunnel tun." in text and "Asked again: the negotiation that waits for its peer." in text
    p.wait_up(timeout=4)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert p.c.failures() == [] and asked(p) == (0, 0)


def test_asked_for_when_the_peer_has_forgotten(pair):
    """strongSwan drops an IKE SA that is half open for 30 s.  The request that is sent again finds nobody, and a fresh
    attempt follows the old one's end without being asked for."""
    p = pair().start()
    with blocked(p.t.wan, "udp dport 4500"):
        assert asked(p) == (1, 0)
        time.sleep(35)
    assert asked(p) == (0, 1)
    p.wait_up(timeout=25)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    failures = p.c.cli("show vpn ike-sa detail gateway peer", json_out=True)
    assert failures["failures"] == [] and [f["cause"] for f in failures["earlier-failures"]].count("no-answer")


def test_asked_for_just_after_it_was_cleared(pair):
    """Cleared in the middle of its negotiation, it is not waited for: a fresh attempt begins at once, and the old one leaves
    nothing at either end."""
    p = pair().start()
    with blocked(p.t.wan, "udp dport 4500"):
        assert asked(p) == (1, 0)
        time.sleep(3)
        assert "1 IKEv2 SA" in p.c.cli("clear vpn ike-sa gateway peer")
    assert asked(p) == (1, 0)
    p.wait_up(timeout=4)
    time.sleep(8)  # the old one's next retransmission would have come, with its INITIAL_CONTACT
    assert len(p.c.ike_sas()) == 1 and p.s.counts() == (1, 1)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_unknown_peer(pair):
    """An IKE_SA_INIT from an address nobody configured is refused and logged."""
    p = pair().start(gateway={"peer-address": "203.0.113.77", "peer-id": {"type": "ipaddr", "value": "203.0.113.77"}})
    out = p.s.initiate(check=False, timeout=5)
    assert "successfully" not in out
    p.c.wait_log(r"Due to no-config: no gateway between local 198\.51\.100\.20 and peer 203\.0\.113\.10")
    assert p.c.ike_sas() == []
    (call,) = p.c.cli("diagnose vpn", json_out=True)["callers"]
    assert (call["kind"], call["remote-ip"], call["identity"]) == ("no-gateway", "203.0.113.10", "")
    assert "203.0.113.10[500] called in IKEv2" in p.c.cli("diagnose vpn tunnel tun")


@pytest.mark.parametrize("there", ["nobody", "somebody-else"])
def test_peer_calls_from_another_address(pair, there):
    """Our peer-address is another than the peer's, where nobody or somebody else answers, and the peer calls from its
    own: named as likely, with what to set; and when that is set, it works."""
    wrong = {"peer-address": "203.0.113.77"}
    p = pair()
    if there == "somebody-else":  # another of the box's addresses, at which no connection of charon's is
        run("ip", "-n", p.t.branch.gateway, "addr", "add", "203.0.113.77/24", "dev", "wan0")
    p.start(gateway=wrong)
    p.c.cli("test vpn ipsec-sa tunnel tun")
    for _ in range(2):
        p.s.initiate(check=False, timeout=3)
    want = "peer-address" if there == "nobody" else "no-proposal"
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.verdict() == want, 60)
    (got,) = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"]
    (step,) = (s for s in got["steps"] if s["step"] == "peer-address")
    assert "203.0.113.10, which no gateway has, called 2 times" in step["text"] and "carries no identity" in step["text"]
    if there == "nobody":
        assert "seems to call from 203.0.113.10, and peer-address is 203.0.113.77" in got["cause"]
    assert 'peer-address = "203.0.113.10"' in got["fix"]
    p.c.commit(**p.conf(gateway={"peer-address": "203.0.113.10"}))
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_bad_configuration_is_not_committed(pair):
    p = pair().start()
    p.up()
    conf = p.conf(ike={"dh-group": ["group99"]})
    p.c.conf.update(conf)
    p.c.write()
    status, text = p.c.cli("commit", check=False, rc=True)
    assert status != 0 and re.search(r"group99", text) and re.search(r"dh-group", text)
    check = p.c.check()
    assert check.returncode == 1 and "group99" in check.stderr + check.stdout
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


# name: (culvert's configuration, the peer's, which does not fit it)
MENDED = {
    "ike-proposal": ({"ike": {"encryption": ["aes-128-gcm"], "dh-group": ["group19"]}}, {}),
    "esp-proposal": ({"esp": {"encryption": ["aes-256-cbc"], "authentication": ["sha512"], "dh-group": "group14"}}, {}),
    "pfs": ({}, {"esp": "aes256gcm16"}),
    "proxy-id": ({}, {"children": {"net": {"local_ts": "10.10.11.0/24", "remote_ts": "10.20.20.0/24"}}}),
    "identities": ({"gateway": {"local-id": {"type": "fqdn", "value": "hq.example"},
                                "peer-id": {"type": "ufqdn", "value": "branch@example"}}}, {}),
    "version": ({}, {"conn": {"version": 1}}),
}


def as_configured(commands, theirs):
    """The peer's configuration with what culvert says it should have, taken as it is printed."""
    said = [tuple(line.strip().split(" = ", 1)) for line in commands if " = " in line]
    ids = [v for k, v in said if k == "id"]
    d = dict(said)
    out = {k: v for k, v in theirs.items() if k not in ("conn", "children")}
    for key, name in (("proposals", "proposals"), ("esp_proposals", "esp")):
        if key in d:
            out[name] = d[key]
    if len(ids) >= 2:
        out.update(local_id=ids[-2], remote_id=ids[-1])
    if "local_ts" in d:
        out["children"] = {"net": {"local_ts": d["local_ts"], "remote_ts": d["remote_ts"]}}
    if "version" in d:
        out["conn"] = {"version": d["version"]}
    return out


@pytest.mark.parametrize("case", MENDED)
def test_mended_by_what_is_printed(pair, case):
    """The commands for the peer are not only words: given to it, the tunnel works."""
    mine, theirs = MENDED[case]
    p = pair().start(strongswan=theirs, **mine)
    if case == "version":
        p.s.initiate(check=False, timeout=2)
    p.c.cli("test vpn ipsec-sa tunnel tun")
    if case == "pfs":
        p.wait_up()
        p.c.cli("request vpn rekey ipsec-sa tunnel tun")

    def printed():
        reason = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"][0]["reason"]
        return [e["commands"] for e in (reason or {}).get("at-peer", []) if e["system"] == "strongSwan"]
    (commands,) = wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), printed)
    for line in commands:
        assert f" {line}\n" in p.c.cli("diagnose vpn tunnel tun"), "the text has it too"
    p.s.terminate("--ike", "peer")
    p.s.configure(**as_configured(commands, theirs))
    p.c.cli("clear vpn ike-sa gateway peer")
    p.up()
    if case in ("pfs", "esp-proposal"):
        since = len(p.s.log())
        p.c.cli("request vpn rekey ipsec-sa tunnel tun")
        p.s.wait_log(r"CHILD_SA closed", since=since)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert p.c.verdict() == "healthy"


def test_what_was_seen_here_counts_for_more_than_a_refusal(pair):
    """Both ends call in turn, and each refuses the other's proposal.  Called we see what differs; when we call the peer
    says nothing of it, and that does not take the place of what is known."""
    p = pair().start(strongswan={"proposals": "aes256-sha256-ecp256"})
    p.s.initiate(check=False, timeout=3)
    p.c.cli("test vpn ike-sa gateway peer")
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), lambda: p.c.failures()[0]["reported-by-peer"])
    (got,) = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"]
    assert got["verdict"] == "no-proposal" and "dh-group: peer offers group19; we accept group14" in got["cause"]
    p.c.commit(**p.conf(ike={"dh-group": ["group19"]}))
    assert p.c.verdict() != "no-proposal", "it was mended"
    p.up()
    assert p.c.verdict() == "no-packets"
