# SPDX-License-Identifier: Apache-2.0
"""Postquantum preshared keys (RFC 8784) against strongSwan, in both roles: right, wrong, missing; required or not."""
import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping

pytestmark = pytest.mark.trixie
ROLES = ["culvert", "strongswan"]
KEY = "0x" + bytes(range(32)).hex()
OTHER = "0x" + bytes(range(1, 33)).hex()


def start(pair, culvert=None, strongswan=None, key=KEY, their_key=KEY, their_id="ppk-1"):
    """culvert, strongswan: None for no PPK, else whether it is required."""
    p = pair()
    gateway = {} if culvert is None else {"ppk": {"id": "ppk-1", "key": key, "required": culvert}}
    theirs = {} if strongswan is None else {
        "conn": {"ppk_id": their_id, "ppk_required": strongswan}, "ppks": {their_id: their_key}}
    return p.start(gateway=gateway, strongswan=theirs)


def negotiate(p, initiator):
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False)


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("mine,theirs", [(True, True), (False, False), (True, False), (False, True)])
def test_right(pair, mine, theirs, initiator):
    p = start(pair, mine, theirs)
    p.up(initiator)
    assert p.s.log_has("using PPK for PPK_ID 'ppk-1'")
    assert p.c.ike_sas()[0]["ppk"] == "ppk-1"
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    p.c.cli("request vpn rekey ike-sa gateway peer")
    wait_for("a rekey", lambda: [sa["rekeys"] for sa in p.c.ike_sas()] == [1])
    p.c.cli("request vpn rekey ipsec-sa tunnel tun:P1")
    p.wait_up()
    assert_ping(p.t.branch.host, p.t.hq.host_ip)
    assert p.c.ike_sas()[0]["ppk"] == "ppk-1"


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("mine,theirs", [(False, None), (None, False)])
def test_missing_at_one_end_that_does_not_insist(pair, mine, theirs, initiator):
    p = start(pair, mine, theirs)
    p.up(initiator)
    assert not p.s.log_has("using PPK")
    assert p.c.ike_sas()[0]["ppk"] == ""
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("mine,theirs", [(True, None), (None, True)])
def test_missing_and_required(pair, mine, theirs, initiator):
    p = start(pair, mine, theirs)
    negotiate(p, initiator)
    if theirs and initiator == "strongswan":
        p.s.wait_log("PPK required but peer does not support PPK")  # it does not come as far as IKE_AUTH
        assert p.c.ike_sas() == []
        return
    (failure, *_) = wait_for("a failure", p.c.failures)
    assert p.c.ike_sas() == [] and p.s.counts() == (0, 0)
    if mine:
        assert "PPK" in failure["text"]


@pytest.mark.parametrize("initiator", ROLES)
@pytest.mark.parametrize("required", [True, False])
def test_wrong(pair, required, initiator):
    p = start(pair, required, required, their_key=OTHER)
    negotiate(p, initiator)
    (failure, *_) = wait_for("a failure", p.c.failures)
    assert failure["cause"] == "auth-failed"
    assert p.c.ike_sas() == [] and p.s.counts() == (0, 0)
    if initiator == "strongswan":
        assert "PPK" in failure["hint"]
        # AUTH without the PPK came as well, and tells that it is this that differs.
        assert ("is another one than ours; all else is right" in failure["text"]) == (not required)


@pytest.mark.parametrize("initiator", ROLES)
def test_another_id(pair, initiator):
    p = start(pair, True, True, their_id="ppk-2")
    negotiate(p, initiator)
    (failure, *_) = wait_for("a failure", p.c.failures)
    assert failure["cause"] == "auth-failed"
    if initiator == "strongswan":
        assert '"ppk-2"' in failure["text"] and '"ppk-1"' in failure["text"]
