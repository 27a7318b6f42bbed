#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""results.py tells changes from noise, and keeps quiet about figures that may not be believed."""
import json
import pathlib
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(__file__).with_name("results.py")
HEAD = {"cpu": "C", "tsc_hz": 2000000000, "dpdk": "D", "ipsec_mb": "1", "harness_cycles": 1.0, "idle_turn_cycles": 40.0}


def row(size, cycles, verdict="ok", spread=0.01):
    return {"suite": "S", "direction": "out", "size": size, "sas": 1, "proxy_ids": 1, "flows": 1000, "rules": 0,
            "cycles": cycles, "bound": 50.0, "ratio": cycles / 50 if verdict == "ok" else None, "spread": spread,
            "bound_spread": 0.01, "verdict": verdict}


def run(*args, rc=0):
    p = subprocess.run([sys.executable, TOOL, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
    assert p.returncode == rc, p
    return p.stdout + p.stderr


def main():
    with tempfile.TemporaryDirectory() as d:
        old, new, other, bad = (pathlib.Path(d, n) for n in ("old", "new", "other", "bad"))
        rows = [row(64, 200.0), row(128, 200.0), row(256, 200.0), row(512, 200.0, spread=0.2), row(1024, 300.0)]
        old.write_text(json.dumps(HEAD | {"results": rows}))
        rows = [row(64, 150.0), row(128, 204.0), row(256, 100.0, "noisy"), row(512, 260.0, spread=0.2), row("IMIX", 9.0)]
        new.write_text(json.dumps(HEAD | {"results": rows}))
        other.write_text(json.dumps(HEAD | {"cpu": "another", "results": rows}))
        bad.write_text('{"results": [{}]}')
        out = run("compare", old, new)
        assert "200.00 ->   150.00   -25.0%" in out and out.count("->") == 1, out
        assert "1 changed, 2 the same within their spread, 1 not to be believed in one of the two, 1 new, 1 not measured now" in out, out
        out = run("compare", old, other)
        assert "compared by ratio" in out and "4.00 ->     3.00   -25.0%" in out, out
        out = run("table", new)
        assert "| 64 | 1 | 1 | 150 | 1% | 50 | 3.00 |" in out and "| 256 |" not in out and "1 cases are left out" in out, out
        assert "no results of bench" in run("table", bad, rc=1)
        run("compare", old, rc=1)


if __name__ == "__main__":
    main()
