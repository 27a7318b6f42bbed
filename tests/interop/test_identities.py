# SPDX-License-Identifier: Apache-2.0
"""Identities of every type, in both roles."""
import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping
from test_failures import as_configured

# culvert's type: (culvert's local value, peer's value, and the two as strongSwan writes them)
IDS = {
    "ipaddr": ("198.51.100.20", "203.0.113.10", "198.51.100.20", "203.0.113.10"),
    "fqdn": ("hq.example", "branch.example", "fqdn:hq.example", "fqdn:branch.example"),
    "ufqdn": ("vpn@hq.example", "vpn@branch.example", "email:vpn@hq.example", "email:vpn@branch.example"),
    "keyid": ("hq-key", "0x6272616e6368", "keyid:hq-key", "keyid:branch"),
}


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
@pytest.mark.parametrize("kind", IDS)
def test_identity(pair, kind, initiator):
    mine, theirs, mine_sw, theirs_sw = IDS[kind]
    p = pair().start(gateway={"local-id": {"type": kind, "value": mine}, "peer-id": {"type": kind, "value": theirs}},
                     strongswan={"local_id": theirs_sw, "remote_id": mine_sw})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_different_types_at_the_two_ends(pair, initiator):
    p = pair().start(gateway={"local-id": {"type": "ufqdn", "value": "vpn@hq.example"},
                              "peer-id": {"type": "fqdn", "value": "branch.example"}},
                     strongswan={"local_id": "fqdn:branch.example", "remote_id": "email:vpn@hq.example"})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


# What we expect of the peer, and what it has instead, as strongSwan writes it: the same to read, of another type.
TYPES = {
    "keyid": ({"type": "fqdn", "value": "branch.example"}, "keyid:branch.example", ("fqdn", "keyid")),
    "ufqdn": ({"type": "fqdn", "value": "branch.example"}, "email:branch.example", ("fqdn", "ufqdn")),
    "fqdn": ({"type": "ipaddr", "value": "203.0.113.10"}, "fqdn:203.0.113.10", ("ipaddr", "fqdn")),
    "expects-keyid": ({"type": "keyid", "value": "branch.example"}, "branch.example", ("keyid", "fqdn")),
}


@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
@pytest.mark.parametrize("kind", TYPES)
def test_same_text_of_another_type(pair, kind, initiator):
    """Who is called sees both, and says that the type alone differs; who calls is told no more than no, and names the
    types it has.  What is printed for the peer mends it either way."""
    want, theirs, types = TYPES[kind]
    p = pair().start(gateway={"peer-id": want}, strongswan={"local_id": theirs})
    if initiator == "culvert":
        p.c.cli("test vpn ike-sa gateway peer")
    else:
        p.s.initiate(check=False, timeout=3)
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), p.c.failures)
    (reason,) = (f for f in p.c.failures() if f["tunnel"] is None)
    (got,) = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"]
    if initiator == "culvert":
        assert got["verdict"] == "auth-failed" and f" ({types[0]})" in reason["ours"].partition("peer-id")[2]
    else:
        assert got["verdict"] == "identity-mismatch" and "the type differs" in got["cause"]
        assert [(d["parameter"], d["ours"], d["theirs"], d["how"]) for d in reason["parameters"]] == [
            ("type of identity", *types, "the value is alike")]
        assert f"type of peer-id here to {types[1]}" in got["fix"] and "the type differs" in p.c.log()
    (commands,) = (e["commands"] for e in got["reason"]["at-peer"] if e["system"] == "strongSwan")
    p.s.configure(**as_configured(commands, {}))
    p.c.cli("clear vpn ike-sa gateway peer")
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def test_peer_expects_somebody_else(pair):
    """It calls, proves the key, and refuses who we are: so it is not the key.  When we call it says less, and that is not
    what counts then."""
    p = pair().start(strongswan={"remote_id": "fqdn:hq.example"})
    p.s.initiate(check=False, timeout=3)
    p.c.wait_log(r"ike-sa-down peer .*Due to id-mismatch: peer proved the pre-shared key, and refused our identity 198\.51\.100\.20")

    def told():
        (got,) = p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"]
        assert got["verdict"] == "identity-mismatch" and not got["ask-peer"] and "local-id" in got["fix"]
        (diff,) = got["reason"]["parameters"]
        assert (diff["parameter"], diff["ours"], diff["theirs"]) == ("our identity", "198.51.100.20", "hq.example")
    told()
    failed = len(p.c.failures())
    p.c.cli("test vpn ike-sa gateway peer")
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer detail"), lambda: p.c.failures()[0]["cause"] == "auth-failed")
    assert len(p.c.failures()) > failed
    told()
    p.c.commit(**p.conf(gateway={"local-id": {"type": "fqdn", "value": "hq.example"}}))
    assert p.c.verdict() != "identity-mismatch", "it was mended"
    p.up()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
