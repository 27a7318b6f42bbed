# SPDX-License-Identifier: Apache-2.0
"""Revocation that has to be fetched: by OCSP and from where certificates say their list is, under each policy.

The servers stand beside culvertd, at an address of its host's own network: what goes over HTTP does not pass the ports
of the data plane."""
import os
import shutil

import pytest

from lab.pki import Authority
from lab.proc import Daemon, run, wait_for
from test_certificates import BRANCH, HQ, ROLES, counters, refused, start, works

SERVER = "10.99.99.1"
OCSP, LIST = f"http://{SERVER}:8888/", f"http://{SERVER}:8080/Root.crl"
POLICIES = pytest.mark.parametrize("policy", ["strict", "soft-fail", "off"])


@pytest.fixture
def servers():
    """Processes that end with the test."""
    made = []
    yield made
    for d in made:
        d.stop(2)


class Case:
    """The CA, both ends' certificates (the branch's with the URLs), and, once the pair is up, the servers."""

    def __init__(self, tmp_path, servers, **urls):
        self.tmp, self.servers = tmp_path, servers
        self.ca = Authority(f"{tmp_path}/pki")
        self.mine = self.ca.issue(HQ, sans=["hq.example"])
        self.theirs = self.ca.issue(BRANCH, sans=["branch.example"], **urls)

    def start(self, pair, policy, **trust):
        if policy != "off":
            trust = {"status-timeout": 2, **trust}
        self.p = start(pair, self.ca, self.mine, self.theirs, trust={"revocation": policy, **trust})
        self.ns = self.p.t.hq.gateway
        run("ip", "-n", self.ns, "addr", "add", f"{SERVER}/32", "dev", "lo")
        run("ip", "-n", self.ns, "link", "set", "lo", "up")
        return self.p

    def _serve(self, port, *argv):
        self.servers.append(Daemon(argv, f"{self.tmp}/server{port}.log", ns=self.ns))
        wait_for(f"a server on port {port}", lambda: f":{port} " in run("ss", "-Hltn", ns=self.ns).stdout)

    def ocsp(self):
        self._serve(8888, "openssl", "ocsp", "-port", 8888, "-ignore_err", *self.ca.responder([self.mine, self.theirs]))

    def http(self):
        self._serve(8080, "/usr/bin/python3", "-m", "http.server", 8080, "--bind", SERVER, "--directory", self.ca.dir)


# ---- OCSP -----------------------------------------------------------------------------------------------------------

@ROLES
@POLICIES
def test_ocsp_revoked(pair, tmp_path, servers, policy, initiator):
    k = Case(tmp_path, servers, ocsp=OCSP)
    k.ca.revoke(k.theirs)
    p = k.start(pair, policy)
    k.ocsp()
    if policy == "off":
        works(p, initiator)
        assert counters(p)["status_fetched"] == 0
    else:
        refused(p, initiator, "cert-revoked", "CN=branch.example", "revoked by its CA")


@ROLES
@POLICIES
def test_ocsp_unreachable(pair, tmp_path, servers, policy, initiator):
    p = Case(tmp_path, servers, ocsp=OCSP).start(pair, policy)
    if policy == "strict":
        refused(p, initiator, "cert-status-unknown", "Couldn't connect", "soft-fail")
    else:
        works(p, initiator)


@ROLES
def test_ocsp_that_keeps_silent(pair, tmp_path, servers, initiator):
    """A responder that takes the connection and says nothing: IKE_AUTH waits for status-timeout, and no longer; the
    control thread meanwhile answers the operator."""
    k = Case(tmp_path, servers, ocsp=OCSP)
    p = k.start(pair, "soft-fail")
    k._serve(8888, "/usr/bin/python3", "-c", "import socket, time; s = socket.create_server(('%s', 8888)); "
             "c = s.accept(); time.sleep(60)" % SERVER)
    if initiator == "culvert":
        p.c.cli("test vpn ipsec-sa tunnel tun")
    else:
        p.s.swanctl("--initiate", "--child", "net", "--timeout", 1, check=False)
    wait_for("IKE_AUTH waits", lambda: counters(p)["auth_waits"])
    assert not p.c.ike_sas()
    p.wait_up()
    assert counters(p)["status_fetch_failed"] == 1


@ROLES
def test_ocsp_good(pair, tmp_path, servers, initiator):
    """Asked for once: a second IKE SA takes the answer that is there."""
    k = Case(tmp_path, servers, ocsp=OCSP)
    p = k.start(pair, "strict")
    k.ocsp()
    works(p, initiator)
    assert counters(p)["status_fetched"] == 1
    p.c.cli("clear vpn ike-sa gateway peer")
    p.wait_down()
    works(p, initiator)
    assert counters(p)["status_fetched"] == 1


@ROLES
def test_ocsp_of_a_configured_responder(pair, tmp_path, servers, initiator):
    k = Case(tmp_path, servers)
    p = k.start(pair, "strict", **{"ocsp-responder": OCSP})
    k.ocsp()
    works(p, initiator)


# ---- lists ----------------------------------------------------------------------------------------------------------

@ROLES
@pytest.mark.parametrize("revoked", [True, False])
def test_list_from_where_the_certificate_says(pair, tmp_path, servers, revoked, initiator):
    k = Case(tmp_path, servers, cdp=LIST)
    if revoked:
        k.ca.revoke(k.theirs)
    k.ca.crl()
    p = k.start(pair, "strict")
    k.http()
    if revoked:
        refused(p, initiator, "cert-revoked", "CN=branch.example")
    else:
        works(p, initiator)


@ROLES
def test_list_when_the_responder_is_down(pair, tmp_path, servers, initiator):
    k = Case(tmp_path, servers, cdp=LIST, ocsp=OCSP)
    k.ca.crl()
    p = k.start(pair, "strict")
    k.http()
    works(p, initiator)
    assert counters(p)["status_fetch_failed"] == 1


def test_own_services_are_not_asked(pair, tmp_path, servers):
    """A URL at this host's loopback address is not fetched, though a server is there."""
    k = Case(tmp_path, servers, cdp="http://127.0.0.1:8080/Root.crl")
    k.ca.crl()
    p = k.start(pair, "strict")
    run("ip", "-n", k.ns, "link", "set", "lo", "up")
    k._serve(8080, "/usr/bin/python3", "-m", "http.server", 8080, "--directory", k.ca.dir)
    refused(p, "culvert", "cert-status-unknown", "its address is this host's own")
    assert "GET" not in open(f"{tmp_path}/server8080.log").read()


@pytest.fixture
def named():
    """named(pair): as pair, and the gateway's name server is SERVER."""
    made = []

    def wrap(pair):
        def make(**kw):
            p = pair(**kw)
            made.append(f"/etc/netns/{p.t.hq.gateway}")
            os.makedirs(made[-1])
            with open(f"{made[-1]}/resolv.conf", "w") as f:
                f.write(f"nameserver {SERVER}\n")
            return p
        return make
    yield wrap
    for directory in made:
        shutil.rmtree(directory)


def test_name_server_that_keeps_silent(pair, named, tmp_path, servers):
    """The resolver waits for longer than status-timeout; the control thread does not wait for the resolver."""
    k = Case(tmp_path, servers, cdp="http://lists.example/Root.crl")
    p = k.start(named(pair), "soft-fail")
    servers.append(Daemon(["/usr/bin/python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                           "s.bind(('%s', 53)); print(s.recv(512), flush=True); time.sleep(60)" % SERVER],
                          f"{tmp_path}/names.log", ns=k.ns))
    wait_for("a name server", lambda: ":53 " in run("ss", "-Hlun", ns=k.ns).stdout)
    works(p, "culvert")
    assert counters(p)["status_fetch_failed"] == 1
    assert "lists" in open(f"{tmp_path}/names.log").read(), "it was asked"
    assert p.c.cli("show dataplane", json_out=True)["control-thread"]["longest-turn-ms"] < 1000
