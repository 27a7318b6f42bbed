# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run: how the SAs came up, and what a packet costs when more and more of them take turns."""


def draw(results, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig, (up, cost) = pyplot.subplots(1, 2, figsize=(14, 5))
    fig.suptitle(f"{results['gateways']} gateways x {results['proxy-ids']} proxy-IDs, {results['suite']}")
    if "bring up" in results:
        seconds, sas = zip(*results["bring up"]["curve"])
        up.plot(seconds, sas, marker=".")
    up.set(xlabel="seconds", ylabel="SA pairs that are up", title="set-up", ylim=(0, None))
    if "cost" in results:
        n, ns, _ = zip(*results["cost"]["curve"])
        cost.plot(n, ns, marker="o")
    cost.set(xlabel="SA pairs that take turns", ylabel="ns of CPU time a packet", title="the headend's worker", xscale="log",
             ylim=(0, None))
    for ax in (up, cost):
        ax.grid(True, alpha=0.3)
    fig.tight_layout()
    fig.savefig(path, dpi=100)
    pyplot.close(fig)
