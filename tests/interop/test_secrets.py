# SPDX-License-Identifier: Apache-2.0
"""No secret is ever printed: all that culvert writes or answers, of a negotiation that works and of one that fails, is
searched for the pre-shared key and for every key that charon's log has of the same SAs."""
import base64
import glob
import os

import pytest

from lab import esp
from lab.culvert import binary
from lab.proc import run, wait_for
from lab.traffic import assert_ping

SECRET = "Zt9-very-own-secret-of-this-test-0b7f31"
LOOK = ["show vpn ike-sa detail", "show vpn ike-sa detail gateway peer", "show vpn ipsec-sa", "show vpn flow name tun",
        "show vpn gateway name peer", "show vpn tunnel name tun", "show vpn history gateway peer", "show log system count 1000",
        "show counter global all", "show system info", "diagnose vpn", "diagnose vpn tunnel tun", "debug ike gateway peer"]


def forms(secret):
    """A secret as it might be written; of a key half of it would be too much."""
    for s in {secret, secret[:16], secret[-16:]}:
        yield s
        yield s.hex().encode()
        yield s.hex().upper().encode()
        yield " ".join(f"{b:02x}" for b in s).encode()
        yield base64.b64encode(s)[:-4]


def written(p, files):
    """All that there is to be read."""
    for words in LOOK:
        for json_too in ([], ["--json"]):
            yield words, run(binary("culvert"), "-s", p.c.socket, *json_too, *words.split()).stdout.encode()
    for path in [p.c.log_path, p.c.stdout, *glob.glob(f"{p.c.dir}/journal*"), *files]:
        with open(path, "rb") as f:
            yield path, f.read()
    # Into an operator's shell history or a bug report go these as well.
    yield "--check", p.c.check().stderr.encode()


@pytest.mark.parametrize("works", [True, False], ids=["works", "fails"])
def test_no_secret_is_printed(pair, tmp_path, works):
    p = pair(keys_in_log=True).start(strongswan={"psk": SECRET if works else "another one"}, psk=SECRET)
    pcap = f"{tmp_path}/ike.pcapng"
    p.c.cli(f"debug ike gateway peer on pcap {pcap}")
    p.c.cli("debug ike on")
    if works:
        p.up()
        assert_ping(p.t.hq.host, p.t.branch.host_ip)
        p.c.cli("request vpn rekey ipsec-sa tunnel tun")
        wait_for("new keys", lambda: p.s.log().count("encryption initiator key") == 2)
    else:
        for initiator in ("culvert", "strongswan"):
            if initiator == "culvert":
                p.c.cli("test vpn ike-sa gateway peer")
                wait_for(lambda: str(p.c.failures()), lambda: p.c.failures())
            else:
                p.s.initiate(check=False, timeout=2)
    keys = {k: v for k, v in esp.charon_keys(p.s.log()).items() if k != "spi"}
    assert {"Sk_d", "Sk_ei", "Sk_pr"} <= set(keys) and all(len(v) >= 16 for v in keys.values())
    assert ("encryption responder" in keys) == works
    texts = dict(written(p, [pcap]))
    assert sum(map(len, texts.values())) > 20000 and os.path.getsize(pcap) > 500
    for where, text in texts.items():
        for form in forms(SECRET.encode()):
            assert form not in text, f"the pre-shared key in {where}"
        for name, key in keys.items():
            for form in forms(key):
                assert form not in text, f"{name} in {where}"
