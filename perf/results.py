#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench does with the JSON of bench_path.

    results.py compare OLD.json NEW.json    what has changed
    results.py plot RESULTS.json FILE.png   cycles per packet by size and by number of SAs
    results.py table RESULTS.json           Markdown, for perf/README.md
"""
import json
import sys

KEY = ("suite", "direction", "size", "sas", "proxy_ids", "flows", "rules")


def load(path):
    try:
        with open(path, encoding="utf-8") as f:
            doc = json.load(f)
        return doc, {tuple(r[k] for k in KEY): r for r in doc["results"]}
    except (OSError, ValueError, KeyError, TypeError) as e:
        sys.exit(f"results.py: {path}: no results of bench: {e}")


def name(key):
    suite, way, size, sas, proxy_ids, flows, rules = key
    more = "" if flows == 1000 else " new flows" if flows == 0 else f" {flows} flows"
    return f"{suite:24} {way:3} {size!s:>5} {sas:7} SAs {proxy_ids:7} proxy-IDs{more}" + (f" {rules} rules" if rules else "")


def good(row):
    return row["verdict"] == "ok"


def change(old, new, figure):
    """Relative change, and what would be noise: three times both spreads, five per cent at least."""
    noise = max(0.05, 3 * sum(r["spread"] + (r["bound_spread"] if figure == "ratio" else 0) for r in (old, new)))
    return new[figure] / old[figure] - 1, noise


def compare(old_path, new_path):
    (old_doc, old), (new_doc, new) = load(old_path), load(new_path)
    same_machine = all(old_doc[k] == new_doc[k] for k in ("cpu", "tsc_hz"))
    figure = "cycles" if same_machine else "ratio"
    both = [k for k in new if k in old]
    usable = [k for k in both if good(old[k]) and good(new[k])]
    print(f"\ncompared by {figure}: " + ("the same kind of machine" if same_machine else "another machine, cycles do not compare"))
    rows = sorted(((*change(old[k], new[k], figure), k) for k in usable), key=lambda r: r[0])
    moved = [r for r in rows if abs(r[0]) > r[1]]
    for delta, _, k in moved:
        print(f"  {name(k)}  {old[k][figure]:8.2f} -> {new[k][figure]:8.2f}  {delta:+7.1%}")
    print(f"{len(moved)} changed, {len(rows) - len(moved)} the same within their spread, "
          f"{len(both) - len(usable)} not to be believed in one of the two, "
          f"{len(new) - len(both)} new, {len(old) - len(both)} not measured now")


def table(path):
    doc, rows = load(path)
    print(f"{doc['cpu']}, TSC {doc['tsc_hz'] / 1e9:.2f} GHz, {doc['dpdk']}, intel-ipsec-mb {doc['ipsec_mb']}; "
          f"harness {doc['harness_cycles']:.1f} cycles a packet\n")
    print("| suite | way | inner bytes | SAs | proxy-IDs a tunnel | cycles | +- | library alone | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in filter(good, rows.values()):
        print(f"| {r['suite']} | {r['direction']} | {r['size']} | {r['sas']} | {r['proxy_ids']} | {r['cycles']:.0f} "
              f"| {r['spread']:.0%} | {r['bound']:.0f} | {r['ratio']:.2f} |")
    left_out = sum(not good(r) for r in rows.values())
    if left_out:
        print(f"\n{left_out} cases are left out: not enough quiet rounds, or too far apart.")


def line(ax, rows, x_of, label):
    points = sorted((x_of(r), r["cycles"], r["bound"]) for r in rows)
    if len(points) < 2:
        return
    shown = ax.plot([p[0] for p in points], [p[1] for p in points], marker="o", label=label)
    ax.plot([p[0] for p in points], [p[2] for p in points], linestyle=":", color=shown[0].get_color())


def plot(path, picture):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [r for r in load(path)[1].values() if good(r)]
    fig, axes = pyplot.subplots(2, 2, figsize=(14, 10))
    for i, way in enumerate(("out", "in")):
        mine = [r for r in rows if r["direction"] == way]
        for suite in sorted({r["suite"] for r in mine}):
            line(axes[0][i], [r for r in mine if r["suite"] == suite and r["sas"] == r["proxy_ids"] == 1 and r["size"] != "IMIX"],
                 lambda r: r["size"], suite)
            for size in sorted({r["size"] for r in mine}, key=str):
                line(axes[1][i], [r for r in mine if r["suite"] == suite and r["size"] == size and r["sas"] == r["proxy_ids"]],
                     lambda r: r["sas"], f"{suite} {size}")
        axes[0][i].set(title=f"{way}: one SA", xlabel="inner bytes")
        axes[1][i].set(title=f"{way}: an SA for each proxy-ID", xlabel="SAs", xscale="log")
    for ax in axes.flat:
        ax.set(ylabel="cycles per packet (dotted: library alone)", ylim=(0, None))
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=6)
    fig.tight_layout()
    fig.savefig(picture, dpi=110)


def main():
    verbs = {("compare", 2): compare, ("plot", 2): plot, ("table", 1): table}
    verb = verbs.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv) - 2))
    if not verb:
        sys.exit(__doc__)
    verb(*sys.argv[2:])


if __name__ == "__main__":
    main()
