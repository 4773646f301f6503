"""The search for an INT8 recipe: what was tried, what each try lost."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.report.facts import Facts
from edgecat.report.figures import draw
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.svg import INKS
from edgecat.report.wording import points, share
from edgecat.strict import build as build_strictly

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# A first try may lose 80 points and the last ones differ by half of one: both can be seen on an
# axis that is linear up to here and logarithmic beyond.
_LINEAR_PP = 2
_TICKS_PP = (-50, -10, -5, -2, 0, 2, 5, 10, 50, 100)


@dataclasses.dataclass(frozen=True)
class _Recipe:
    title: str


@dataclasses.dataclass(frozen=True)
class _Change:
    num_images: int
    agreement_ratio: float
    drop_pp: float
    drop_interval_pp: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class _Step:
    recipe: _Recipe
    change: _Change
    latency_ratio: float
    duration_s: float


@dataclasses.dataclass(frozen=True)
class _Search:
    chosen: str
    steps: tuple[_Step, ...]


def build(facts: Facts) -> Section | Missing:
    """Return a drawing and a table for each variant that was searched for."""
    bundle = facts.sources.bundle
    figures = [*_draw_all(bundle)] if bundle is not None else []
    if not figures:
        return Missing("Search for INT8", "a bundle with INT8: edgecat export RUN --out B --int8")
    lead = (
        "Recipes from cheap to dear, compared with float on the validation photos; test photos had "
        "no say. The first that surely keeps to the budget ends the search: what it loses does, to "
        "the end of its own interval, whatever else it gains; or it loses no photo. Where none "
        "does, the one within the budget that changes the fewest answers is taken."
    )
    return Section("search", "Search for INT8", lead, tuple(figures))


def _draw_all(bundle: Bundle) -> Iterator[Figure]:
    searches = bundle.spec.provenance.get("search") or {}
    where = f"{bundle.name}: provenance: search"
    if not isinstance(searches, dict):
        raise BundleError(f"{where}: not named values; export the bundle again")
    for number, (variant, values) in enumerate(searches.items()):
        yield _draw(f"search-{number}", variant, _read(values, where))


def _read(values: Any, where: str) -> _Search:
    """Return a search as the provenance, which is free in form, tells it."""
    return build_strictly(_Search, values, where, BundleError, pass_unknown=True)


def _draw(name: str, variant: str, search: _Search) -> Figure:
    steps = search.steps

    def paint(axes: "Axes") -> None:
        for place, step in enumerate(reversed(steps)):
            is_chosen = step.recipe.title == search.chosen
            ink = INKS["s1" if is_chosen else "s2"]
            axes.plot(step.change.drop_interval_pp, [place, place], color=ink, linewidth=2)
            axes.plot(
                step.change.drop_pp, place, "D" if is_chosen else "o", color=ink, markersize=8
            )
        numbers = [str(number) for number in range(len(steps), 0, -1)]
        axes.set_yticks(range(len(steps)), numbers)
        axes.set_ylim(-0.6, len(steps) - 0.4)
        axes.set_xscale("symlog", linthresh=_LINEAR_PP)
        low, high = axes.get_xlim()
        ticks = [tick for tick in _TICKS_PP if low <= tick <= high]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.axvline(0, color=INKS["soft"], linewidth=1)
        axes.set(xlabel="top-1 lost on validation photos, pp", ylabel="step")

    title = f"{variant}: {search.chosen}"
    description = f"{len(steps)} recipes were tried; taken was: {search.chosen}."
    svg = draw(name, title, description, 1 + 0.36 * len(steps), paint)
    rows = tuple(_cells(number, step, search.chosen) for number, step in enumerate(steps, 1))
    heads = ("Step", "Top-1 lost", "Same answer", "Latency by float's", "Took", "Taken")
    return Figure(title, svg, Table(f"{variant}, step by step", heads, rows), is_key=True)


def _cells(number: int, step: _Step, chosen: str) -> tuple[str, ...]:
    change = step.change
    return (
        f"{number}: {step.recipe.title}",
        points(change.drop_pp, change.drop_interval_pp),
        share(change.agreement_ratio),
        f"{step.latency_ratio:.2f}x",
        f"{step.duration_s:.0f} s",
        "yes" if step.recipe.title == chosen else "no",
    )
