# SPDX-License-Identifier: Apache-2.0
"""Both ends' configuration: a headend with many gateways, and one culvertd that is all the branches.

    loadgen A ── 10.64.0.0/10 ── headend ══ 192.0.2.0/24 ══ branches ── 10.0.0.0/10 ── loadgen B

Proxy-ID k of the whole box is host k at the headend and host k in the branch; gateway g has the proxy-IDs from
g * M on.  So an address says whose a packet is.  A port has eight addresses, so each of 64 pairs of addresses has
its share of the gateways, which the identities tell apart.
"""
import ipaddress
from types import SimpleNamespace

from lab.culvert import Culvertd

HEADEND, BRANCH = 0, 1
HOSTS = (ipaddress.IPv4Address("10.64.0.10"), ipaddress.IPv4Address("10.0.0.10"))
LAN = ("10.191.255", "10.255.255")  # what the ports to loadgen have, apart from the hosts
LAN_NETS = ("10.64.0.0/10", "10.0.0.0/10")
ADDRESSES = 8  # of a port
TUNNELS = 2000  # at most; a box has 4095 interfaces
MTU = 1496  # memif takes no larger frames than 1518 bytes, and a VLAN tag is counted
SUITES = {"aes-256-gcm": ("aes-256-gcm",), "aes-128-gcm": ("aes-128-gcm",),
          "aes-256-cbc+sha256": ("aes-256-cbc", "sha256"), "chacha20-poly1305": ("chacha20-poly1305",)}


class Size:
    """So many gateways with so many proxy-IDs each."""

    def __init__(self, gateways, proxy_ids, suite="aes-256-gcm", dpd=None):
        self.gateways, self.proxy_ids, self.suite = gateways, proxy_ids, suite
        self.total = gateways * proxy_ids
        self.calling = False  # branches bring up what they have
        self.added = False  # one more proxy-ID, of the last gateway
        self.dpd = dpd or {"interval": 10, "retry": 3}


def memif(n, directory, link, role):
    return f"net_memif{n},role={role},id=0,socket={directory}/{link}.sock,socket-abstract=no"


def host(side, k):
    return str(HOSTS[side] + k)


def tunnel_of(size, g):
    """The tunnel interface of a gateway: one for each, or of a run of them when there are more than interfaces."""
    return f"tunnel.{1 + g * min(size.gateways, TUNNELS) // size.gateways}"


def tunnel_routes(size, far):
    """The far side's hosts into their tunnels, in as few prefixes as cover them and nobody else's."""
    first = {}
    for g in range(size.gateways):
        first.setdefault(tunnel_of(size, g), g * size.proxy_ids)
    starts = list(first.values()) + [size.total + 1]  # the last has room for the proxy-ID that is added later
    for name, start, end in zip(first, starts, starts[1:]):
        for net in ipaddress.summarize_address_range(HOSTS[far] + start, HOSTS[far] + end - 1):
            yield {"destination": str(net), "interface": name}


def gateway(size, side, g):
    """Branches call; the headend does only for traffic, and once its SAs have been lost."""
    ours, theirs = ("hq", "branch") if side == HEADEND else ("branch", "hq")
    local, remote = wan_address(side, g), wan_address(1 - side, g)
    return {"name": f"gw{g}", "version": "ikev2", "interface": "ethernet1/1", "local-address": local,
            "peer-address": remote, "pre-shared-key": f"scale kit, of no use to anyone, {g:06d}",
            "local-id": {"type": "fqdn", "value": f"{ours}{g}.example"},
            "peer-id": {"type": "fqdn", "value": f"{theirs}{g}.example"}, "ike-crypto-profile": "ike",
            "dpd": size.dpd}


def wan_address(side, g):
    """The pair of addresses of gateway g: every one of the headend's with every one of the branches'."""
    i = g % ADDRESSES if side == HEADEND else g // ADDRESSES % ADDRESSES
    return f"192.0.2.{(1 if side == HEADEND else 129) + i}"


def tunnel(size, side, g):
    ks = [*range(g * size.proxy_ids, (g + 1) * size.proxy_ids)]
    if size.added and g == size.gateways - 1:
        ks.append(size.total)
    return {"name": f"tun{g}", "tunnel-interface": tunnel_of(size, g), "ike-gateway": f"gw{g}",
            "ipsec-crypto-profile": "esp", "start": side == BRANCH and size.calling,
            "proxy-ids": [{"name": f"P{k}", "local": host(side, k) + "/32", "remote": host(1 - side, k) + "/32"}
                          for k in ks]}


def make(size, side, directory):
    """One side's configuration as a dictionary."""
    d = f"{directory}/{('headend', 'branches')[side]}"
    lan = LAN[side]
    suite = SUITES[size.suite]
    esp = {"name": "esp", "encryption": [suite[0]], "dh-group": "no-pfs", "lifetime": "8h"}
    if len(suite) > 1:
        esp["authentication"] = [suite[1]]
    names = dict.fromkeys(tunnel_of(size, g) for g in range(size.gateways))
    return {
        "system": {"hostname": f"scale{side}", "workers": 1, "idle": "adaptive", "hugepages": False,
                   "memory": memory_mb(size), "max-sas": max_sas(size), "log": f"{d}/culvertd.log",
                   "journal": f"{d}/journal", "cli-socket": f"{d}/cli"},
        "interfaces": [
            {"name": "ethernet1/1", "port": memif(0, directory, "wan", "client" if side == HEADEND else "server"),
             "address": [wan_address(side, i if side == HEADEND else i * ADDRESSES) + "/24" for i in range(ADDRESSES)],
             "mtu": MTU},
            {"name": "ethernet1/2", "port": memif(1, directory, f"lan{side}", "server"),
             "address": [f"{lan}.1/24"], "mtu": MTU},
            *({"name": n} for n in names)],
        "routes": [{"destination": LAN_NETS[side], "via": f"{lan}.2"}, *tunnel_routes(size, 1 - side)],
        "ike-crypto-profiles": [{"name": "ike", "dh-group": ["group31"], "authentication": ["sha256"],
                                 "encryption": ["aes-256-gcm"], "lifetime": "24h"}],
        "ipsec-crypto-profiles": [esp],
        "ike-gateways": [gateway(size, side, g) for g in range(size.gateways)],
        "ipsec-tunnels": [tunnel(size, side, g) for g in range(size.gateways)],
    }


def max_sas(size):
    """Two for a proxy-ID, so that all can be rekeyed at once; one is added later."""
    return max(1024, 2 * size.total + 2)


def memory_mb(size):
    """Of the data plane: packet buffers, and 6 KB for a pair of SAs with its proxy-ID."""
    return 256 + max_sas(size) * 6 // 1024


def daemon(size, side, directory):
    return Culvertd(SimpleNamespace(gateway=None), f"{directory}/{('headend', 'branches')[side]}",
                    make(size, side, directory))
