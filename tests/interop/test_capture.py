# SPDX-License-Identifier: Apache-2.0
"""debug capture: both sides of a tunnel in a file that tshark reads, and TFC padding as the wire sees it."""
import os
import re
import stat

from lab import esp
from lab.proc import run, wait_for
from lab.traffic import Capture, assert_ping


def tshark(path, *argv):
    return [line.split("\t") for line in run("tshark", "-r", path, "-T", "fields", *argv, timeout=60).stdout.splitlines()]


def state(c):
    return c.cli("debug capture show", json_out=True)


def test_both_sides_in_one_file(pair, tmp_path):
    p = pair(keys_in_log=True).start(esp={"encryption": ["aes-256-gcm"], "dh-group": "no-pfs"})
    p.up("culvert")
    keys = esp.charon_keys(p.s.log())
    file = f"{tmp_path}/both.pcapng"
    hq, branch = p.t.hq, p.t.branch
    assert "going on" in p.c.cli(f"debug capture tunnel tun both count 40 file {file}")
    assert_ping(hq.host, branch.host_ip, count=15)  # four packets each: question and answer, inner and outer
    wait_for("the capture to end by itself", lambda: not state(p.c)["on"])
    s = state(p.c)
    assert (s["packets"], s["count"], s["lost"], s["side"]) == (40, 40, 0, "both")
    assert s["ended"] == "all packets that were asked for" and os.path.getsize(file) > s["bytes"]
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600

    rows = tshark(file, "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "frame.comment",
                  "-e", "ip.src", "-e", "ip.dst", "-e", "icmp.type", "-e", "esp.spi")
    (spi_out, *_), (spi_in, *_) = keys["spi"]
    inner = [r for r in rows if r[0] == "inner"]
    outer = [r for r in rows if r[0] == "outer"]
    assert len(inner) == len(outer) == 20
    assert {(r[3], r[4], r[5]) for r in inner} == {(hq.host_ip, branch.host_ip, "8"), (branch.host_ip, hq.host_ip, "0")}
    assert {(r[3], r[4], int(r[6], 16)) for r in outer} == {(hq.wan_ip, branch.wan_ip, spi_out),
                                                          (branch.wan_ip, hq.wan_ip, spi_in)}
    assert {r[2] for r in rows} == {f"outbound, SPI {spi_out:08x}, tunnel tun:P1",
                                    f"inbound, SPI {spi_in:08x}, tunnel tun:P1"}
    for r in rows:
        assert ("inbound" in r[2]) == (r[3] in (branch.host_ip, branch.wan_ip)) == (int(r[1], 16) == 1), r
    # The ESP in it opens with the keys that the peer logged.
    end = {"out": "encryption initiator", "in": "encryption responder"}
    opened = esp.tshark_esp(file, [(spi_out, keys[end["out"]], None), (spi_in, keys[end["in"]], None)])
    assert [o[2] for o in opened] == ["1"] * 20
    assert {o[3:] for o in opened} == {(hq.host_ip, branch.host_ip), (branch.host_ip, hq.host_ip)}


def test_what_a_capture_refuses(pair, tmp_path):
    p = pair().start()
    file = f"{tmp_path}/f.pcapng"
    for name, why in (("f.pcapng", "absolute path"), (f"{tmp_path}/f", "ending in .pcapng"),
                      (f"{tmp_path}/none/f.pcapng", "No such file")):
        rc, out = p.c.cli(f"debug capture tunnel tun file {name}", check=False, rc=True)
        assert rc != 0 and why in out, out
    os.symlink("/dev/null", f"{tmp_path}/link.pcapng")
    for name in (file, f"{tmp_path}/link.pcapng"):
        if name == file:
            open(file, "w").close()
        rc, out = p.c.cli(f"debug capture tunnel tun file {name}", check=False, rc=True)
        assert rc != 0 and "exists already" in out, out
    assert os.path.getsize(file) == 0
    os.unlink(file)
    p.c.cli(f"debug capture tunnel tun outer count 1000 file {file}")
    rc, out = p.c.cli(f"debug capture tunnel tun file {tmp_path}/g.pcapng", check=False, rc=True)
    assert rc != 0 and "goes on already" in out and not os.path.exists(f"{tmp_path}/g.pcapng")
    p.up("culvert")
    assert_ping(p.t.hq.host, p.t.branch.host_ip, count=3)
    wait_for("packets in the file while it is written", lambda: len(tshark(file, "-e", "esp.spi")) == 6)
    assert "stopped by the operator" in p.c.cli("debug capture stop")
    assert_ping(p.t.hq.host, p.t.branch.host_ip, count=3)
    assert {r[0] for r in tshark(file, "-e", "frame.interface_name")} == {"outer"}
    assert len(tshark(file, "-e", "esp.spi")) == 6
    rc, _ = p.c.cli("debug capture stop", check=False, rc=True)
    assert rc != 0


def lengths(capture, src):
    return {p.len for p in (esp.unwrap(x) and x["IP"] for x in capture.packets() if esp.is_esp(x)) if p.src == src}


def test_tfc_padding_hides_lengths(culverts, tmp_path):
    t, a, b = culverts(tunnel={"tfc": {"pad-to": 600}})
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("the tunnel", lambda: a.children() and b.children())
    with Capture(t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        for size in (0, 1, 56, 300, 572):
            assert_ping(t.hq.host, t.branch.host_ip, size=size, count=2)
    for site in (t.hq, t.branch):
        assert len(lengths(wan, site.wan_ip)) == 1, "every packet is as long as the others"
    assert a.flow("tun")["tfc-pad-to"] == 600 and a.flow("tun")["tfc-refused"] is False


def test_dummy_packets(culverts, tmp_path):
    """As long as any, at no fixed time, counted and dropped at the other end, and no sign of traffic."""
    t, a, b = culverts(hq={"tunnel": {"tfc": {"pad-to": 64, "dummy-rate": 50}}})
    a.cli("test vpn ipsec-sa tunnel tun")
    wait_for("the tunnel", lambda: a.children() and b.children())
    with Capture(t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        wait_for("dummies", lambda: b.drops()["esp-dummy"] >= 50, 10)
    assert len(lengths(wan, t.hq.wan_ip)) > 10 and not lengths(wan, t.branch.wan_ip)
    assert a.flow("tun")["pkt-encap"] >= 50 and a.flow("tun")["traffic"] == "none yet"
    assert not b.drops()["esp-replay"]
    assert_ping(t.hq.host, t.branch.host_ip, count=5)


def test_strongswan_takes_tfc_padding(pair, tmp_path):
    p = pair().start(tunnel={"tfc": {"pad-to": "mtu"}})
    p.up("strongswan")
    with Capture(p.t.wan, "to-hq", tmp_path / "wan.pcap") as wan:
        for size in (0, 300, 1200):
            assert_ping(p.t.hq.host, p.t.branch.host_ip, size=size, count=2)
    flow = p.c.flow("tun")
    assert (flow["tfc-pad-to"], flow["tfc-refused"]) == ("mtu", False)
    (longest,) = lengths(wan, p.t.hq.wan_ip)
    assert 1490 < longest <= 1500
    assert len(lengths(wan, p.t.branch.wan_ip)) == 3
    assert "TFC padding:            to the tunnel mtu\n" in p.c.cli("show vpn flow name tun")


def test_ike_in_clear(pair, tmp_path):
    """debug ike gateway: what the peers say under encryption, as tshark reads it; no key is in the file."""
    p = pair().start()
    file = f"{tmp_path}/ike.pcapng"
    assert "decrypted" in p.c.cli(f"debug ike gateway peer on pcap {file}")
    rc, out = p.c.cli(f"debug ike gateway peer pcap {tmp_path}/second.pcapng", check=False, rc=True)
    assert rc != 0 and "goes on already" in out
    p.up("culvert")
    p.s.swanctl("--rekey", "--child", "net")
    wait_for("rekeyed", lambda: p.s.log_has(r"CHILD_SA closed|closing CHILD_SA"))
    assert "stopped by the operator" in p.c.cli("debug ike gateway peer off")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    rows = tshark(file, "-e", "ip.src", "-e", "isakmp.exchangetype", "-e", "isakmp.typepayload", "-e", "_ws.malformed",
                  "-e", "udp.checksum.status")
    hq, branch = p.t.hq.wan_ip, p.t.branch.wan_ip
    assert [(r[0], r[1]) for r in rows[:4]] == [(hq, "34"), (branch, "34"), (hq, "35"), (branch, "35")]
    assert {"35", "39", "33", "44", "45"} <= set(rows[2][2].split(",")), "IDi, AUTH, SA, TSi, TSr are there to read"
    assert "36" in {r[1] for r in rows} and "37" in {r[1] for r in rows}
    assert not any(r[3] for r in rows), rows
    assert p.c.conf["ike-gateways"][0]["pre-shared-key"].encode() not in open(file, "rb").read()
    told = p.c.log()
    assert re.search(r"ikev2-debug peer received IKE_AUTH", told), "and the log has more words"
    p.s.swanctl("--rekey", "--child", "net")
    assert "ikev2-debug" not in p.c.log()[len(told):]
