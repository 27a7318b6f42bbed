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
from scale import conf, plot  # noqa: E402
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
    o = p.parse_args()
    if o.gateways < 1 or o.proxy_ids < 1 or o.gateways * o.proxy_ids > 200000:
        p.error("--gateways and --proxy-ids: at least one each, and 200000 proxy-IDs at most")
    if o.lifetime is not None and o.lifetime < 30:
        p.error("--lifetime: 30 s at least")
    return o


def summary(table):
    """What each step took, and how busy it kept the headend."""
    print(f"\n{'step':10} {'s':>7} {'control %':>10} {'peak %':>7} {'longest turn ms':>16} {'workers %':>10}  dropped")
    for name, row in table.items():
        load = row["load"]
        drops = ", ".join(f"{k} {n}" for k, n in load.get("drops", {}).items())
        print(f"{name:10} {row['took-s']:7} {load['control-%']:10} {load['control-peak-%']:7} "
              f"{load['longest-turn-ms']:16} {load.get('workers-%', ''):>10}  {drops}")


def main():
    o = options()
    exit_on_signals()
    size = conf.Size(o.gateways, o.proxy_ids, o.suite, lifetime=o.lifetime)
    with tempfile.TemporaryDirectory(prefix="culvert-scale-") as directory, Run(size, directory) as run:
        run.by_lifetime = o.lifetime is not None
        try:
            run.everything(o.until, BY_LIFETIME if run.by_lifetime else STEPS)
        except Failed as e:
            print(f"scale: {str(e)[:2000]}\n{run.headend.d.log()[-1500:]}", file=sys.stderr)
            return 1
        finally:
            summary(run.table)
            results = {"gateways": o.gateways, "proxy-ids": o.proxy_ids, "suite": o.suite, **run.table}
            if o.json:
                with open(o.json, "w") as f:
                    json.dump(results, f)
            if o.plot:
                plot.draw(results, o.plot)
    print(f"{o.gateways} gateways with {o.proxy_ids} proxy-IDs each: done, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
