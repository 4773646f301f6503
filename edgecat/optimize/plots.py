"""The picture of a search: accuracy against latency."""

import io
from pathlib import Path

from edgecat import atomic
from edgecat.optimize.front import Front


def plot_front(front: Front, path: Path) -> None:
    """Draw networks as an SVG: left is quicker, up is better.

    Args:
        front: What a search found.
        path: To write.

    Raises:
        StorageError: The disk is full.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    ratios = [row.latency_ratio for row in front.rows]
    middle = (min(ratios) + max(ratios)) / 2
    for row in front.rows:
        x, y = row.latency_ratio, 100 * row.change.top1_ratio
        colour, marker = ("C3", "D") if row.is_recommended else ("C0", "o")
        axes.plot(x, y, marker, color=colour)
        if row.is_on_front or not front.has_variants:  # there may be dozens of others
            low, high = (100 * ratio for ratio in row.top1_interval_ratio)
            axes.plot([x, x], [low, high], color=colour, linewidth=1)
            side, shift = ("left", 5) if x <= middle else ("right", -5)  # names stay within
            axes.annotate(
                front.title(row), (x, y), xytext=(shift, 5), textcoords="offset points", ha=side
            )
    best = [row for row in front.rows if row.is_on_front]
    axes.plot(
        [row.latency_ratio for row in best],
        [100 * row.change.top1_ratio for row in best],
        color="grey",
        linewidth=1,
        drawstyle="steps-post",
        zorder=0,
    )
    axes.set(
        xlabel=f"time by that of {front.arch} ({front.variant}, 1 thread)",
        ylabel="validation top-1, % (95 % intervals)",
        title="Line: nothing quicker is as good. Diamond: recommended.",
    )
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
    axes.margins(0.08)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    # Words stay words, and the same front makes the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "edgecat"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    atomic.write_file(path, lambda file: file.write(buffer.getbuffer()))
