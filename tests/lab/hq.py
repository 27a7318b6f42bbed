# SPDX-License-Identifier: Apache-2.0
"""The lab that scripts/lab raises and scripts/demo walks through: culvertd with conf/hq.conf at the headquarters,
strongSwan in the branch's place."""
import os
import re

from .culvert import ROOT, Culvertd
from .strongswan import StrongSwan
from .topology import Topology

CONF = os.path.join(ROOT, "conf", "hq.conf")

# What the lab needs otherwise than the file says, and nothing more: ports on veth, its own socket, log and journal.
PORTS = {"ethernet1/1": "net_af_packet0,iface=d-wan", "ethernet1/2": "net_af_packet1,iface=d-lan"}

# The branch's side of conf/hq.conf in strongSwan's terms.
IKE_PROPOSAL = "aes256-sha256-modp2048"
ESP_PROPOSAL = "aes256-sha256-modp2048"
TUNNEL, GATEWAY = "IPSEC-TUN-Cisco-ISR", "IKE-GW-Cisco-ISR"


def lab_conf(directory):
    """conf/hq.conf with the lab's ports, socket, log and journal; the path of the result."""
    text = open(CONF).read()
    for name, port in PORTS.items():
        text, n = re.subn(rf'(name\s*=\s*"{re.escape(name)}"\s*;\s*port\s*=\s*)"[^"]*"', rf'\g<1>"{port}"', text)
        if n != 1:
            raise ValueError(f"{CONF}: no port of {name} found to replace")
    for key, value in (("cli-socket", f"{directory}/cli"), ("log", f"{directory}/culvertd.log"),
                       ("journal", f"{directory}/journal")):
        text, n = re.subn(rf'(?m)^(\s*{key}\s*=\s*)"[^"]*"', rf'\g<1>"{value}"', text)
        if not n:
            text = re.sub(r"(?m)^(system\s*=\s*\{)", rf'\g<1> {key} = "{value}";', text, count=1)
    path = f"{directory}/hq.conf"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


def psk():
    return re.search(r'pre-shared-key\s*=\s*"([^"]*)"', open(CONF).read())[1]


class HqLab:
    """Topology, peer and daemon; each part is started by the user of this class, stop() ends all."""

    def __init__(self, prefix, directory, persist=False):
        self.dir, self.persist = str(directory), persist
        os.makedirs(self.dir, exist_ok=True)
        self.net = Topology(prefix)
        self.strongswan = StrongSwan(self.net.branch, f"{self.dir}/strongswan", persist=persist)
        self.culvertd = Culvertd(self.net.hq, self.dir, lab_conf(self.dir), persist=persist)

    def start_peer(self):
        self.strongswan.start()
        self.strongswan.configure(IKE_PROPOSAL, ESP_PROPOSAL, psk=psk(), conn={"dpd_delay": "10s"},
                                  child={"dpd_action": "clear"})

    def stop(self):
        for part in (self.culvertd, self.strongswan):
            part.stop()
        self.net.down()
