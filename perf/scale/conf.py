# SPDX-License-Identifier: Apache-2.0
"""All boxes' configuration: a headend with many gateways, one culvertd that is nine tenths of its branches, and one,
the mortal, that is the tenth which dies.

    loadgen A ── 10.64.0.0/10 ── headend ══ 192.0.2.0/24 ═════ branches ── 10.0.0.0/10 ── loadgen B
                                     ╚═════ 203.0.113.0/24 ═ mortal ═ 198.51.100.0/30 ─┘ (to the branches' box, clear)

Proxy-ID k of the whole box is host k at the headend and host k in the branch; gateway g has the proxy-IDs from
g * M on, the first gateways are the mortal's.  So an address says whose a packet is.  A port has eight addresses, so
each of 64 pairs of addresses has its share of the gateways, which the identities tell apart.
"""
import ipaddress
from types import SimpleNamespace

from lab.culvert import Culvertd

HEADEND, BRANCH, MORTAL = BOXES = range(3)
NAMES = ("headend", "branches", "mortal")
HOSTS = (ipaddress.IPv4Address("10.64.0.10"), ipaddress.IPv4Address("10.0.0.10"))
LAN = ("10.191.255", "10.255.255")  # what the ports to loadgen have, apart from the hosts
LAN_NETS = ("10.64.0.0/10", "10.0.0.0/10")
WAN, MORTAL_WAN, BACK = "192.0.2", "203.0.113", "198.51.100"
ADDRESSES = 8  # of a port
TUNNELS = 2000  # at most; a box has 4095 interfaces
MTU = 1496  # memif takes no larger frames than 1518 bytes, and a VLAN tag is counted
SUITES = {"aes-256-gcm": ("aes-256-gcm",), "aes-128-gcm": ("aes-128-gcm",),
          "aes-256-cbc+sha256": ("aes-256-cbc", "sha256"), "chacha20-poly1305": ("chacha20-poly1305",)}


class Size:
    """So many gateways with so many proxy-IDs each; the first tenth of them is the mortal's."""

    def __init__(self, gateways, proxy_ids, suite="aes-256-gcm", dpd=None, lifetime=None, mortal=None):
        self.gateways, self.proxy_ids, self.suite = gateways, proxy_ids, suite
        self.total = gateways * proxy_ids
        self.mortal = min(gateways - 1, max(1, gateways // 10)) if mortal is None else mortal
        self.calling = False  # branches bring up what they have
        self.added = False  # one more proxy-ID, of the last gateway
        self.dpd = dpd or {"interval": 10, "retry": 3}
        self.lifetime = lifetime or 8 * 3600  # of Child SAs, in seconds

    def gateways_of(self, box):
        return {HEADEND: range(self.gateways), BRANCH: range(self.mortal, self.gateways),
                MORTAL: range(self.mortal)}[box]

    @property
    def mortal_ids(self):
        """How many proxy-IDs die; they are the first."""
        return self.mortal * self.proxy_ids


def memif(n, directory, link, role):
    """rsize: 8192 slots of a ring, so that a process which does not get its core for a while loses nothing."""
    return f"net_memif{n},role={role},id=0,socket={directory}/{link}.sock,socket-abstract=no,rsize=13"


def veth(n, dev):
    return f"net_af_packet{n},iface={dev},framecnt=4096"


def side_of(box):
    return HEADEND if box == HEADEND else BRANCH


def host(side, k):
    return str(HOSTS[side] + k)


def tunnel_of(size, g):
    """The tunnel interface of a gateway: one for each, or of a run of them when there are more than interfaces."""
    return f"tunnel.{1 + g * min(size.gateways, TUNNELS) // size.gateways}"


def prefixes(side, start, end):
    """As few prefixes as cover hosts start to end of a side and nobody else."""
    return map(str, ipaddress.summarize_address_range(HOSTS[side] + start, HOSTS[side] + end - 1))


def tunnel_routes(size, box):
    """The far side's hosts into their tunnels."""
    first = {}
    for g in size.gateways_of(box):
        first.setdefault(tunnel_of(size, g), g * size.proxy_ids)
    # The last gateway of all has room for the proxy-ID that is added later.
    end = size.mortal_ids if box == MORTAL else size.total + 1
    starts = [*first.values(), end]
    for name, start, end in zip(first, starts, starts[1:]):
        for net in prefixes(1 - side_of(box), start, end):
            yield {"destination": net, "interface": name}


def routes(size, box):
    if box == MORTAL:
        return [{"destination": LAN_NETS[BRANCH], "via": f"{BACK}.1"}, *tunnel_routes(size, box)]
    to_mortal = prefixes(HEADEND, 0, size.mortal_ids) if box == BRANCH and size.mortal else ()
    return [{"destination": LAN_NETS[box], "via": f"{LAN[box]}.2"}, *tunnel_routes(size, box),
            *({"destination": net, "via": f"{BACK}.2"} for net in to_mortal)]


def interfaces(size, box, directory):
    """The ports.  The headend is the client of a memif for the sake of its restart.  A client does not find a server
    again that died, so the mortal's links are veth."""
    def port(n, device, addresses):
        return {"name": f"ethernet1/{n}", "port": device, "address": addresses, "mtu": MTU}

    def shared(n, link, role):
        # Of its own choice a memif has another MAC address after each start, which no NIC has.
        return memif(n, directory, link, role) + f",mac=02:00:00:00:{box:02x}:{n:02x}"

    def wan(net, side):
        return [f"{net}.{last_byte(side, i, i)}/24" for i in range(ADDRESSES)]

    if box == MORTAL:
        return [port(1, veth(0, "wan1"), wan(MORTAL_WAN, BRANCH)), port(2, veth(1, "back1"), [f"{BACK}.2/30"])]
    ports = [port(1, shared(0, "wan", "client" if box == HEADEND else "server"), wan(WAN, box)),
             port(2, shared(1, f"lan{box}", "server"), [f"{LAN[box]}.1/24"])]
    if size.mortal:
        ports.append(port(3, veth(2, "wan0"), wan(MORTAL_WAN, HEADEND)) if box == HEADEND else
                     port(3, veth(2, "back0"), [f"{BACK}.1/30"]))
    return ports


def gateway(size, box, g):
    """Branches call; the headend does only for traffic, and once its SAs have been lost."""
    side = side_of(box)
    ours, theirs = ("hq", "branch") if side == HEADEND else ("branch", "hq")
    return {"name": f"gw{g}", "version": "ikev2",
            "interface": "ethernet1/3" if side == HEADEND and g < size.mortal else "ethernet1/1",
            "local-address": wan_address(size, side, g), "peer-address": wan_address(size, 1 - side, g),
            "pre-shared-key": secret(g), "local-id": {"type": "fqdn", "value": identity(ours, g)},
            "peer-id": {"type": "fqdn", "value": identity(theirs, g)}, "ike-crypto-profile": "ike", "dpd": size.dpd}


def identity(whose, g):
    return f"{whose}{g}.example"


def secret(g):
    return f"scale kit, of no use to anyone, {g:06d}"


def last_byte(side, i, j):
    """Of address i of the headend's, or j of the branches'."""
    return 1 + i if side == HEADEND else 129 + j


def wan_address(size, side, g):
    """The pair of addresses of gateway g: every one of the headend's with every one of the branches'."""
    net = MORTAL_WAN if g < size.mortal else WAN
    return f"{net}.{last_byte(side, g % ADDRESSES, g // ADDRESSES % ADDRESSES)}"


def tunnel(size, box, g):
    side = side_of(box)
    ks = [*range(g * size.proxy_ids, (g + 1) * size.proxy_ids)]
    if size.added and g == size.gateways - 1:
        ks.append(size.total)
    return {"name": f"tun{g}", "tunnel-interface": tunnel_of(size, g), "ike-gateway": f"gw{g}",
            "ipsec-crypto-profile": "esp", "start": side == BRANCH and size.calling,
            "proxy-ids": [{"name": f"P{k}", "local": host(side, k) + "/32", "remote": host(1 - side, k) + "/32"}
                          for k in ks]}


def make(size, box, directory):
    """A box's configuration as a dictionary."""
    d = f"{directory}/{NAMES[box]}"
    suite = SUITES[size.suite]
    esp = {"name": "esp", "encryption": [suite[0]], "dh-group": "no-pfs", "lifetime": f"{size.lifetime}s"}
    if len(suite) > 1:
        esp["authentication"] = [suite[1]]
    gateways = size.gateways_of(box)
    names = dict.fromkeys(tunnel_of(size, g) for g in gateways)
    return {
        "system": {"hostname": NAMES[box], "workers": 1, "idle": "adaptive", "hugepages": False,
                   "memory": memory_mb(size, box), "max-sas": max_sas(size, box), "log": f"{d}/culvertd.log",
                   "journal": f"{d}/journal", "cli-socket": f"{d}/cli"},
        "interfaces": [*interfaces(size, box, directory), *({"name": n} for n in names)],
        "routes": routes(size, box),
        "ike-crypto-profiles": [{"name": "ike", "dh-group": ["group31"], "authentication": ["sha256"],
                                 "encryption": ["aes-256-gcm"], "lifetime": "24h"}],
        "ipsec-crypto-profiles": [esp],
        "ike-gateways": [gateway(size, box, g) for g in gateways],
        "ipsec-tunnels": [tunnel(size, box, g) for g in gateways],
    }


def max_sas(size, box):
    """Two for a proxy-ID, so that all can be rekeyed at once; one is added later."""
    return max(1024, 2 * len(size.gateways_of(box)) * size.proxy_ids + 2)


def memory_mb(size, box):
    """Of the data plane: packet buffers, and 6 KB for a pair of SAs with its proxy-ID."""
    return 256 + max_sas(size, box) * 6 // 1024


def daemon(size, box, directory, namespace):
    return Culvertd(SimpleNamespace(gateway=namespace), f"{directory}/{NAMES[box]}", make(size, box, directory))
