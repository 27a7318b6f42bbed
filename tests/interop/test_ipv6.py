# SPDX-License-Identifier: Apache-2.0
"""IPv6 between the gateways, between the hosts, and both."""
import pytest

from lab.traffic import MARKER, Capture, assert_ping


def start(p, **culvert):
    """strongSwan and culvert, their gateways on IPv6."""
    a, b = p.t.hq, p.t.branch
    return p.start(v6=True, strongswan={"local_addrs": b.wan6_ip, "remote_addrs": a.wan6_ip,
                                        "local_id": b.wan6_ip, "remote_id": a.wan6_ip,
                                        "children": culvert.pop("children", None)}, **culvert)


@pytest.mark.core
@pytest.mark.parametrize("initiator", ["culvert", "strongswan"])
def test_ipv4_over_ipv6(pair, tmp_path, initiator):
    p = start(pair(v6=True))
    a, b = p.t.hq, p.t.branch
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        p.up(initiator)
        assert_ping(a.host, b.host_ip, count=10, marker=True)
        assert_ping(b.host, a.host_ip, count=10, marker=True)
    assert not wan.holds(MARKER)
    assert wan.count("ip6 and udp port 4500") >= 40
    assert wan.count("ip and not net 224.0.0.0/4") == 0
    (sa,) = p.c.ike_sas()
    assert sa["role"].lower().startswith("init" if initiator == "culvert" else "resp")
    assert sa["remote-ip"] == b.wan6_ip


def test_gateway_answers_its_neighbours(pair):
    p = start(pair(v6=True))
    assert_ping(p.t.hq.host, p.t.hq.lan6_ip)
    assert_ping(p.t.wan, p.t.hq.wan6_ip)
