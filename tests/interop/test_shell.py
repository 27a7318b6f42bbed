# SPDX-License-Identifier: Apache-2.0
"""The operator's shell on a real terminal: completion of words and of configured names, help, history, filters, the
pager; and what culvert's exit statuses are."""
import json
import socket
import subprocess
import os

import pytest

from lab.culvert import binary
from lab.proc import run, wait_for
from lab.terminal import Terminal


@pytest.fixture
def shell(pair, tmp_path):
    """(the daemon's end of a lab, its shell)"""
    p = pair()
    p.s.start()
    conf = p.conf(proxy_ids=[(f"10.20.{i}.0/24", p.t.branch.net) for i in range(30)])
    p.start(conf=conf)
    terminals = []

    def make(**kw):
        env = {"HOME": str(tmp_path), **kw.pop("env", {})}
        t = Terminal([binary("culvert"), "-s", p.c.socket], env=env, **kw)
        terminals.append(t)
        t.expect("> ")
        t.quiet()  # the line editor has taken the terminal over
        return t
    os.environ.pop("PAGER", None)
    yield p.c, make
    for t in terminals:
        t.__exit__()


def test_completion_and_help(shell, tmp_path):
    _, make = shell
    with make() as t:
        t.send("sh\tvpn ike\tgat\tpe\t\r")
        t.expect("There is no IKEv2 SA found.")
        t.expect("> ")
        t.send("sho\tvpn flow name tu\t:P30\t\r")  # a tunnel's proxy-IDs are offered when it is the only one left
        t.expect(r"tunnel  tun:P30\s[\s\S]*lines 1-23")
        t.send("q")
        t.expect("> ")
        t.send("\x15show vpn ?")
        text = t.expect(r"history +ups and downs")
        assert "ike-sa " in text and "IPsec SAs: SPIs" in text and "tunnel-monitor " in text
        t.quiet()
        t.send("\x15test vpn ike-sa gateway ?")
        t.expect(r"\n  peer")
        t.quiet()
        t.send("\x15show vpn x\r")
        t.expect(r'show vpn x: unknown word "x"; allowed: ike-sa, ipsec-sa')
        t.expect("> ")
        t.send("ping host 203.0.113.10 do-not-fragment ?")
        t.expect(r"yes[\s\S]*no")
        t.send("\x15exit\r")
        assert t.status() == 2, "of the last command"
    # libedit's file, which writes blanks as \\040: what the lines had become.
    lines = open(f"{tmp_path}/.culvert_history").read().replace("\\040", " ").replace("\\012", "").splitlines()
    assert [x.strip() for x in lines[1:3]] == ["show vpn ike-sa gateway peer", "show vpn flow name tun:P30"]


def test_history_and_filters(shell):
    _, make = shell
    with make() as t:
        t.send("show system info\r")
        t.expect("hostname")
        t.expect("> ")
        t.send("\x1b[A")
        t.expect("show system info")
        t.send(" | match HOSTname\r")
        text = t.expect(r"hostname\S* +\S+\s[\s\S]*> ")
        assert "uptime" not in text and text.count("hostname") == 1
        t.send("show vpn tunnel | match P2 | except P20\r")
        text = t.expect(r"P29[\s\S]*> ")
        assert "tun:P21(" in text and "tun:P20(" not in text and "tun:P1(" not in text
        t.send("show vpn tunnel |\r")
        t.expect("behind |: found nothing; allowed: match TEXT, except TEXT")
        t.expect("> ")
        t.send("exit\r")
        t.status()
    with make() as t:  # it is kept
        t.send("\x1b[A\x1b[A")
        t.expect(r"show vpn tunnel")


def test_pager(shell):
    _, make = shell
    with make(rows=12, env={}) as t:
        t.send("show vpn tunnel\r")
        text = t.expect(r"lines 1-11 of \d+ ")
        assert "tun:P1(" in text and "tun:P20(" not in text
        t.send("\r")
        assert "tun:P10(" in t.expect(r"lines 1-12 of \d+ ")
        t.send(" ")
        t.expect(r"tun:P20\([\s\S]*lines 1-23 of \d+ ")
        t.send("q")
        assert "P30" not in t.expect("> ")
        t.send("show vpn tunnel\r")
        t.expect(r"lines 1-11 of \d+ ")
        t.send("G")
        t.expect(r"Total 30 tunnels found[\s\S]*> ")
        t.send("show system info | match version\r")
        assert "lines" not in t.expect("> ")
    with make(rows=12, env={"PAGER": "sed s/^/PAGED:/"}) as t:
        t.send("show vpn tunnel\r")
        t.expect("PAGED:TnID")


def test_interrupt(shell):
    """^C takes back a line, and ends a ping that goes on with its sum, not the shell."""
    c, make = shell
    with make() as t:
        t.send("show vpn")
        t.expect("show vpn")
        t.interrupt()
        t.expect("> ")
        t.send(f"ping host {c.site.wan_router} count 100\r")
        t.expect("icmp_seq=1")
        t.expect("icmp_seq=2")
        t.interrupt()
        text = t.expect(r"ping statistics ---\s+\d+ packets transmitted, \d+ received[\s\S]*rtt min/avg/max[\s\S]*> ")
        assert "PING" not in text, "it is not asked again"
        t.send("show system info | match hostname\r")
        t.expect(r"hostname\S* ")


STATUSES = {
    0: ["show vpn ike-sa", "show system info", "explain pfs", "help"],
    1: ["show vpn ike-sa gateway nix", "show vpn flow tunnel-id 4000000", "explain nonsense"],
    2: ["show nonsense", "show vpn flow tunnel-id x", "show vpn flow tunnel-id -1", "show vpn ike-sa gateway", "sh v i"],
}


def test_exit_statuses(shell, tmp_path):
    c, _ = shell
    for status, commands in STATUSES.items():
        for words in commands:
            got, text = c.cli(words, check=False, rc=True)
            assert got == status, f"{words}: {got}\n{text}"
            assert text.strip(), words
    status, text = c.cli("show vpn flow tunnel-id -1", check=False, rc=True)
    assert 'tunnel-id: found "-1"; allowed: a number from 1' in text
    assert json.loads(c.cli("show system info --json"))["type"] == "system-info"
    p = run(binary("culvert"), "-s", f"{tmp_path}/nobody", "show", "system", "info", check=False)
    assert p.returncode == 3 and "no such socket (does it run?" in p.stderr
    p = run(binary("culvert"), "-s", c.socket, stdin="show system info\nshow nonsense\n", check=False)
    assert p.returncode == 2, "a script's status is its last line's"


def test_words_that_are_no_text(shell):
    """A word that cannot be sent is refused: without it, it would be another command, for everything."""
    c, _ = shell
    for words in (["clear", "vpn", "ike-sa", b"\xff"], ["show", "vpn", "flow", "name", b"Z\xfcrich"]):
        p = subprocess.run([binary("culvert"), "-s", c.socket, *words], capture_output=True, timeout=20)
        assert p.returncode == 2 and p.stdout == b"" and b"not UTF-8" in p.stderr
    p = subprocess.run([binary("culvert"), "-s", c.socket], input=b"clear vpn ike-sa \xff\n", capture_output=True, timeout=20)
    assert p.returncode == 2 and b"Clear" not in p.stdout and b"not UTF-8" in p.stderr


def test_errors_as_json(shell):
    c, _ = shell
    for words, status in (("show vpn ike-sa gateway nope", 1), ("show nonsense", 2), ("diagnose vpn tunnel nope", 1),
                          ("reference nope", 1)):
        p = subprocess.run([binary("culvert"), "-s", c.socket, "--json", *words.split()], capture_output=True, timeout=20)
        assert p.returncode == status and json.loads(p.stdout)["error"] == p.stderr.decode().strip()


def test_json_of_every_show(shell):
    """Each answer is one JSON document that names its type."""
    c, _ = shell
    assert len(c.cli("help", json_out=True)["entries"]) > 30
    text = run(binary("culvert"), "--help").stdout
    shows = [line.split(" [")[0].split("   ")[0].strip() for line in text.splitlines() if line.startswith("  show ") or
             line.startswith("  diagnose ") or line.startswith("  debug capture show")]
    assert len(shows) == 20
    for words in shows:
        p = run(binary("culvert"), "-s", c.socket, "--json", *words.split(), check=False)
        assert p.returncode == 0, words
        assert json.loads(p.stdout)["type"], words


PANOS = ["show counter global filter delta yes", "test routing fib-lookup virtual-router default ip 203.0.113.10",
         "debug ike gateway peer on debug", "debug ike gateway peer off", "debug ike global on debug", "debug ike global off",
         "less mp-log ikemgr.log", "show vpn ipsec-sa detail", "show vpn flow tunnel-id 1", "show routing route destination 10.10.10.1"]


def test_what_panos_operators_type(shell):
    c, _ = shell
    for words in PANOS:
        status, text = c.cli(words, check=False, rc=True)
        assert status == 0, f"{words}: {text}"


def test_log_is_followed(shell):
    """Lines come as they are written, those that match, and the daemon does other things meanwhile."""
    c, make = shell
    with make() as t:
        t.send("tail follow yes mp-log ikemgr.log match nego\r")
        t.quiet()
        c.cli("test vpn ike-sa gateway peer")
        t.expect("ikev2-nego-ike-start peer ")
        t.expect("ikev2-nego-ike-succ peer |ikev2-nego-ike-fail peer |ikev2-nego-child")
        assert "general" not in t.text
        t.interrupt()
        t.expect("> ")
        t.quiet()
    assert c.cli("show system info")


def test_check_knows_the_machine(shell):
    """What a file may say and this machine cannot bear out."""
    c, _ = shell
    for system, says in (({"journal": c.dir}, "journal: found the folder"),
                         ({"cores": f"0-{os.cpu_count() + 4}", "workers": None}, "as many as this machine has")):
        sound = dict(c.conf["system"])
        c.conf["system"].update(system)
        c.conf["system"] = {k: v for k, v in c.conf["system"].items() if v is not None}
        c.write()
        p = c.check()
        assert p.returncode == 1 and says in p.stderr, p.stderr
        c.conf["system"] = sound


def test_one_too_many(pair):
    """Who finds all places taken is told so, and comes in when one is free."""
    p = pair().start()
    crowd = []
    try:
        for _ in range(64):
            crowd.append(socket.socket(socket.AF_UNIX))
            crowd[-1].connect(p.c.socket)
        status, text = p.c.cli("show system info", check=False, rc=True)
        assert status == 1 and "too many clients: culvertd answers 64 at a time" in text
        status, text = p.c.cli("show system info", check=False, rc=True, json_out=True)
        assert status == 1 and '"error": "too many clients' in text
        crowd.pop().close()
        wait_for("a place", lambda: p.c.cli("show system info", check=False, rc=True)[0] == 0)
    finally:
        for s in crowd:
            s.close()
