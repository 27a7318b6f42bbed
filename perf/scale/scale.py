#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A headend with very many tunnels, and what happens to it.  scripts/scale runs this; perf/README.md explains it."""
import argparse
import json
import os
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "perf")]

from lab.proc import Failed, exit_on_signals  # noqa: E402
from scale import conf, plot, rival  # noqa: E402
from scale.steps import BY_LIFETIME, STEPS, Run  # noqa: E402


def options():
    p = argparse.ArgumentParser(prog="scale", description=__doc__)
    p.add_argument("--gateways", type=int, default=20)
    p.add_argument("--proxy-ids", type=int, default=5, help="of each gateway")
    p.add_argument("--suite", choices=conf.SUITES, default="aes-256-gcm")
    p.add_argument("--lifetime", type=int, metavar="S", help="of Child SAs: they are rekeyed as it ends, not at a command")
    p.add_argument("--until", choices=STEPS, default=STEPS[-1], help="the last step")
    p.add_argument("--json", metavar="FILE", help="write the results there")
    p.add_argument("--plot", metavar="FILE.png", help="draw how they came up, and what a packet costs")
    p.add_argument("--strongswan", action="store_true", help="then the same set-up over a veth: strongSwan, and culvertd")
    o = p.parse_args()
    if o.gateways < 1 or o.proxy_ids < 1 or o.gateways * o.proxy_ids > 200000:
        p.error("--gateways and --proxy-ids: at least one each, and 200000 proxy-IDs at most")
    if o.lifetime is not None and o.lifetime < 180:
        p.error("--lifetime: 180 s at least")
    return o


def summary(table):
    """What each step took, and how busy it kept the headend."""
    print(f"\n{'step':10} {'s':>7} {'control %':>10} {'peak %':>7} {'longest turn ms':>16} {'in CPU ms':>10} {'workers %':>10}  dropped")
    for name, row in table.items():
        load = row["load"]
        drops = ", ".join(f"{k} {n}" for k, n in load.get("drops", {}).items())
        print(f"{name:10} {row['took-s']:7} {load['control-%']:10} {load['control-peak-%']:7} {load['longest-turn-ms']:16} "
              f"{load['longest-turn-cpu-ms']:10} {load.get('workers-%', ''):>10}  {drops}")


def steps(o, results, directory):
    """All steps; what they measured is in results even if one fails."""
    size = conf.Size(o.gateways, o.proxy_ids, o.suite, lifetime=o.lifetime)
    with Run(size, directory) as run:
        run.by_lifetime = o.lifetime is not None
        try:
            run.everything(o.until, BY_LIFETIME if run.by_lifetime else STEPS)
        except Failed as e:
            raise Failed(f"{str(e)[:2000]}\n{run.headend.d.log()[-1500:]}") from None
        finally:
            summary(run.table)
            results.update(run.table)
    print(f"{o.gateways} gateways with {o.proxy_ids} proxy-IDs each: done, nothing lost")


def main():
    o = options()
    exit_on_signals()
    results = {"gateways": o.gateways, "proxy-ids": o.proxy_ids, "suite": o.suite}
    with tempfile.TemporaryDirectory(prefix="culvert-scale-") as directory:
        try:
            steps(o, results, directory)
            if o.strongswan:
                results["headends"] = rival.all_of_them(o.gateways, o.proxy_ids, o.suite, directory)
        except Failed as e:
            print(f"scale: {e}", file=sys.stderr)
            return 1
        finally:
            if o.json:
                with open(o.json, "w") as f:
                    json.dump(results, f)
            if o.plot:
                plot.draw(results, o.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
