"""Accuracy against latency: which variants nothing beats in both."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgecat.bench.report import Report, Row
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.score import Score
from edgecat.report.facts import Facts
from edgecat.report.figures import draw, series_style
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.svg import INKS
from edgecat.report.wording import share
from edgecat.runtime.device import CPU, name_on
from edgecat.scores.front import find_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAD = (
    "Each drawing is of one machine and of the same photos. Left is faster, up is better. A line "
    "joins the front: nothing faster is as good. "
    "Whiskers are 95 % intervals; where they overlap, few photos cannot tell which is better."
)


# Of the hash of the photos: enough to tell some from others.
_NUM_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class Point:
    """A variant in the plane.

    Attributes:
        bundle: Whose it is.
        variant: Its name, and the device if it is another one than the CPU.
        latency: In the figure's unit.
        top1_ratio: Share answered rightly, 0-1.
        interval_ratio: Its 95 % interval.
    """

    bundle: str
    variant: str
    latency: float
    top1_ratio: float
    interval_ratio: tuple[float, float]


def build(facts: Facts) -> Section | Missing:
    """Return a drawing for each machine and its photos, or of what the bundle's export measured."""
    bundle = facts.sources.bundle
    spec = bundle.spec if bundle is not None else None
    by_place = _by_place(facts.sources.results, spec)
    axis = "latency, ms (median)"
    if not by_place and spec is not None:
        by_place = _from_verdicts(spec)
        axis = f"latency by that of {spec.reference}"
    if not by_place:
        return Missing(
            "Accuracy against latency",
            "results: edgecat benchmark BUNDLE --data PHOTOS --json FILE; one for each bundle to "
            "compare",
        )
    figures = tuple(
        _draw(f"tradeoff-{number}", place, axis, points)
        for number, (place, points) in enumerate(by_place.items())
    )
    return Section("tradeoff", "Accuracy against latency", _LEAD, figures)


def _by_place(results: Iterable[Report], spec: ModelSpec | None) -> dict[str, list[Point]]:
    """Return the points of each machine and photos: those of others say nothing to each other."""
    found: dict[str, list[Point]] = {}
    for report in results:
        name = str(report.settings.get("bundle", "unnamed"))
        for row in report.rows:
            if (accuracy := _find_accuracy(report, row, spec)) is None:
                continue
            photos, top1_ratio, interval = accuracy
            machine = f"{report.host.get('cpu', 'unknown machine')}, threads: {row.threads}"
            called = name_on(row.variant, row.device)
            point = Point(name, called, row.latency_ms["p50"], top1_ratio, interval)
            found.setdefault(f"{machine}, {photos}", []).append(point)
    return found


def _find_accuracy(
    report: Report, row: Row, spec: ModelSpec | None
) -> tuple[str, float, tuple[float, float]] | None:
    """Return a row's photos, top-1 and interval; the bundle's, if it is of it and has none."""
    if row.top1_ratio is not None and row.top1_interval_ratio is not None:
        split = report.settings.get("split") or "labelled"
        digits = str(report.settings.get("photos_sha256") or "")[:_NUM_DIGITS]
        photos = f"{row.num_images} {split} photos {digits}".rstrip()
        return photos, row.top1_ratio, row.top1_interval_ratio
    score = _find_score(str(report.settings.get("bundle")), row, spec)
    if score is None:
        return None
    photos = f"{score.num_images} {score.split} photos at its export"
    return photos, score.top1_ratio, score.top1_interval_ratio


def _find_score(name: str, row: Row, spec: ModelSpec | None) -> Score | None:
    """Return the bundle's score of the variant that was measured; None if it is another's.

    It is of the CPU: nobody has measured what another device answers.
    """
    if spec is None or spec.name != name or row.device != CPU:
        return None
    for variant in spec.variants:
        if variant.name == row.variant and spec.size_bytes(variant) == row.size_bytes:
            return variant.score
    return None


def _from_verdicts(spec: ModelSpec) -> dict[str, list[Point]]:
    """Return the points of each target, as the bundle's export measured them."""
    found: dict[str, list[Point]] = {}
    for variant in spec.variants:
        verdict, score = variant.verdict, variant.score
        if verdict is not None and score is not None:
            point = Point(
                spec.name, variant.name, verdict.latency_ratio, score.top1_ratio,
                score.top1_interval_ratio,
            )  # fmt: skip
            found.setdefault(f"measured at its export on {verdict.measured_on}", []).append(point)
    return found


def _draw(name: str, where: str, axis: str, points: Sequence[Point]) -> Figure:
    front = find_front(points, lambda point: (point.latency, point.top1_ratio))
    bundles = list(dict.fromkeys(point.bundle for point in points))

    def paint(axes: "Axes") -> None:
        axes.plot(
            [point.latency for point in front], [100 * point.top1_ratio for point in front],
            color=INKS["soft"], linewidth=1.2, drawstyle="steps-post",
        )  # fmt: skip
        for number, bundle in enumerate(bundles):
            _paint_series(axes, points, bundle, number, label=bundle if len(bundles) > 1 else "")
        axes.set(xlabel=axis, ylabel="top-1 right, %")
        axes.margins(0.12)

    best = ", ".join(point.variant for point in front)
    svg = draw(name, f"Accuracy against latency, {where}", f"On the front: {best}.", 3.6, paint)
    rows = tuple(
        (
            f"{number}: {point.variant}", point.bundle, f"{point.latency:.2f}",
            share(point.top1_ratio, point.interval_ratio), "yes" if point in front else "no",
        )
        for number, point in enumerate(points, 1)
    )  # fmt: skip
    heads = ("Variant", "Bundle", axis.capitalize(), "Top-1", "On the front")
    return Figure(
        where, svg, Table(f"The numbers in the drawing, {where}", heads, rows), is_key=True
    )


def _paint_series(
    axes: "Axes", points: Sequence[Point], bundle: str, number: int, label: str
) -> None:
    style = series_style(number)
    for place, point in enumerate(points, 1):
        if point.bundle != bundle:
            continue
        x, y = point.latency, 100 * point.top1_ratio
        low, high = point.interval_ratio
        axes.plot([x, x], [100 * low, 100 * high], color=style["color"], linewidth=1.2)
        axes.plot(x, y, markersize=15, linestyle="", label=label or None, **style)
        axes.text(
            x, y, str(place), ha="center", va="center_baseline", fontsize=10, color=INKS["card"]
        )
        label = ""
