#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""drop_reasons.py DROP_H TESTS_DIR: every reason a packet can die for is named by a test in this folder.

A reason that no test can bring about stands below with why; one that stands there without need, or that
does not exist any more, is an error as well.
"""
import pathlib
import re
import sys

EXCEPTIONS = {
    "esp-crypto-failed": "only a defect of intel-ipsec-mb leaves a job unfinished; nothing from outside does",
}


def main() -> int:
    drop_h, folder = (pathlib.Path(a) for a in sys.argv[1:3])
    names = re.findall(r'X\(DROP_\w+,\s*"([^"]+)"', drop_h.read_text(encoding="utf-8"))
    tests = "".join(p.read_text(encoding="utf-8") for p in sorted(folder.glob("test_*.c")))
    bad = []
    if len(names) < 40 or len(set(names)) != len(names):
        bad.append(f"{drop_h}: {len(names)} reasons, {len(set(names))} of them different")
    for name in names:
        tested = f'"{name}"' in tests
        if tested == (name in EXCEPTIONS):
            bad.append(f"{name}: " + ("tested, yet excepted" if tested else "no test names it"))
    bad += [f"{name}: excepted, but there is no such reason" for name in EXCEPTIONS if name not in names]
    print("\n".join(bad) or f"{len(names)} reasons, {len(EXCEPTIONS)} excepted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
