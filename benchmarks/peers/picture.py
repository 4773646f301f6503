"""Draw README's picture: edgecat's variants, and what others make of the same weights.

python -m benchmarks.readme_table

The plane of accuracy and latency, in the drawing and the colours of `edgecat report`, from the raw
result of the race. `tests/peers/test_picture.py` fails where the two differ.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader

from benchmarks.peers.verdict import OURS
from benchmarks.results import list_results
from edgecat.report.figures import draw, series_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = Path(__file__).parent / "front.svg"

_HEIGHT_IN = 3.9

# Who has fewer right has lost what the weights know.
_LOST_PERCENT = 50

# Points that are nearer to each other than this share one place for their names.
_NEAR = math.log(1.2)

_TICKS = (0.6, 0.8, 1, 1.5, 2, 3)


class _Point(NamedTuple):
    """A photo's time with one thread by that of the reference, top-1 in percent, and whose."""

    ratio: float
    percent: float
    name: str


def render_picture(result: dict[str, Any], source: str) -> str:
    """Return a file that stands alone: SVG, light or dark as its reader has it.

    Args:
        result: Of the race.
        source: SHA-256 of its file.
    """
    points = sorted(_place(row) for row in result["rows"] if "missing" not in row)
    ours = [point for point in points if f"{point.name}/" == OURS]
    peers = [point for point in points if f"{point.name}/" != OURS]
    told = f"{_tell_fastest(ours)}. {_tell_lost(peers)}."
    paint = partial(_paint, ours=ours, peers=peers)
    svg = draw("front", "Accuracy against latency", told, _HEIGHT_IN, paint)
    templates = Environment(loader=PackageLoader("edgecat.report"), autoescape=False)
    style = templates.get_template("colours.css").render()
    beginning, rest = str(svg).split(">", 1)
    card = '<rect width="100%" height="100%" rx="12" class="fill-card"/>'
    return (
        f'{beginning} data-source="{source}" font-family="system-ui, sans-serif">'
        f"<style>{style}</style>{card}{rest}\n"
    )


def _place(row: dict[str, Any]) -> _Point:
    ratio = row["threads"]["1"].get("ratio", 1.0)  # the reference has none
    return _Point(ratio, 100 * row["top1_ratio"], row["name"].partition("/")[0])


def _tell_fastest(ours: Sequence[_Point]) -> str:
    return f"{ours[0].name}: {ours[0].ratio:.2f}x, {ours[0].percent:.1f} %"


def _tell_lost(peers: Sequence[_Point]) -> str:
    lost = [peer.percent for peer in peers if peer.percent < _LOST_PERCENT]
    return f"{len(lost)} of {len(peers)} others keep {min(lost):.0f} to {max(lost):.0f} %"


def _paint(axes: "Axes", ours: Sequence[_Point], peers: Sequence[_Point]) -> None:
    series = {"edgecat": ours, "others' defaults, same weights": peers}
    for number, (label, points) in enumerate(series.items()):
        ratios, percents, _ = zip(*points, strict=True)
        style = series_style(number) | {"markersize": 8, "alpha": 0.75, "zorder": 3 - number}
        axes.plot(ratios, percents, linestyle="", label=label, **style)
    for group in _group([peer for peer in peers if peer.percent >= _LOST_PERCENT]):
        _name(axes, group, min(point.percent for point in group) - 4, "top")
    for group in _group([peer for peer in peers if peer.percent < _LOST_PERCENT]):
        _name(axes, group, max(point.percent for point in group) + 4, "bottom")
    axes.text(ours[0].ratio, ours[0].percent + 6, _tell_fastest(ours), fontsize=11)
    # With room for the names of the first and the last.
    first, last = 0.88 * min(*ours, *peers).ratio, 1.33 * max(*ours, *peers).ratio
    axes.text(last, _LOST_PERCENT, _tell_lost(peers), ha="right", fontsize=11)
    axes.set(
        xscale="log", ylim=(0, 108), ylabel="top-1 right, %",
        xlabel="time a photo, by that of ONNX Runtime's default",
    )  # fmt: skip
    axes.set_xticks(_TICKS, [f"{tick:g}x" for tick in _TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlim(first, last)


def _group(points: Sequence[_Point]) -> Iterator[list[_Point]]:
    """Yield points from the fastest on, those that are near to each other together."""
    logs = np.log([point.ratio for point in points])
    cuts = np.flatnonzero(np.diff(logs) > _NEAR) + 1
    for first, last in zip([0, *cuts], [*cuts, len(points)], strict=True):
        yield list(points[first:last])


def _name(axes: "Axes", group: Sequence[_Point], percent: float, side: str) -> None:
    """Write whose a group of points is."""
    middle = math.exp(np.log([point.ratio for point in group]).mean())
    names = "\n".join(dict.fromkeys(point.name for point in group))
    axes.text(middle, percent, names, ha="center", va=side, fontsize=10)


def hash_result(path: Path) -> str:
    """Return what a picture says of the result that it was drawn from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_picture() -> None:
    """Draw the picture of the first host's race."""
    path = list_results("peers")[0]
    FILE.write_text(render_picture(json.loads(path.read_text()), hash_result(path)))
