"""Draws a roofline of the products that `cargo bench -p rgrad-bench --bench gemm -- --json FILE` timed.

A product of m×k by k×n must read and write at least mk + kn + mn numbers for its 2mkn operations. Their ratio, the
arithmetic intensity, determines whether memory or arithmetic is the limit: the slopes are the bandwidths of reading
arrays of several sizes, the roof is the peak of fused multiply-adds.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import harness
import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONTENDERS = [
    ("rgrad", {"marker": "o", "color": "#0072B2", "zorder": 3}),
    ("crate gemm", {"marker": "x", "color": "#E69F00"}),
    ("crate matrixmultiply", {"marker": "+", "color": "#009E73"}),
]
"""In the order of the bench's times."""
NAMED = [
    "NN 1x784x256", "NN 100x784x10", "NN 32x64x32", "NN 64x64x64", "NN 4096x64x64", "NN 100x784x100", "NN 256x256x256",
    "NN 512x512x512", "NN 1024x1024x1024", "NN 2048x2048x2048",
]  # fmt: skip
"""Products that are labelled with their sizes."""
LEAST = 10.0
"""GFLOP/s at which the axes start."""


def panel(axes: Axes, figures: dict[str, Any], threads: int) -> None:
    """Draws the products with one number of threads."""
    limits = {limit["name"]: limit["rate"] for limit in figures["limits"] if limit["threads"] == threads}
    peak = limits["f32 FMA"] / 1e9
    top = 2e-9 * max(limit["rate"] for limit in figures["limits"] if limit["name"] == "f32 FMA")
    cases = [c for c in figures["cases"] if c["threads"] == threads and c["name"].startswith("f32 ")]
    cases = [c for c in cases if c["count"] / c["seconds"][0] > 1e9 * LEAST]
    intensities = [c["count"] / c["bytes"] for c in cases]
    left, right = min(intensities) / 5, max(intensities) * 2
    axes.plot([left, right], [peak, peak], color="black", linewidth=1)
    axes.annotate(f"{peak:.0f} GFLOP/s", (right, peak), (-2, 3), textcoords="offset points", ha="right", fontsize=8)
    for name, rate in limits.items():
        if name.startswith("read, "):
            rate /= 1e9
            axes.plot([left, peak / rate], [left * rate, peak], color="#999999", linewidth=0.8)
            label = f"{rate:.0f} GB/s, {name.removeprefix('read, ').removesuffix(' a thread')}"
            x = max(1.1 * left, 3 * LEAST / rate)
            turn = {"rotation": 45, "rotation_mode": "anchor"}
            axes.annotate(label, (x, x * rate), (-2, 2), textcoords="offset points", fontsize=7, **turn)
    for i, (name, style) in enumerate(CONTENDERS):
        rates = [c["count"] / c["seconds"][i] / 1e9 for c in cases]
        axes.scatter(intensities, rates, s=20, linewidths=1, label=name, **style)
    for case, x in zip(cases, intensities, strict=True):
        layout, shape = case["name"].split()[1:]
        if f"{layout} {shape}" in NAMED:
            axes.annotate(shape, (x, LEAST * 1.15), rotation=90, ha="center", va="bottom", fontsize=7, color="#555555")
    axes.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(LEAST, top))
    # Decades of both axes have the same length, so that the slopes rise at 45 degrees.
    axes.set(aspect="equal", xlabel="FLOP per byte of operands and result", ylabel="GFLOP/s")


def main() -> None:
    """Reads the bench's results and draws them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", metavar="FILE", help="the bench's JSON file")
    parser.add_argument("picture", nargs="?", default="docs/roofline.png", help="default: docs/roofline.png")
    args = parser.parse_args()
    with open(args.figures, encoding="utf-8") as file:
        figures = json.load(file)
    counts = sorted({case["threads"] for case in figures["cases"]})
    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "legend.frameon": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(8, 0.3 + 4 * len(counts)), layout="constrained")
        panels = figure.subplots(len(counts), 1, squeeze=False)[:, 0]
        for axes, threads in zip(panels, counts, strict=True):
            panel(axes, figures, threads)
        panels[0].legend(loc="lower right", bbox_to_anchor=(1, 0.35), fontsize=8)
        figure.suptitle(f"float32 products on {harness.cpu_model()}, {figures['isa']}", fontsize=10)
        figure.savefig(args.picture, dpi=120)


if __name__ == "__main__":
    main()
