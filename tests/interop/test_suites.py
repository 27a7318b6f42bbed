# SPDX-License-Identifier: Apache-2.0
"""Every cipher, hash and group against strongSwan: all pairs of values, each value in both roles."""
import itertools

import pytest

from lab.proc import wait_for
from lab.traffic import assert_ping

ENCR = {"aes-128-cbc": "aes128", "aes-192-cbc": "aes192", "aes-256-cbc": "aes256", "aes-128-gcm": "aes128gcm16",
        "aes-256-gcm": "aes256gcm16"}
AUTH = ["sha1", "sha256", "sha384", "sha512"]
DH = {"group14": "modp2048", "group15": "modp3072", "group16": "modp4096", "group19": "ecp256", "group20": "ecp384",
      "group21": "ecp521", "group31": "curve25519"}
# (cipher, hash): strongSwan's proposal, what its --list-sas calls it
ESP = {
    ("aes-128-gcm", None): ("aes128gcm16", "AES_GCM_16-128"), ("aes-192-gcm", None): ("aes192gcm16", "AES_GCM_16-192"),
    ("aes-256-gcm", None): ("aes256gcm16", "AES_GCM_16-256"),
    ("chacha20-poly1305", None): ("chacha20poly1305", "CHACHA20_POLY1305"),
    ("null", "sha256"): ("null-sha256", "NULL/HMAC_SHA2_256_128"),
    ("aes-128-gcm-8", None): ("aes128gcm8", "AES_GCM_8-128"), ("aes-256-gcm-12", None): ("aes256gcm12", "AES_GCM_12-256"),
    ("aes-128-ctr", "sha256"): ("aes128ctr-sha256", "AES_CTR-128/HMAC_SHA2_256_128"),
    ("aes-256-ctr", "sha512"): ("aes256ctr-sha512", "AES_CTR-256/HMAC_SHA2_512_256"),
    **{(f"aes-{bits}-cbc", auth): (f"aes{bits}-{auth}", f"AES_CBC-{bits}/{name}")
       for bits in (128, 192, 256) for auth, name in (
           ("sha1", "HMAC_SHA1_96"), ("sha256", "HMAC_SHA2_256_128"), ("sha384", "HMAC_SHA2_384_192"),
           ("sha512", "HMAC_SHA2_512_256"))},
}
GROUP_NAMES = {"group14": "MODP_2048", "group15": "MODP_3072", "group16": "MODP_4096", "group19": "ECP_256",
               "group20": "ECP_384", "group21": "ECP_521", "group31": "CURVE_25519"}
ROLES = ["culvert", "strongswan"]


def all_pairs(*values):
    """Few tuples such that any two values of different columns meet in one: greedy, deterministic."""
    columns = [list(v) for v in values]
    todo = {(i, a, j, b) for i, j in itertools.combinations(range(len(columns)), 2)
            for a in columns[i] for b in columns[j]}
    out = []

    def pairs(t):
        return {(i, t[i], j, t[j]) for i, j in itertools.combinations(range(len(t)), 2)}
    every = list(itertools.product(*columns))
    while todo:
        best = max(every, key=lambda t: len(pairs(t) & todo))
        todo -= pairs(best)
        out.append(best)
    return out


@pytest.mark.parametrize("encr,auth,dh,initiator", all_pairs(ENCR, AUTH, DH, ROLES))
def test_ike_suite(pair, encr, auth, dh, initiator):
    hash_ = f"prf{auth}" if "gcm" in encr else auth
    p = pair().start(ike={"encryption": [encr], "authentication": [auth], "dh-group": [dh]},
                     strongswan={"proposals": f"{ENCR[encr]}-{hash_}-{DH[dh]}"})
    p.up(initiator)
    sas = p.s.sas()
    bits = encr.split("-")[1]
    want = {"sha1": "HMAC_SHA1", "sha256": "HMAC_SHA2_256", "sha384": "HMAC_SHA2_384", "sha512": "HMAC_SHA2_512"}[auth]
    assert f"AES_{'GCM_16' if 'gcm' in encr else 'CBC'}-{bits}/" in sas and f"PRF_{want}/" in sas
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


def esp_cases():
    """Every suite in both roles, and every PFS group in both roles."""
    pfs = ["no-pfs", *DH]
    for n, suite in enumerate(ESP):
        for k, role in enumerate(ROLES):
            yield pytest.param(*suite, pfs[(n + 3 * k) % len(pfs)], role,
                               id=f"{'-'.join(filter(None, suite))}-{pfs[(n + 3 * k) % len(pfs)]}-{role}")


@pytest.mark.parametrize("encr,auth,pfs,initiator", esp_cases())
def test_esp_suite_and_pfs(pair, encr, auth, pfs, initiator):
    """The second Child SA is made by CREATE_CHILD_SA: that is where the PFS group is used."""
    p = pair(lans=2)
    nets = list(zip(p.t.hq.nets, p.t.branch.nets))
    proposal, name = ESP[encr, auth]
    p.start(esp={"encryption": [encr], "dh-group": pfs, **({"authentication": [auth]} if auth else {})},
            proxy_ids=nets, strongswan={
                "esp": proposal + ("" if pfs == "no-pfs" else f"-{DH[pfs]}"),
                "children": {f"net{i}": {"local_ts": b, "remote_ts": a} for i, (a, b) in enumerate(nets)}})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate("net0")
        p.s.initiate("net1")
    p.wait_up(children=2)
    sas = p.s.sas()
    assert sas.count(f"ESP:{name}") == 2, sas
    assert sas.count(f"ESP:{name}/{GROUP_NAMES[pfs]}" if pfs != "no-pfs" else f"ESP:{name}\n") >= 1, sas
    for i in range(2):
        for size in (1, 56, 1300):
            assert_ping(p.t.hq.host, p.t.branch.host_ips[i], src=p.t.hq.host_ips[i], size=size)
            assert_ping(p.t.branch.host, p.t.hq.host_ips[i], src=p.t.branch.host_ips[i], size=size)


@pytest.mark.parametrize("initiator", ROLES)
def test_first_common_of_many(pair, initiator):
    """Both sides list several; what they share is found."""
    p = pair().start(
        ike={"encryption": ["aes-128-gcm", "aes-256-cbc", "aes-128-cbc"], "authentication": ["sha512", "sha256"],
             "dh-group": ["group20", "group14"]},
        esp={"encryption": ["aes-128-gcm", "aes-256-gcm"], "dh-group": "group14"},
        strongswan={"proposals": "aes192-sha384-ecp521,aes128-sha256-modp2048", "esp": "aes256gcm16-modp2048"})
    p.up(initiator)
    assert "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048" in p.s.sas()
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


@pytest.mark.core
@pytest.mark.parametrize("initiator", ROLES)
def test_invalid_ke_payload_is_answered_with_the_right_group(pair, initiator):
    """The initiator's first guess of a group is not the responder's (RFC 7296 1.2, 2.7)."""
    mine, theirs = (["group14", "group20"], "ecp384") if initiator == "culvert" else (["group20"], "modp2048-ecp384")
    p = pair().start(ike={"dh-group": mine}, strongswan={"proposals": f"aes256-sha256-{theirs}"})
    p.up(initiator)
    assert "ECP_384" in p.s.sas()
    since = p.s.log()
    assert "INVAL_KE" in since or "KE_PAYLOAD" in since or "requested ECP_384" in since
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


@pytest.mark.parametrize("dh,name,initiator", [("group2", "modp1024", "culvert"), ("group5", "modp1536", "strongswan"),
                                               ("group18", "modp8192", "culvert"), ("group32", "curve448", "strongswan")])
def test_groups_only_when_named(pair, dh, name, initiator):
    """For IKE and as PFS."""
    p = pair().start(ike={"dh-group": [dh]}, esp={"dh-group": dh},
                     strongswan={"proposals": f"aes256-sha256-{name}", "esp": f"aes256gcm16-{name}"})
    p.up(initiator)
    assert_ping(p.t.hq.host, p.t.branch.host_ip)


@pytest.mark.parametrize("esn,peer", [("prefer", "noesn"), ("no", "esn-noesn")])
@pytest.mark.parametrize("initiator", ROLES)
def test_no_esn_where_one_has_it_not(pair, esn, peer, initiator):
    p = pair().start(esp={"esn": esn}, strongswan={"esp": f"aes256gcm16-modp2048-{peer}"})
    p.up(initiator)
    assert [c["esn"] for c in p.c.children()] == [False]
    assert_ping(p.t.hq.host, p.t.branch.host_ip)
    assert_ping(p.t.branch.host, p.t.hq.host_ip)


@pytest.mark.parametrize("initiator", ROLES)
def test_esn_agreed_on(pair, initiator):
    """strongSwan negotiates them; its user-space ESP cannot install them, so it takes the Child SA back."""
    p = pair().start(esp={"esn": "yes"}, strongswan={"esp": "aes256gcm16-modp2048-esn"})
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.initiate(check=False, timeout=5)
    p.s.wait_log(r"selected proposal: ESP:AES_GCM_16_256/(MODP_2048/)?EXT_SEQ")


@pytest.mark.parametrize("encr", ["aes-128-gcm", "aes-256-cbc", "chacha20-poly1305"])
def test_esn_carries_traffic(culverts, encr):
    """A wrong upper half, and no packet would verify (RFC 4303 2.2.1)."""
    t, a, b = culverts(esp={"encryption": [encr], "authentication": ["sha256"], "esn": "yes"})
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for(lambda: "children at both ends", lambda: a.children() and b.children())
    assert [c["esn"] for c in a.children() + b.children()] == [True, True]
    assert_ping(t.hq.host, t.branch.host_ip)
    assert_ping(t.branch.host, t.hq.host_ip)
