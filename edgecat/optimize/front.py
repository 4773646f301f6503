"""What a search found: accuracy against latency of networks, each in one variant or in several."""

import dataclasses
from collections.abc import Iterable, Iterator

from edgecat.export.maker import list_products
from edgecat.optimize.candidate import Candidate
from edgecat.optimize.savings import Saving, Savings
from edgecat.scores.compare import AccuracyChange
from edgecat.scores.front import find_front
from edgecat.scores.metrics import wilson_interval


@dataclasses.dataclass(frozen=True)
class Measured:
    """A network in a variant, as it was measured.

    Attributes:
        saving: Its time by that of the network that the search started from; None where that is
            another machine's.
        change: Its answers to the validation photos, against those of that network.
    """

    saving: Saving | None
    change: AccuracyChange


@dataclasses.dataclass(frozen=True)
class Row:
    """A network in a variant, as fast as it is and as good.

    Attributes:
        name: Of its run in the search's folder.
        variant: What was timed.
        edits: Of the network that the search started from.
        target_ratio: Time that it was to take, by the time of that network.
        latency_ratio: Time that it takes.
        latency_interval_ratio: Its 95 % interval; None where it is predicted from a table.
        top1_interval_ratio: 95 % interval of its validation top-1.
        change: Its answers to the validation photos, against those of that network.
        is_on_front: Whether no quicker row is as good.
        is_recommended: Whether it is the quickest whose drop, as measured, is within what is
            allowed, if any is quicker than before.
    """

    name: str
    variant: str
    edits: tuple[str, ...]
    target_ratio: float
    latency_ratio: float
    latency_interval_ratio: tuple[float, float] | None
    top1_interval_ratio: tuple[float, float]
    change: AccuracyChange
    is_on_front: bool = False
    is_recommended: bool = False


@dataclasses.dataclass(frozen=True)
class Front:
    """The networks of a search.

    Attributes:
        arch: The network that it started from.
        variant: What its time is of, with one thread.
        cpu: Where.
        latency_ms: Of that network in that variant.
        max_drop_pp: Most that validation top-1 may drop in the row that is recommended.
        rows: That network, and those that have learned, the quickest first.
    """

    arch: str
    variant: str
    cpu: str
    latency_ms: float
    max_drop_pp: float
    rows: tuple[Row, ...]

    @property
    def recommended(self) -> Row | None:
        """Return the row to take, if one is good enough."""
        return next((row for row in self.rows if row.is_recommended), None)

    @property
    def has_variants(self) -> bool:
        """Return whether networks were exported and measured in all their variants."""
        return any(row.variant != self.variant for row in self.rows)

    def title(self, row: Row) -> str:
        """Return what people call a row."""
        return f"{row.name} {row.variant}" if self.has_variants else row.name


def build_front(savings: Savings, rows: Iterable[Row], max_drop_pp: float) -> Front:
    """Return rows as a front, that of the network that the search started from among them.

    Args:
        savings: Of the search: says of what and where times are.
        rows: What was found.
        max_drop_pp: Most that validation top-1 may drop in the row that is recommended.
    """
    ordered = sorted(rows, key=lambda row: row.latency_ratio)
    best = find_front(ordered, lambda row: (row.latency_ratio, row.change.top1_ratio))
    within = [r for r in ordered if r.latency_ratio < 1 and r.change.is_within(max_drop_pp)]
    return Front(
        arch=savings.arch,
        variant=savings.variant,
        cpu=savings.cpu,
        latency_ms=savings.latency_ms,
        max_drop_pp=max_drop_pp,
        rows=tuple(
            dataclasses.replace(row, is_on_front=row in best, is_recommended=row in within[:1])
            for row in ordered
        ),
    )


def make_row(candidate: Candidate, variant: str, measured: Measured) -> Row:
    """Return a network in a variant as a row.

    Args:
        candidate: The network.
        variant: Of it.
        measured: What was measured of the two.
    """
    saving = measured.saving
    return Row(
        name=candidate.name,
        variant=variant,
        edits=candidate.edits,
        target_ratio=candidate.target_ratio,
        latency_ratio=candidate.predicted_ratio if saving is None else saving.ratio,
        latency_interval_ratio=None if saving is None else saving.interval_ratio,
        top1_interval_ratio=_find_interval(measured.change),
        change=measured.change,
    )


def _find_interval(change: AccuracyChange) -> tuple[float, float]:
    return wilson_interval(round(change.top1_ratio * change.num_images), change.num_images)


def describe_front(front: Front) -> list[str]:
    """Return the lines that a search ends with."""
    width = max(len(front.title(row)) for row in front.rows)
    return [
        f"{front.arch}, {front.variant}, 1 thread, {front.cpu}: {front.latency_ms:.2f} ms; "
        f"{front.rows[0].change.num_images} validation photos",
        "time by that of the network as it is, and top-1 (95 % intervals; * nothing quicker is as "
        "good):",
        *(
            f"{'*' if row.is_on_front else ' '} {front.title(row):{width}}  {_tell(row)}"
            for row in front.rows
        ),
        *_warn_of_rounding(front),
        *_conclude(front),
    ]


def _warn_of_rounding(front: Front) -> Iterator[str]:
    """Yield that a time is not that of the answers beside it, where nothing was exported."""
    exact = {one.variant.name for one in list_products() if one.precision.made == "exact"}
    if front.variant not in exact and not front.has_variants:
        yield f"top-1 is before {front.variant} rounds: --export measures what that loses"


def _tell(row: Row) -> str:
    change, low, high = row.change, *(100 * ratio for ratio in row.top1_interval_ratio)
    text = f"{row.latency_ratio:.2f}"
    if row.latency_interval_ratio is not None:
        text += " ({:.2f} to {:.2f})".format(*row.latency_interval_ratio)
    text += f", {100 * change.top1_ratio:.1f} % ({low:.1f} to {high:.1f})"
    if change.agreement_ratio == 1 and not row.edits:
        return text
    least, most = change.drop_interval_pp
    return (
        f"{text}, lost {change.drop_pp:.1f} pp ({least:.1f} to {most:.1f}), "
        f"{100 * change.agreement_ratio:.1f} % of answers as before: "
        f"{' '.join(row.edits) or 'no edits'}"
    )


def _conclude(front: Front) -> Iterator[str]:
    """Yield what was wanted and not reached, and what to take."""
    quickest = front.rows[0]
    for row in (row for row in front.rows if row.edits and row.variant == front.variant):
        low_ratio = (row.latency_interval_ratio or (row.latency_ratio,))[0]
        if low_ratio > row.target_ratio:
            yield (
                f"{row.name} was not reached; the quickest seen is {front.title(quickest)}: "
                f"{quickest.latency_ratio:.2f} times the time, top-1 "
                f"{100 * quickest.change.top1_ratio:.1f} %"
            )
    if (best := front.recommended) is not None:
        is_one = best.change.drop_pp > front.max_drop_pp
        yield (
            f"take {front.title(best)}: the quickest that lost at most "
            f"{'one photo' if is_one else f'{front.max_drop_pp:g} pp'}"
        )
    elif len(front.rows) > 1:
        yield (
            f"none that is quicker lost at most {front.max_drop_pp:g} pp: allow more with "
            "--max-drop, try less with --speedup, or let it learn longer with --epochs, in "
            "another --out"
        )
