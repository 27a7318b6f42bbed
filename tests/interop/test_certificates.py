# SPDX-License-Identifier: Apache-2.0
"""Authentication by certificate, against strongSwan, in both roles."""
import os
import re

import pytest

from lab import pki
from lab.pki import DAY, Authority
from lab.proc import run, wait_for
from lab.traffic import assert_ping

HQ, BRANCH = "C=CH, O=Lab, CN=hq.example", "C=CH, O=Lab, CN=branch.example"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
ROLES = pytest.mark.parametrize("initiator", ["culvert", "strongswan"])


def fqdn(name):
    return {"type": "fqdn", "value": name}


def ends(tmp_path, kind="p256", ca=None, theirs=None, mine=None, **ca_kw):
    """A CA and a certificate for either end."""
    ca = ca or Authority(f"{tmp_path}/pki", kind=kind, **ca_kw)
    return (ca, ca.issue(HQ, kind, ["hq.example"], **(mine or {})),
            ca.issue(BRANCH, kind, ["branch.example"], **(theirs or {})))


def start(pair, ca, mine, theirs, trust=None, gateway=None, strongswan=None, own=None, charon=None):
    return pair(charon=charon).start(own=own or mine, trust={"ca": ca.path, **(trust or {})},
                        gateway={"local-id": fqdn("hq.example"), "peer-id": fqdn("branch.example"), **(gateway or {})},
                        strongswan={"local_id": "branch.example", "remote_id": "hq.example", "cert": theirs,
                                    "cas": [ca.path], **(strongswan or {})})


def counters(p):
    return {e["name"]: e["value"] for e in p.c.cli("show counter ike all", json_out=True)["entries"]}


def works(p, initiator):
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


def refused(p, initiator, cause, *words, verdict=None):
    """No SA comes up, the gateway says why, and the peer only hears that it was refused."""
    if initiator == "culvert":
        p.c.cli("test vpn ike-sa gateway peer")
    else:
        p.s.initiate(check=False)
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), lambda: p.c.failures())
    f = p.c.failures()[0]
    text = " ".join(str(f.get(k)) for k in ("text", "ours", "theirs", "hint"))
    assert f["cause"] == cause, f
    for w in words:
        assert w in text, f"{w} in {text}"
    p.s.wait_log("AUTH_FAILED")
    assert p.c.verdict() == (verdict or cause)
    steps = {s["step"]: s["state"] for s in p.c.cli("diagnose vpn tunnel tun", json_out=True)["entries"][0]["steps"]}
    (bad,) = [k for k, v in steps.items() if v == "bad"]
    assert bad in ("certificate, identity", "pre-shared key, identity")
    assert p.s.counts()[0] == 0
    return f


# ---- keys and signatures -------------------------------------------------------------------------------------------

@ROLES
@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519"])
def test_key(pair, tmp_path, kind, initiator):
    p = start(pair, *ends(tmp_path, kind))
    works(p, initiator)
    alg = {"rsa": "RSA_EMSA_PKCS1_SHA2_256", "p25": "ECDSA_WITH_SHA256_DER", "p38": "ECDSA_WITH_SHA384_DER",
           "p52": "ECDSA_WITH_SHA512_DER", "ed2": "ED25519"}[kind[:3]]
    assert p.s.log_has(f"authentication of 'hq.example' with {alg} successful")


@ROLES
def test_rsa_pss(pair, tmp_path, initiator):
    ca, mine, theirs = ends(tmp_path, "rsa2048")
    p = start(pair, ca, mine, theirs, own=mine.conf(**{"rsa-pss": True}),
              strongswan={"local_auth": "rsa/pss"})
    works(p, initiator)
    assert p.s.log_has("authentication of 'hq.example' with RSA_EMSA_PSS_SHA2_256_SALT_32 successful")


@ROLES
def test_rsa_with_sha1_only_where_enabled(pair, tmp_path, initiator):
    """A peer that does not know RFC 7427: method 1."""
    p = start(pair, *ends(tmp_path, "rsa2048"), gateway={"rsa-sha1": True},
              strongswan={}, charon={"signature_authentication": False})
    works(p, initiator)
    assert p.s.log_has("authentication of 'hq.example' with RSA signature successful")


@ROLES
def test_rsa_with_sha1_is_refused(pair, tmp_path, initiator):
    p = start(pair, *ends(tmp_path, "rsa2048"), charon={"signature_authentication": False})
    if initiator == "culvert":  # we have no way to sign for such a peer
        p.c.cli("test vpn ike-sa gateway peer")
        wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), lambda: p.c.failures())
        f = p.c.failures()[0]
        assert f["cause"] == "unsupported" and "RFC 7427" in f["hint"], f
    else:
        refused(p, initiator, "unsupported", "RSA with SHA-1", "rsa-sha1 = true")


@ROLES
def test_ecdsa_without_rfc_7427(pair, tmp_path, initiator):
    """Methods 9 to 11."""
    p = start(pair, *ends(tmp_path, "p384"), charon={"signature_authentication": False})
    works(p, initiator)
    assert p.s.log_has("authentication of 'hq.example' with ECDSA-384 signature successful")


# ---- who may use which method -----------------------------------------------------------------------------------------

@ROLES
@pytest.mark.parametrize("certified", ["culvert", "strongswan"])
def test_one_end_by_certificate_the_other_by_key(pair, tmp_path, certified, initiator):
    ca, mine, theirs = ends(tmp_path)
    ids = {"local-id": fqdn("hq.example"), "peer-id": fqdn("branch.example")}
    sw = {"local_id": "branch.example", "remote_id": "hq.example"}
    if certified == "culvert":
        p = pair().start(own=mine, gateway=ids, strongswan={**sw, "cas": [ca.path]})
    else:
        p = pair().start(trust={"ca": ca.path}, gateway=ids, strongswan={**sw, "cert": theirs})
    works(p, initiator)


@ROLES
def test_a_key_where_a_certificate_is_due(pair, tmp_path, initiator):
    ca, mine, theirs = ends(tmp_path)
    p = start(pair, ca, mine, theirs, strongswan={"cert": None})
    refused(p, initiator, "unsupported", "pre-shared key", "configured is a certificate")


@ROLES
def test_a_certificate_where_a_key_is_due(pair, tmp_path, initiator):
    ca, mine, theirs = ends(tmp_path)
    p = pair().start(own=mine, gateway={"local-id": fqdn("hq.example"), "peer-id": fqdn("branch.example")},
                     strongswan={"local_id": "branch.example", "remote_id": "hq.example", "cert": theirs,
                                 "cas": [ca.path]})
    refused(p, initiator, "unsupported", "digital signature", "configured is pre-shared key")


# ---- chains and identities --------------------------------------------------------------------------------------------

@ROLES
def test_chain_larger_than_the_mtu(pair, tmp_path, initiator):
    """An intermediate of each end that fits no packet: fragments of IKE carry it, none of IP."""
    root = Authority(f"{tmp_path}/pki", kind="rsa3072")
    sub = Authority(f"{tmp_path}/pki", "C=CH, O=Lab, CN=Intermediate", "rsa3072", root, pad=2000)
    assert len(sub.pem) > 3000
    p = start(pair, root, sub.issue(HQ, "rsa3072", ["hq.example"], chain=[sub]),
              sub.issue(BRANCH, "rsa3072", ["branch.example"], chain=[sub]))
    works(p, initiator)
    assert all(counters(p)[f"{way}_fragmented"] for way in ("rx", "tx"))
    assert p.s.log_has("received fragment #")


@ROLES
@pytest.mark.parametrize("kind", ["ipaddr", "ufqdn", "dn", "dn-wildcard", "fqdn-wildcard"])
def test_identity(pair, tmp_path, kind, initiator):
    ca, mine, theirs = ends(tmp_path, theirs={}, mine={})
    mine = ca.issue(HQ, sans=["198.51.100.20", "vpn@hq.example", "hq.example"])
    theirs = ca.issue(BRANCH, sans=["203.0.113.10", "vpn@branch.example", "a.branch.example"])
    ids = {"ipaddr": ("198.51.100.20", "203.0.113.10", "203.0.113.10"),
           "ufqdn": ("vpn@hq.example", "vpn@branch.example", "vpn@branch.example"),
           "dn": (HQ, BRANCH, BRANCH), "dn-wildcard": (HQ, "C=CH, O=Lab, CN=*", BRANCH),
           "fqdn-wildcard": ("hq.example", "*.branch.example", "a.branch.example")}
    me, pattern, it = ids[kind]
    peer = {"type": kind.split("-")[0], "value": pattern, **({"matching": "wildcard"} if "-" in kind else {})}
    p = start(pair, ca, mine, theirs,
              gateway={"local-id": {"type": kind.split("-")[0], "value": me}, "peer-id": peer},
              strongswan={"local_id": it, "remote_id": me})
    works(p, initiator)


# ---- refusals -----------------------------------------------------------------------------------------------------------

@ROLES
def test_expired(pair, tmp_path, initiator):
    p = start(pair, *ends(tmp_path, theirs={"start": pki.now() - 9 * DAY, "end": pki.now() - 3 * DAY}))
    refused(p, initiator, "cert-expired", "CN=branch.example", "expired", "the clock here says", "3 days ago", "renew")


@ROLES
def test_not_yet_valid(pair, tmp_path, initiator):
    p = start(pair, *ends(tmp_path, theirs={"start": pki.now() + DAY / 48}))
    refused(p, initiator, "cert-not-yet-valid", "CN=branch.example", "not valid before", "min ahead", "NTP")


@ROLES
def test_unknown_issuer(pair, tmp_path, initiator):
    ca, mine, _ = ends(tmp_path)
    other = Authority(f"{tmp_path}/other", "C=CH, O=Elsewhere, CN=Stranger")
    p = start(pair, ca, mine, other.issue(BRANCH, sans=["branch.example"]))
    refused(p, initiator, "cert-untrusted", "leads to no trust anchor", "CN=Stranger", "certificate-profile's ca")


def test_peer_refuses_ours(pair, tmp_path):
    """It does not know our issuer, and tells no more than that it refuses: culvert says where to look, and not at keys."""
    ca, _, theirs = ends(tmp_path)
    other = Authority(f"{tmp_path}/other", "C=CH, O=Elsewhere, CN=Stranger")
    p = start(pair, ca, other.issue(HQ, sans=["hq.example"]), theirs)
    f = refused(p, "culvert", "auth-failed", "certificate of our issuer")
    assert "key" not in f["hint"] and not any("pre-shared" in str(e) for e in f.get("at-peer", []))


@ROLES
@pytest.mark.parametrize("verdict, dates", [("own-cert-expired", {"start": -9, "end": -3}),
                                            ("own-cert-not-yet-valid", {"start": 1})])
def test_our_own_is_out_of_its_time(pair, tmp_path, verdict, dates, initiator):
    """The peer only says that it refuses; by our own clock we know better."""
    p = start(pair, *ends(tmp_path, mine={k: pki.now() + v * DAY for k, v in dates.items()}))
    if initiator == "culvert":
        p.c.cli("test vpn ike-sa gateway peer")
    else:
        p.s.initiate(check=False)
    wait_for(lambda: p.c.cli("show vpn ike-sa gateway peer"), lambda: p.c.failures())
    wait_for(lambda: p.c.cli("diagnose vpn tunnel tun"), lambda: p.c.verdict() == verdict)
    text = p.c.cli("diagnose vpn tunnel tun")
    assert "CN=hq.example is valid " in text and "the clock here says" in text
    if verdict == "own-cert-expired":
        assert f"valid until {pki.now() - 3 * DAY:%Y-%m-%d}" in p.c.cli("show vpn gateway")


@ROLES
def test_same_name_of_another_ca(pair, tmp_path, initiator):
    ca, mine, _ = ends(tmp_path)
    fake = Authority(f"{tmp_path}/fake", kind="p384")
    p = start(pair, ca, mine, fake.issue(BRANCH, sans=["branch.example"]))
    refused(p, initiator, "cert-untrusted")


@ROLES
def test_wrong_identity(pair, tmp_path, initiator):
    """The certificate is good, and of somebody else."""
    ca, mine, _ = ends(tmp_path)
    p = start(pair, ca, mine, ca.issue("C=CH, O=Lab, CN=other.example", sans=["other.example", "192.0.2.77"]),
              gateway={"peer-id": {"type": "fqdn", "value": "*.branch.example", "matching": "wildcard"}},
              strongswan={"local_id": "other.example"})
    f = refused(p, initiator, "id-mismatch", "other.example", verdict="identity-mismatch")
    assert "*.branch.example" in f["ours"]


@ROLES
def test_without_extended_key_usage_for_ike(pair, tmp_path, initiator):
    p = start(pair, *ends(tmp_path), trust={"extended-key-usage": "ike"})
    refused(p, initiator, "cert-refused", "extended key usage", "ipsecIKE")


@ROLES
def test_extended_key_usage_for_ike(pair, tmp_path, initiator):
    p = start(pair, *ends(tmp_path, theirs={"usage": [pki.IPSEC_IKE]}), trust={"extended-key-usage": "ike"})
    works(p, initiator)


# ---- revocation -----------------------------------------------------------------------------------------------------------

@ROLES
@pytest.mark.parametrize("policy", ["strict", "soft-fail", "off"])
def test_revoked_by_a_list(pair, tmp_path, policy, initiator):
    ca, mine, theirs = ends(tmp_path)
    crl = ca.revoke(theirs).crl()
    p = start(pair, ca, mine, theirs, trust={"crl": crl, "revocation": policy})
    if policy == "off":
        works(p, initiator)
    else:
        refused(p, initiator, "cert-revoked", "CN=branch.example", "revoked by its CA")


@ROLES
@pytest.mark.parametrize("policy", ["strict", "soft-fail"])
def test_list_out_of_date(pair, tmp_path, policy, initiator):
    ca, mine, theirs = ends(tmp_path)
    crl = ca.crl(start=pki.now() - 9 * DAY, end=pki.now() - DAY)
    p = start(pair, ca, mine, theirs, trust={"crl": crl, "revocation": policy})
    if policy == "soft-fail":
        works(p, initiator)
    else:
        refused(p, initiator, "cert-status-unknown", "out of date", "CN=Root")


@ROLES
def test_current_list(pair, tmp_path, initiator):
    ca, mine, theirs = ends(tmp_path)
    works(start(pair, ca, mine, theirs, trust={"crl": ca.crl(), "revocation": "strict"}), initiator)


# ---- what the operator sees -----------------------------------------------------------------------------------------------

def test_detail_shows_both_certificates(pair, tmp_path):
    p = start(pair, *ends(tmp_path, "rsa2048"))
    works(p, "culvert")
    text = p.c.cli("show vpn ike-sa detail gateway peer")
    assert "Authentication: RSA, peer RSA" in text
    assert f"Certificate: {HQ}" in text and f"Peer certificate: {BRANCH}" in text
    sa = p.c.ike_sas()[0]
    serial = sa["peer-certificate"]["serial"].replace(":", "")
    assert f"{ends_serial(p):x}" in serial.lower() and sa["peer-certificate"]["issuer"] == "C=CH, O=Lab, CN=Root"
    assert HQ in p.c.cli("show vpn gateway")


def ends_serial(p):
    """The serial number of the certificate that strongSwan has loaded."""
    text = p.s.swanctl("--list-certs", "--type", "x509")
    return int(re.search(r"CN=branch\.example\"\n(?:.*\n)*?\s+serial:\s+([0-9a-f:]+)", text)[1].replace(":", ""), 16)


def test_expiry_is_told_ahead(pair, tmp_path):
    p = start(pair, *ends(tmp_path, mine={"end": pki.now() + 10 * DAY}))
    assert p.c.wait_log(r'high|medium .*certificate-expires own our certificate "C=CH, O=Lab, CN=hq.example" expires')
    assert "expires" in p.c.check().stderr
    works(p, "culvert")


def test_certificate_is_replaced_by_a_commit(pair, tmp_path):
    """A new list leaves the SA alone; a new certificate authenticates anew."""
    ca, mine, theirs = ends(tmp_path)
    p = start(pair, ca, mine, theirs)
    works(p, "culvert")
    sn = p.c.ike_sas()[0]["sn"]
    p.c.conf["certificate-profiles"][0].update({"crl": ca.crl()})
    p.c.commit()
    assert p.c.ike_sas()[0]["sn"] == sn
    p.c.conf["certificates"] = [ca.issue(HQ, "p384", ["hq.example"]).conf()]
    p.c.commit()
    wait_for("the old SA is gone", lambda: all(sa["sn"] != sn for sa in p.c.ike_sas()))
    works(p, "culvert")
    assert p.s.log_has("authentication of 'hq.example' with ECDSA_WITH_SHA384_DER successful")


# ---- private keys --------------------------------------------------------------------------------------------------------

@ROLES
def test_encrypted_key(pair, tmp_path, initiator):
    ca = Authority(f"{tmp_path}/pki")
    mine = ca.issue(HQ, "rsa2048", ["hq.example"], passphrase="open sesame")
    p = start(pair, ca, mine, ca.issue(BRANCH, sans=["branch.example"]),
              own=mine.conf(**{"passphrase-file": mine.passphrase_path}))
    works(p, initiator)


@ROLES
@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_key_in_a_token(pair, tmp_path, monkeypatch, kind, initiator):
    """SoftHSM has the key; the file is gone."""
    os.makedirs(f"{tmp_path}/tokens")
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    (tmp_path / "pin").write_text("1234\n")
    os.chmod(tmp_path / "pin", 0o600)
    monkeypatch.setenv("SOFTHSM2_CONF", f"{tmp_path}/softhsm2.conf")
    ca, mine, theirs = ends(tmp_path, kind)
    run("softhsm2-util", "--init-token", "--free", "--label", "gateway", "--pin", "1234", "--so-pin", "123456")
    run("softhsm2-util", "--import", mine.key_path, "--token", "gateway", "--label", "hq", "--id", "01", "--pin", "1234")
    os.unlink(mine.key_path)
    uri = f"pkcs11:token=gateway;object=hq;type=private?module-path={SOFTHSM}"
    p = start(pair, ca, mine, theirs, own=mine.conf(**{"private-key": uri, "passphrase-file": f"{tmp_path}/pin"}))
    works(p, initiator)
