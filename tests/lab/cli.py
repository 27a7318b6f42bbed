# SPDX-License-Identifier: Apache-2.0
"""scripts/lab: up, down, status, shell NAME.  State in /run/culvert-lab: pids, logs, sockets, configurations."""
import json
import os
import shutil
import sys

from . import hq
from .culvert import binary
from .proc import Failed, end_pid, run, start_time
from .topology import Topology, exists

STATE = "/run/culvert-lab"
PREFIX = "cv-"
NAMES = {"hosta": "host in the headquarters' LAN, 10.20.20.10",
         "gw": "culvertd, 198.51.100.20 and 10.20.20.1 (no kernel addresses)",
         "wan": "router between the sites: tcpdump here sees the wire",
         "branch": "strongSwan, 203.0.113.10 and 10.10.10.1",
         "hostb": "host in the branch's LAN, 10.10.10.10"}
DRAWING = """\
    hosta ------------- gw ---------------- wan ----------------- branch ------------ hostb
    10.20.20.10      culvertd               router              strongSwan      10.10.10.10
                     198.51.100.20                              203.0.113.10
"""


def load():
    try:
        with open(f"{STATE}/state.json") as f:
            return json.load(f)
    except OSError:
        return None


def running(state):
    return {p["name"]: start_time(p["pid"]) == p["started"] for p in state["processes"]}


def up():
    state = load()
    if state and all(running(state).values()):
        print("The lab is up already.")
        return status()
    if state or any(exists(ns) for ns in Topology(PREFIX).namespaces()):
        down()
    os.makedirs(STATE, mode=0o755)
    lab = hq.HqLab(PREFIX, STATE, persist=True)
    processes = []
    try:
        lab.net.up()
        for name, start, part in (("strongSwan", lab.start_peer, lab.strongswan),
                                  ("culvertd", lab.culvertd.start, lab.culvertd)):
            start()
            processes.append({"name": name, "pid": part.daemon.pid, "started": start_time(part.daemon.pid)})
    except BaseException:
        lab.stop()
        raise
    with open(f"{STATE}/state.json", "w") as f:
        json.dump({"processes": processes, "socket": lab.culvertd.socket, "build": os.path.dirname(binary("culvert"))}, f)
    print(f"The lab is up.\n\n{DRAWING}")
    print("  scripts/lab shell NAME      a shell in one of them, with `culvert` in its PATH; for instance")
    print("  scripts/lab shell hosta     then: ping 10.10.10.10      (the first packets bring the tunnel up)")
    print("  scripts/lab shell gw        then: culvert show vpn flow")
    print("  scripts/lab shell wan       then: tcpdump -ni to-branch")
    print("  scripts/lab down            removes everything")
    print(f"\n  configuration, logs:        {STATE}")
    return 0


def down():
    state = load()
    for p in reversed(state["processes"] if state else []):
        if not end_pid(p["pid"], p["started"], grace=10):
            print(f"{p['name']} did not end by itself and was killed", file=sys.stderr)
    Topology(PREFIX).down()
    shutil.rmtree(STATE, ignore_errors=True)
    return 0


def status():
    state = load()
    if not state:
        print("The lab is down.")
        return 3
    for name, alive in running(state).items():
        print(f"  {name:12} {'runs' if alive else 'has ended; see the logs in ' + STATE}")
    for name, what in NAMES.items():
        print(f"  {name:12} {what}{'' if exists(PREFIX + name) else '  (namespace is gone)'}")
    print()
    p = run(f"{state['build']}/culvert", "-s", state["socket"], "show", "vpn", "flow", check=False)
    print(p.stdout + p.stderr)
    return 0 if all(running(state).values()) else 3


def shell(name, command):
    state = load()
    if name not in NAMES:
        raise Failed(f"no such namespace: {name}; there are {', '.join(NAMES)}")
    if not state or not exists(PREFIX + name):
        raise Failed("the lab is down; scripts/lab up")
    os.environ.update(CULVERT_SOCKET=state["socket"], PATH=f"{state['build']}:{os.environ['PATH']}",
                      STRONGSWAN_CONF=f"{STATE}/strongswan/strongswan.conf",
                      SWANCTL_DIR=f"{STATE}/strongswan/swanctl", PS1=f"{name}# ")
    argv = command or ["bash", "--norc", "-i"]
    os.execvp("ip", ["ip", "netns", "exec", PREFIX + name, *argv])


def main(argv):
    verbs = {"up": up, "down": down, "status": status}
    try:
        if len(argv) == 1 and argv[0] in verbs:
            return verbs[argv[0]]()
        if len(argv) >= 2 and argv[0] == "shell":
            return shell(argv[1], argv[2:])
    except Failed as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1
    print("usage: lab up | down | status | shell NAME [COMMAND…]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
