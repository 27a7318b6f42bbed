# SPDX-License-Identifier: Apache-2.0
"""culvertd in a namespace of the lab, and the operator's client."""
import json
import os
import re
import signal

from .proc import Daemon, Failed, run, wait_for

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("CULVERT_BUILD", os.path.join(ROOT, "build"))
# Another Debian, made by scripts/trixie, and the build in it whose culvertd runs instead.
CHROOT, CHROOT_BUILD = os.environ.get("CULVERT_CHROOT", ""), os.environ.get("CULVERT_CHROOT_BUILD", "")


def binary(name):
    """control/culvertd or control/cli/culvert of the build directory in CULVERT_BUILD."""
    for sub in ("control", "control/cli", "."):
        path = os.path.join(BUILD, sub, name)
        if os.access(path, os.X_OK):
            return path
    raise Failed(f"no {name} in {BUILD}: build first (scripts/test does), or set CULVERT_BUILD")


def daemon_argv(directory, *args):
    """culvertd with these arguments, in its chroot if there is one.  `ip netns exec` gives it mounts of its own."""
    if not CHROOT:
        return [binary("culvertd"), *args]
    binds = " && ".join(f"mkdir -p {CHROOT}{d} && mount --bind {d} {CHROOT}{d}" for d in (ROOT, directory))
    return ["sh", "-c", f'for d in proc dev sys; do mount --rbind /$d {CHROOT}/$d; done && mount -t tmpfs none {CHROOT}/tmp && '
                        f'{binds} && exec chroot {CHROOT} {CHROOT_BUILD}/control/culvertd "$@"', "sh", *args]


def dumps(value, depth=0):
    """A Python value in libconfig's syntax: dict -> group, list -> list, str, bool, int."""
    tab = "\t" * depth
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple)):
        if all(not isinstance(v, (dict, list, tuple)) for v in value):
            return "( " + ", ".join(dumps(v) for v in value) + " )"
        return "(\n" + ",\n".join(tab + "\t" + dumps(v, depth + 1) for v in value) + f"\n{tab})"
    inner = "".join(f"{tab}\t{k} = {dumps(v, depth + 1)};\n" for k, v in value.items())
    return "{\n" + inner + tab + "}"


def file_text(conf):
    return "".join(f"{k} = {dumps(v)};\n" for k, v in conf.items())


def site_conf(site, directory, ike=None, esp=None, psk="interop secret", gateway=None, tunnel=None, proxy_ids=None,
              system=None, v6=False, own=None, trust=None, ports=("net_af_packet0,iface=d-wan", "net_af_packet1,iface=d-lan")):
    """The configuration of a site's gateway as a dictionary, to be changed at will before it is written.
    v6: addresses of both families everywhere, and the gateways speak IPv6 to each other; with "inner" they stay with
    IPv4.
    own: a pki.Issued, or its entry, to authenticate by; trust: a certificate-profile of what to believe.
    ike and esp are what differs from the profiles' defaults; proxy_ids a list of (local, remote) or of groups."""
    it = site.other
    if proxy_ids is None:
        proxy_ids = [(site.net, it.net)]
    proxy_ids = [p if isinstance(p, dict) else {"name": f"P{i + 1}", "local": p[0], "remote": p[1]}
                 for i, p in enumerate(proxy_ids)]
    outer6 = v6 and v6 != "inner"
    wan, peer = (site.wan6_ip, it.wan6_ip) if outer6 else (site.public_ip, it.public_ip)
    conf = {
        "system": {"hostname": site.gateway, "workers": 1, "idle": "adaptive", "memory": 256,
                   "hugepages": False, "log": f"{directory}/culvertd.log", "journal": f"{directory}/journal",
                   "cli-socket": f"{directory}/cli",
                   **(system or {})},
        "interfaces": [
            {"name": "ethernet1/1", "port": ports[0], "address": [site.wan_ip + "/24"],
             "zone": "untrust"},
            {"name": "ethernet1/2", "port": ports[1],
             "address": [ip + "/24" for ip in site.lan_ips], "zone": "trust"},
            {"name": "tunnel.1", "zone": "VPN-Zone"}],
        "routes": [{"destination": "0.0.0.0/0", "via": site.wan_router}] +
                  [{"destination": net, "interface": "tunnel.1"} for net in it.nets],
        "ike-crypto-profiles": [{"name": "ike", "dh-group": ["group14"], "authentication": ["sha256"],
                                 "encryption": ["aes-256-cbc"], "lifetime": "28800s", **(ike or {})}],
        "ipsec-crypto-profiles": [{"name": "esp", "encryption": ["aes-256-gcm"], "dh-group": "group14",
                                   "lifetime": "3600s", **(esp or {})}],
        "ike-gateways": [{
            "name": "peer", "version": "ikev2", "interface": "ethernet1/1",
            "local-address": site.wan6_ip if outer6 else site.wan_ip,
            "peer-address": peer, "pre-shared-key": psk,
            "local-id": {"type": "ipaddr", "value": wan},
            "peer-id": {"type": "ipaddr", "value": peer},
            "ike-crypto-profile": "ike", "dpd": {"interval": 10, "retry": 3}, **(gateway or {})}],
        "ipsec-tunnels": [{"name": "tun", "tunnel-interface": "tunnel.1", "ike-gateway": "peer",
                           "ipsec-crypto-profile": "esp", "proxy-ids": proxy_ids, **(tunnel or {})}],
    }
    if own:
        conf["certificates"] = [own if isinstance(own, dict) else own.conf()]
    if trust:
        conf["certificate-profiles"] = [{"name": "peers", **trust}]
    for g in conf["ike-gateways"]:
        g.update({**({"local-certificate": "own"} if own else {}), **({"certificate-profile": "peers"} if trust else {})})
        if own and trust:
            g.pop("pre-shared-key")
    if v6:
        conf["interfaces"][0]["address"].append(site.wan6_ip + "/64")
        conf["interfaces"][1]["address"].append(site.lan6_ip + "/64")
        conf["routes"] += [{"destination": "::/0", "via": site.wan6_router},
                           {"destination": it.net6, "interface": "tunnel.1"}]
    return conf


class Culvertd:
    """One daemon.  conf: a dictionary as site_conf makes it, or the path of a file that exists."""

    def __init__(self, site, directory, conf=None, persist=False):
        self.site, self.dir, self.persist = site, str(directory), persist
        os.makedirs(self.dir, exist_ok=True)
        self.stdout = f"{self.dir}/culvertd.out"
        self.daemon = None
        if isinstance(conf, str):
            self.conf, self.conf_path = None, conf
            text = open(conf).read()
        else:
            self.conf, self.conf_path = conf or site_conf(site, self.dir), f"{self.dir}/culvert.conf"
            text = self.write()
        self.socket = _setting(text, "cli-socket") or "/run/culvert/cli.sock"
        self.log_path = _setting(text, "log") or self.stdout

    def write(self):
        text = file_text(self.conf)
        with open(os.open(self.conf_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return text

    def __enter__(self):
        return self.start()

    def __exit__(self, *_exc):
        self.stop()

    def env(self):
        # The sanitizers' reports fail the process; DPDK keeps what it allocates for good, so leaks are not asked for.
        return {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:" + os.environ.get("ASAN_OPTIONS", ""),
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:" + os.environ.get("UBSAN_OPTIONS", "")}

    def check(self):
        """culvertd --check: CompletedProcess."""
        return run(binary("culvertd"), "-c", self.conf_path, "--check", check=False, env=self.env())

    def start(self, timeout=20):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.daemon = Daemon(daemon_argv(self.dir, "-c", self.conf_path), self.stdout, ns=self.site.gateway,
                             env=self.env(), persist=self.persist)
        self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=20):
        def ready():
            if not self.daemon.alive():
                raise Failed(f"culvertd did not start:\n{self.daemon.output()}{self.log()}")
            return os.path.exists(self.socket) and self.cli("show interface", check=False, rc=True)[0] == 0
        wait_for(lambda: f"culvertd answers on {self.socket}:\n{self.daemon.output()}{self.log()}", ready, timeout)

    def alive(self):
        return self.daemon is not None and self.daemon.alive()

    def stop(self, grace=15.0):
        """SIGTERM; exit status, None when it had to be killed."""
        if not self.daemon:
            return 0
        status = self.daemon.stop(grace)
        return status

    def kill(self):
        self.daemon.kill()

    def freeze(self):
        self.daemon.send(signal.SIGSTOP)

    def thaw(self):
        self.daemon.send(signal.SIGCONT)

    def commit(self, **changes):
        """Write self.conf again and have the daemon take it up."""
        self.conf.update(changes)
        self.write()
        return self.cli("commit")

    def cli(self, words, json_out=False, check=True, rc=False):
        """The client's text, or with json_out what its JSON says.  rc: (exit status, text)."""
        p = run(binary("culvert"), "-s", self.socket, *(["--json"] if json_out else []), *words.split(), check=check,
                env=self.env())
        if rc:
            return p.returncode, p.stdout + p.stderr
        return json.loads(p.stdout) if json_out else p.stdout

    # What the operator's JSON holds, as lists and dictionaries.

    def ike_sas(self):
        """Established IKE SAs."""
        return [sa for sa in self.cli("show vpn ike-sa", json_out=True)["entries"] if sa["established"]]

    def negotiating(self):
        """IKE SAs on their way."""
        return [sa for sa in self.cli("show vpn ike-sa", json_out=True)["entries"] if not sa["established"]]

    def children(self):
        """Child SAs that carry traffic."""
        return [c for c in self.cli("show vpn ike-sa", json_out=True)["children"] if c["state"] == "Mature"]

    def verdict(self, tunnel="tun"):
        """The word that diagnose vpn finds for a tunnel of one proxy-ID."""
        return self.cli(f"diagnose vpn tunnel {tunnel}", json_out=True)["entries"][0]["verdict"]

    def failures(self, gateway="peer"):
        """Why negotiations of a gateway failed last."""
        return self.cli(f"show vpn ike-sa gateway {gateway}", json_out=True)["failures"]

    def flow(self, name):
        """Counters of a tunnel:proxy-id, or of a tunnel that has one proxy-ID."""
        (entry,) = self.cli(f"show vpn flow name {name}", json_out=True)["entries"]
        return entry

    def drops(self):
        """Drop counters by name, those at 0 as well."""
        return {d["name"]: d["packets"] for d in self.cli("show counter drop all", json_out=True)["entries"]}

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def wait_log(self, pattern, timeout=10, since=0):
        return wait_for(lambda: f"'{pattern}' in culvertd's log:\n{self.log()[since:][-3000:]}",
                        lambda: re.search(pattern, self.log()[since:]), timeout)


def _setting(text, key):
    m = re.search(rf'^[^#/]*\b{key}\s*[=:]\s*"([^"]*)"', text, re.M)
    return m and m[1]
