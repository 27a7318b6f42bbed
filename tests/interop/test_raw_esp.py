# SPDX-License-Identifier: Apache-2.0
"""culvert at both ends: no NAT between them, so ESP goes as IP protocol 50."""
import pytest

from lab.proc import wait_for
from lab.traffic import MARKER, Capture, assert_ping, iperf, mbit, ping_until

pytestmark = pytest.mark.core


def up(a, b):
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("a child at both ends", lambda: a.children() and b.children())


@pytest.mark.parametrize("encr", ["aes-128-gcm", "aes-256-gcm"])
def test_raw_esp(culverts, tmp_path, encr):
    t, a, b = culverts(esp={"encryption": [encr]})
    with Capture(t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        up(a, b)
        assert_ping(t.hq.host, t.branch.host_ip, count=20, marker=True)
        assert_ping(t.branch.host, t.hq.host_ip, count=20, marker=True)
        # Nothing was lost so far, so the two ends' counters are each other's mirror.  TCP below fills queues.
        fa, fb = a.flow("tun"), b.flow("tun")
        assert fa["pkt-encap"] == fb["pkt-decap"] == fb["pkt-encap"] == fa["pkt-decap"] == 40
        assert fa["byte-encap"] == fb["byte-decap"] == fb["byte-encap"] == fa["byte-decap"] == 40 * 84
        for reverse in (False, True):
            assert mbit(iperf(t.branch.host, t.branch.host_ip, t.hq.host, tmp_path / "iperf", reverse=reverse)) > 1
    assert wan.count("ip proto 50") > 100
    assert wan.count("udp port 4500") == 0 and wan.count("udp port 500") >= 4
    assert wan.count("net 10.0.0.0/8") == 0 and not wan.holds(MARKER)
    assert wan.count("not arp and not udp port 500 and not ip proto 50") == 0


def test_forced_udp_encapsulation(culverts, tmp_path):
    t, a, b = culverts(gateway={"nat-traversal": "force"})
    with Capture(t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        up(a, b)
        assert_ping(t.hq.host, t.branch.host_ip)
    assert wan.count("ip proto 50") == 0 and wan.count("udp port 4500") >= 10


def test_acquire_from_both_ends(culverts):
    t, a, b = culverts(lans=2, **{})
    ping_until(t.branch.host, t.hq.host_ip)
    assert_ping(t.hq.host, t.branch.host_ip)
    b.cli("clear vpn ike-sa gateway peer")
    wait_for("nothing left at the other end", lambda: not a.ike_sas())
    ping_until(t.hq.host, t.branch.host_ip)
    assert_ping(t.branch.host, t.hq.host_ip)


def test_stop_and_start_again(culverts):
    t, a, b = culverts()
    up(a, b)
    assert a.stop() == 0
    wait_for("the Delete at the other end", lambda: not b.ike_sas())
    a.start()
    ping_until(t.branch.host, t.hq.host_ip)
    assert_ping(t.hq.host, t.branch.host_ip)


def test_killed_without_a_word(culverts):
    """The restarted one says INITIAL_CONTACT; the other end drops what it still had."""
    t, a, b = culverts()
    up(a, b)
    (old,) = b.ike_sas()
    a.kill()
    a.start()
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("only the new SA", lambda: len(b.ike_sas()) == 1 and b.ike_sas()[0]["spi-i"] != old["spi-i"])
    assert_ping(t.hq.host, t.branch.host_ip)
    assert_ping(t.branch.host, t.hq.host_ip)
