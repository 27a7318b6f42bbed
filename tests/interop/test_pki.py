# SPDX-License-Identifier: Apache-2.0
"""culvert pki: what it makes works at both ends, and OpenSSL agrees with it."""
import os
from types import SimpleNamespace

import pytest

from lab.culvert import binary
from lab.proc import run
from test_certificates import BRANCH, HQ, ROLES, refused, start, works


def pki(*argv, check=True):
    return run(binary("culvert"), "pki", *argv, check=check)


def issue(directory, name, *argv):
    pki("issue", "--dir", directory, "--name", name, *argv)
    base = f"{directory}/{name.split('CN=')[1]}"
    return SimpleNamespace(path=f"{base}.pem", key_path=f"{base}.key", chain=[],
                           conf=lambda: {"name": "own", "certificate": f"{base}.pem", "private-key": f"{base}.key"})


@ROLES
@pytest.mark.parametrize("kind", ["p256", "rsa2048", "ed25519"])
def test_certificates_it_makes(pair, tmp_path, kind, initiator):
    pki("ca", "--dir", tmp_path, "--name", "O=Lab, CN=Root", "--type", kind)
    ca = SimpleNamespace(path=f"{tmp_path}/ca.pem")
    mine = issue(tmp_path, HQ, "--san", "hq.example", "--type", kind)
    theirs = issue(tmp_path, BRANCH, "--san", "branch.example", "--type", kind)
    other = issue(tmp_path, "O=Lab, CN=other", "--san", "192.0.2.1")
    pki("crl", "--dir", tmp_path, other.path)
    for c in (mine, theirs, other):
        assert run("openssl", "verify", "-CAfile", ca.path, c.path).stdout.endswith("OK\n")
    works(start(pair, ca, mine, theirs, trust={"crl": f"{tmp_path}/ca.crl", "revocation": "strict"}), initiator)


def test_certificate_it_revokes(pair, tmp_path):
    """A second list keeps what the first one had."""
    pki("ca", "--dir", tmp_path)
    ca = SimpleNamespace(path=f"{tmp_path}/ca.pem")
    mine, theirs = issue(tmp_path, HQ, "--san", "hq.example"), issue(tmp_path, BRANCH, "--san", "branch.example")
    pki("crl", "--dir", tmp_path, theirs.path)
    pki("crl", "--dir", tmp_path)
    p = start(pair, ca, mine, theirs, trust={"crl": f"{tmp_path}/ca.crl", "revocation": "strict"})
    refused(p, "strongswan", "cert-revoked", "CN=branch.example")


def test_show(tmp_path):
    pki("ca", "--dir", tmp_path)
    c = issue(tmp_path, HQ, "--san", "hq.example", "--san", "198.51.100.20", "--san", "vpn@hq.example", "--days", "9")
    p = pki("show", c.path, check=False)
    assert p.returncode == 1 and "expires soon" in p.stdout
    assert "hq.example, 198.51.100.20, vpn@hq.example, dn:C=CH, O=Lab, CN=hq.example" in p.stdout
    assert pki("show", f"{tmp_path}/ca.pem").returncode == 0
    (tmp_path / "junk").write_text("junk")
    assert pki("show", tmp_path / "junk", check=False).returncode == 1
    assert pki("ca", "--dir", tmp_path, check=False).returncode == 1, "an existing CA is not overwritten"
    assert pki("issue", check=False).returncode == 2


def cannot_write(*argv):
    """pki where no file may grow."""
    return run("sh", "-c", 'trap "" 25; ulimit -f 0; exec "$@"', "sh", binary("culvert"), "pki", *argv, check=False)


def test_failed_write_leaves_what_was_there(tmp_path):
    pki("ca", "--dir", tmp_path)
    c = issue(tmp_path, HQ)
    pki("crl", "--dir", tmp_path, c.path)
    before, files = (tmp_path / "ca.crl").read_bytes(), sorted(os.listdir(tmp_path))
    assert cannot_write("crl", "--dir", tmp_path).returncode == 1
    assert cannot_write("issue", "--dir", tmp_path, "--name", BRANCH).returncode == 1
    assert (tmp_path / "ca.crl").read_bytes() == before and sorted(os.listdir(tmp_path)) == files
    issue(tmp_path, BRANCH)


def test_key_without_certificate_is_not_left(tmp_path):
    pki("ca", "--dir", tmp_path)
    (tmp_path / "x.pem").write_text("in the way")
    assert pki("issue", "--dir", tmp_path, "--name", "CN=x", check=False).returncode == 1
    assert not (tmp_path / "x.key").exists() and (tmp_path / "x.pem").read_text() == "in the way"


def test_what_is_not_revoked(tmp_path):
    """Another CA's certificate, though of a CA of the same name; one that is on the list; anything by another key."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for d in (ours, theirs):
        d.mkdir()
        pki("ca", "--dir", d, "--name", "CN=Root")
    mine, other = issue(ours, HQ), issue(theirs, HQ)
    pki("crl", "--dir", ours, mine.path)
    before = (ours / "ca.crl").read_bytes()
    fresh = issue(ours, BRANCH).path
    for paths, why in (([other.path], "was not issued by this CA"), ([mine.path], "is on the list already"),
                       ([fresh, fresh], "is on the list already")):
        p = pki("crl", "--dir", ours, *paths, check=False)
        assert p.returncode == 1 and why in p.stderr
    (ours / "ca.key").write_bytes((theirs / "ca.key").read_bytes())
    for argv in (("crl",), ("issue", "--name", "CN=x")):
        p = pki(*argv, "--dir", ours, check=False)
        assert p.returncode == 1 and "is not the key of" in p.stderr
    assert (ours / "ca.crl").read_bytes() == before
