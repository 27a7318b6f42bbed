# SPDX-License-Identifier: Apache-2.0
"""A real strongSwan (charon-systemd) in a namespace of the lab.

ESP is done by charon itself (plugin kernel-libipsec on a TUN device), so no kernel ESP is needed.  Debian 12's
5.9.8 then speaks UDP-encapsulated ESP only: it makes its peer see a NAT.  Debian 13's 6.0.1 does so too unless
raw_esp is set.  It wants an own address inside every
local_ts; the lab's LAN addresses are that.
"""
import functools
import os
import re
import signal

from .proc import Daemon, run, wait_for

CHARON = "/usr/sbin/charon-systemd"
CHROOT = os.environ.get("STRONGSWAN_CHROOT", "")  # another Debian, made by scripts/trixie, whose charon runs instead
PLUGINS = ("random nonce aes sha1 sha2 md5 hmac kdf gcm ccm chapoly curve25519 gmp mgf1 openssl pem pkcs1 pkcs8 "
           "pubkey x509 constraints revocation kernel-libipsec kernel-netlink socket-default updown counters vici")
DIRS = "x509 x509ca x509crl private x509ocsp x509aa x509ac pubkey rsa ecdsa bliss pkcs8 pkcs12".split()


@functools.cache
def version():
    """(6, 0, 1): what CHARON is."""
    text = run("dpkg-query", *(["--root", CHROOT] if CHROOT else []), "-W", "-f", "${Version}", "charon-systemd").stdout
    return tuple(int(n) for n in re.match(r"([\d.]+)", text)[1].split("."))


def charon_argv(directory):
    """charon-systemd, in its chroot if there is one: `ip netns exec` gives it mounts of its own, which nobody else
    sees and which go with it."""
    if not CHROOT:
        return [CHARON]
    script = (f'for d in proc dev; do mount --rbind /$d {CHROOT}/$d; done && mount -t tmpfs none {CHROOT}/tmp && '
              f'mkdir -p {CHROOT}{directory} && mount --bind {directory} {CHROOT}{directory} && '
              f'exec chroot {CHROOT} {CHARON}')
    return ["sh", "-c", script]


# libipsec installs SAs of tunnel mode only.  charon then tells its peer to forget the SA, so this one has it believe
# that there is one: its packets are made by others, who know the keys from the log.
ANY_MODE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
struct chunk { uint8_t *p; size_t n; };
struct mark { uint32_t value, mask; };
enum { MODE_TUNNEL = 2 };
typedef void *create(uint32_t, void *, void *, uint8_t, uint32_t, struct mark, uint32_t, void *, uint16_t, struct chunk,
                     uint16_t, struct chunk, int, uint16_t, uint16_t, bool, bool, bool);
void *ipsec_sa_create(uint32_t spi, void *src, void *dst, uint8_t proto, uint32_t reqid, struct mark mark, uint32_t tfc,
                      void *life, uint16_t enc, struct chunk enc_key, uint16_t integ, struct chunk integ_key, int mode,
                      uint16_t ipcomp, uint16_t cpi, bool encap, bool esn, bool inbound)
{
    create *next = (create *)dlsym(dlopen("libipsec.so.0", RTLD_LAZY | RTLD_NOLOAD), "ipsec_sa_create");
    return next(spi, src, dst, proto, reqid, mark, tfc, life, enc, enc_key, integ, integ_key, MODE_TUNNEL, ipcomp, cpi,
                encap, esn, inbound);
}
"""


def section(name, d, depth=0):
    """A nested dict in strongswan.conf syntax, one setting a line."""
    tab = "    " * depth
    out = f"{tab}{name} {{\n"
    for k, v in d.items():
        if isinstance(v, dict):
            out += section(k, v, depth + 1)
        else:
            out += f"{tab}    {k} = {('no', 'yes')[v] if isinstance(v, bool) else v}\n"
    return out + f"{tab}}}\n"


class StrongSwan:
    """A site's gateway.  Settings are dictionaries in swanctl.conf's terms; `conn` holds what the connection has
    beyond the defaults, `children` maps names to Child SA settings."""

    def __init__(self, site, directory, keys_in_log=False, charon=None, raw_esp=False,
                 persist=False, any_mode=False):
        self.site, self.dir, self.persist, self.any_mode = site, str(directory), persist, any_mode
        self.daemon = None
        self.argv = charon_argv(self.dir)
        self.log_path = f"{self.dir}/charon.log"
        self.vici = f"{self.dir}/vici"
        for d in DIRS:
            os.makedirs(f"{self.dir}/swanctl/{d}", exist_ok=True)
        levels = {"default": 1, "ike": 4, "chd": 4} if keys_in_log else {"default": 1, "ike": 2, "cfg": 2}
        conf = {
            "retransmit_tries": 3, "retransmit_timeout": 1.0, "load": PLUGINS,
            "filelog": {"log": {"path": self.log_path, "time_format": "%T", "time_add_ms": True,
                                "ike_name": True, "flush_line": True, **levels}},
            "plugins": {"vici": {"socket": f"unix://{self.vici}"}, "kernel-libipsec": {"raw_esp": raw_esp, "allow_peer_ts": any_mode},
                        # The peer itself lies in the tunnel then, but for IKE.
                        **({"kernel-netlink": {"fwmark": "!0x42"}, "socket-default": {"fwmark": "0x42"}} if any_mode else {})},
            **(charon or {})}
        self.write("strongswan.conf", section("charon", conf) +
                    "swanctl {\n    load = random nonce aes sha1 sha2 openssl pem pkcs1 pkcs8 x509 pubkey\n}\n")
        self.write("swanctl/swanctl.conf", "")
        if any_mode:
            self.write("any_mode.c", ANY_MODE)
            run("cc", "-shared", "-fPIC", "-o", f"{self.dir}/any_mode.so", f"{self.dir}/any_mode.c")

    def write(self, name, text):
        path = f"{self.dir}/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_exc):
        self.stop()

    def env(self):
        return {"STRONGSWAN_CONF": f"{self.dir}/strongswan.conf", "SWANCTL_DIR": f"{self.dir}/swanctl"}

    def start(self, load_timeout=20):
        for stale in (self.vici, self.log_path):
            if os.path.exists(stale):
                os.unlink(stale)
        preload = {"LD_PRELOAD": f"{self.dir}/any_mode.so"} if self.any_mode else {}
        self.daemon = Daemon(self.argv, f"{self.dir}/stdout", ns=self.site.gateway,
                             env={**self.env(), **preload}, persist=self.persist)
        wait_for(lambda: f"charon's vici socket; its log:\n{self.log()[-2000:]}",
                 lambda: os.path.exists(self.vici) or not self.daemon.alive())
        self.swanctl("--load-all", timeout=load_timeout)
        return self

    def stop(self, grace=10.0):
        """SIGTERM: charon deletes its SAs towards the peer and leaves."""
        return self.daemon.stop(grace) if self.daemon else 0

    def kill(self):
        """Gone without a word, as after a power cut."""
        self.daemon.kill()
        for dev in ("ipsec0",):  # the TUN device goes with the process; its rule and routes stay
            run("ip", "-n", self.site.gateway, "route", "flush", "table", "220", "dev", dev, check=False)

    def freeze(self):
        self.daemon.send(signal.SIGSTOP)

    def thaw(self):
        self.daemon.send(signal.SIGCONT)

    def swanctl(self, verb, *args, check=True, timeout=20):
        return run("swanctl", verb, "--uri", f"unix://{self.vici}", *args, ns=self.site.gateway, env=self.env(),
                   check=check, timeout=timeout).stdout

    def configure(self, proposals="aes256-sha256-modp2048", esp="aes256gcm16-modp2048", psk="interop secret",
                  local_id=None, remote_id=None, conn=None, children=None, child=None, local_addrs=None,
                  remote_addrs=None, cert=None, cas=(), crls=(), local_auth="pubkey",
                  ppks=None):
        """Write and load the connection `peer`.  One Child SA `net` with the sites' first networks, unless
        `children` says otherwise; `child` adds to every one of them.  cert: a pki.Issued to authenticate by; cas:
        files of CAs to believe; ppks: postquantum preshared keys by their ids."""
        me, it = self.site, self.site.other
        local_id, remote_id = local_id or me.public_ip, remote_id or it.public_ip
        base = {"esp_proposals": esp, "start_action": "none", "rekey_time": 0}
        children = children or {"net": {"local_ts": me.net, "remote_ts": it.net}}
        children = {k: {**base, **v, **(child or {})} for k, v in children.items()}
        connection = {
            "version": 2, "local_addrs": local_addrs or me.wan_ip, "remote_addrs": remote_addrs or it.public_ip,
            "proposals": proposals, "mobike": False, "rekey_time": 0,
            "local": {"auth": local_auth if cert else "psk", "id": local_id},
            "remote": {"auth": "pubkey" if cas else "psk", "id": remote_id},
            **(conn or {}), "children": children}
        secret = {"id-me": local_id, "id-peer": remote_id, "secret": f'"{psk}"'}
        if cert:
            self._take("x509", cert.path, *(c.path for c in cert.chain))
            self._take("private", cert.key_path)
            connection["local"]["certs"] = ", ".join(os.path.basename(p) for p in
                                                     (cert.path, *(c.path for c in cert.chain)))
        self._take("x509ca", *cas)
        self._take("x509crl", *crls)
        more = {f"ppk-{i}": {"id": name, "secret": f'"{key}"'} for i, (name, key) in enumerate((ppks or {}).items())}
        self.write("swanctl/swanctl.conf",
                    section("connections", {"peer": connection}) + section("secrets", {"ike-peer": secret, **more}))
        if self.daemon:
            self.swanctl("--load-creds", "--clear")
            self.swanctl("--load-conns")
        return self

    def _take(self, kind, *paths):
        """Files into swanctl's folders."""
        for p in paths:
            with open(p) as f:
                self.write(f"swanctl/{kind}/{os.path.basename(p)}", f.read())

    def initiate(self, child="net", timeout=15, check=True):
        """Bring up a Child SA; swanctl's output."""
        return self.swanctl("--initiate", "--child", child, "--timeout", timeout, check=check, timeout=timeout + 5)

    def terminate(self, *what, timeout=5):
        """terminate("--ike", "peer") or ("--child", "net")."""
        return self.swanctl("--terminate", *what, "--force", "--timeout", timeout, timeout=timeout + 5, check=False)

    def sas(self):
        """`swanctl --list-sas` for people."""
        return self.swanctl("--list-sas")

    def counts(self):
        """(established IKE SAs, installed Child SAs)."""
        text = self.sas()
        return (len(re.findall(r"^\S+: #\d+, ESTABLISHED", text, re.M)),
                len(re.findall(r"^  \S+: #\d+, reqid \d+, INSTALLED", text, re.M)))

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def log_has(self, pattern, since=0):
        return re.search(pattern, self.log()[since:])

    def wait_log(self, pattern, timeout=10, since=0):
        return wait_for(lambda: f"'{pattern}' in charon's log:\n{self.log()[since:][-3000:]}",
                        lambda: self.log_has(pattern, since), timeout)
