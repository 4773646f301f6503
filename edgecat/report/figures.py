"""The drawings of a page. Each is narrow enough for a phone; its letters are the page's."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from edgecat.report.svg import INKS, embed_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours and shapes of series, in turn.
_SERIES = tuple(colour for name, colour in INKS.items() if name.startswith("s") and name != "soft")
_MARKERS = "osD^vP"

# Of a histogram: some hundred photos fill as many.
_NUM_BARS = 30

# A phone's width less margins, in points: a letter of 12 points is one of 11 pixels there.
_WIDTH_IN = 360 / 72

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # words stay words: in the page's font, found by searches
    "svg.hashsalt": "edgecat",  # the same drawing, the same file
    "text.parse_math": False,  # "$" in a name is no formula
    "font.size": 12,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INKS["ink"],
    "axes.labelcolor": INKS["soft"],
    "axes.edgecolor": INKS["line"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": INKS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": INKS["line"],
    "ytick.color": INKS["line"],
    "xtick.labelcolor": INKS["soft"],
    "ytick.labelcolor": INKS["soft"],
    "legend.frameon": False,
    "legend.fontsize": 11,
}


def series_style(number: int) -> dict[str, Any]:
    """Return how the points of a series are drawn."""
    turn = number % len(_SERIES)
    return {"color": _SERIES[turn], "marker": _MARKERS[turn]}


def draw(
    name: str, title: str, description: str, height_in: float, paint: "Callable[[Axes], object]"
) -> Markup:
    """Return a drawing as SVG for a page.

    Args:
        name: Of the drawing within the page.
        title: What it shows.
        description: What there is to see, for who cannot.
        height_in: In inches; it is five wide.
        paint: Draws on the axes that it is given, in colours of `INKS`.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    file = io.StringIO()
    # Matplotlib looks for the letters of names in its own font, which is not the one they get.
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        axes = figure.subplots()
        paint(axes)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=2)
        figure.savefig(file, format="svg", metadata={"Date": None})
    return embed_svg(file.getvalue(), name, title, description)


def paint_lines(
    axes: "Axes", x: Sequence[float], lines: Mapping[str, Sequence[float]], labels: tuple[str, str]
) -> None:
    """Draw lines over a common x.

    Args:
        axes: To draw on.
        x: Places.
        lines: Heights there, by name; NaN where there is none.
        labels: Of x and y.
    """
    for number, (name, heights) in enumerate(lines.items()):
        dashes = ("-", "--", ":")[number % 3]
        axes.plot(x, heights, dashes, color=_SERIES[number], label=name, linewidth=1.8)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.locator_params(axis="x", integer=True)


def paint_histograms(
    axes: "Axes", values: Mapping[str, npt.NDArray[np.float64]], label: str, threshold: float
) -> None:
    """Draw how values are spread, each in shares of its own, and a threshold.

    Args:
        axes: To draw on.
        values: By name.
        label: Of the values.
        threshold: Drawn as an upright line.
    """
    joined = np.concatenate([*values.values(), [threshold]])
    bins = np.linspace(joined.min(), joined.max(), _NUM_BARS + 1).tolist()
    for number, (name, found) in enumerate(values.items()):
        axes.hist(
            found, bins, weights=np.full(len(found), 100 / len(found)), label=name, alpha=0.45,
            facecolor=_SERIES[number], edgecolor=_SERIES[number], hatch=("", "///")[number % 2],
        )  # fmt: skip
    axes.axvline(threshold, color=INKS["ink"], linestyle="--", label="threshold")
    axes.set(xlabel=label, ylabel="% of photos")
    axes.locator_params(axis="y", nbins=5)
