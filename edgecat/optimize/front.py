"""What a search found: accuracy against latency of the networks that have learned on."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgecat.export.photos import RunPhotos
from edgecat.optimize.candidate import Candidate
from edgecat.optimize.plan import SearchPlan
from edgecat.progress import Silent
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.front import find_front
from edgecat.scores.metrics import Indices, Logits, wilson_interval
from edgecat.train.finished import Checkpoint, load_checkpoint

#: The network that the search started from, among those that it made.
PARENT = "as it is"


@dataclasses.dataclass(frozen=True)
class Row:
    """A network, as fast as it is and as good.

    Attributes:
        name: Of its run in the search's folder.
        edits: Of the network that the search started from.
        target_ratio: Time that it was to take, by the time of that network.
        latency_ratio: Time that it takes.
        latency_interval_ratio: Its 95 % interval; None where it is predicted from a table.
        top1_interval_ratio: 95 % interval of its validation top-1.
        change: Its answers to the validation photos, against those of that network.
        is_on_front: Whether no other network is both quicker and better.
    """

    name: str
    edits: tuple[str, ...]
    target_ratio: float
    latency_ratio: float
    latency_interval_ratio: tuple[float, ...] | None
    top1_interval_ratio: tuple[float, ...]
    change: AccuracyChange
    is_on_front: bool = False


@dataclasses.dataclass(frozen=True)
class Front:
    """The networks of a search.

    Attributes:
        arch: The network that it started from.
        variant: What was timed, with one thread.
        cpu: Where.
        latency_ms: Of that network.
        max_drop_pp: Most that validation top-1 may drop in the one that is recommended.
        recommended: Its name: the quickest whose drop, as measured, is within that.
        rows: That network, and those that have learned, the quickest first.
    """

    arch: str
    variant: str
    cpu: str
    latency_ms: float
    max_drop_pp: float
    recommended: str | None
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Judge:
    """Asks networks what the validation photos show.

    Attributes:
        parent: The run that the search started from.
        data: Where its photos are.
        logits: What its network answers: float32 `[N, K]`.
        targets: int64 `[N]`: the classes of the photos.
    """

    parent: Checkpoint
    data: Path
    logits: Logits
    targets: Indices

    def compare(self, run: Path) -> AccuracyChange:
        """Return how a network that has learned answers, against that which it was made of.

        Raises:
            TrainError: The run is none, or has not finished.
            DatasetError: The photos are not what they were.
        """
        logits, _ = _ask(load_checkpoint(run), self.data)
        return compare_accuracy(self.logits, logits, self.targets)


def open_judge(parent: Checkpoint, data: Path | None) -> Judge:
    """Ask the network that a search starts from.

    Args:
        parent: Its run.
        data: Where that run's photos are, if not where it found them.

    Raises:
        DatasetError: They are not what they were.
    """
    data = data or Path(parent.record.data)
    return Judge(parent, data, *_ask(parent, data))


def _ask(checkpoint: Checkpoint, data: Path) -> tuple[Logits, Indices]:
    photos = RunPhotos(checkpoint.split, data, checkpoint.network.input, Silent())
    answers = photos.answers("val", checkpoint.record.labels, [checkpoint.answer])
    return answers.logits[0], answers.targets


def build_front(
    plan: SearchPlan, judge: Judge, changes: Mapping[str, AccuracyChange], max_drop_pp: float
) -> Front:
    """Return what is known of the networks that have learned.

    Args:
        plan: Of the search.
        judge: That asked them.
        changes: What it found, by network.
        max_drop_pp: Most that validation top-1 may drop in the one that is recommended.
    """
    same = compare_accuracy(judge.logits, judge.logits, judge.targets)
    rows = [_make_row(one, changes[one.name]) for one in plan.candidates if one.name in changes]
    within = [row for row in rows if row.change.is_within(max_drop_pp)]
    best = min(within, key=lambda row: row.latency_ratio, default=None)
    rows.append(Row(PARENT, (), 1.0, 1.0, None, _find_interval(same), same))
    front = find_front(rows, lambda row: (row.latency_ratio, row.change.top1_ratio))
    return Front(
        arch=plan.savings.arch,
        variant=plan.savings.variant,
        cpu=plan.savings.cpu,
        latency_ms=plan.savings.latency_ms,
        max_drop_pp=max_drop_pp,
        recommended=None if best is None else best.name,
        rows=tuple(
            dataclasses.replace(row, is_on_front=row in front)
            for row in sorted(rows, key=lambda row: row.latency_ratio)
        ),
    )


def _make_row(candidate: Candidate, change: AccuracyChange) -> Row:
    saving = candidate.saving
    return Row(
        name=candidate.name,
        edits=candidate.edits,
        target_ratio=candidate.target_ratio,
        latency_ratio=candidate.ratio,
        latency_interval_ratio=None if saving is None else saving.interval_ratio,
        top1_interval_ratio=_find_interval(change),
        change=change,
    )


def _find_interval(change: AccuracyChange) -> tuple[float, float]:
    return wilson_interval(round(change.top1_ratio * change.num_images), change.num_images)


def describe_front(front: Front) -> list[str]:
    """Return the lines that a search ends with."""
    width = max(len(row.name) for row in front.rows)
    return [
        f"{front.arch}, {front.variant}, 1 thread, {front.cpu}: {front.latency_ms:.2f} ms; "
        f"{front.rows[0].change.num_images} validation photos",
        "time by that of the network as it is, and top-1 (95 % intervals; * nothing else is both "
        "quicker and better):",
        *(
            f"{'*' if row.is_on_front else ' '} {row.name:{width}}  {_tell(row)}"
            for row in front.rows
        ),
        *_conclude(front),
    ]


def _tell(row: Row) -> str:
    change, low, high = row.change, *(100 * ratio for ratio in row.top1_interval_ratio)
    text = f"{row.latency_ratio:.2f}"
    if row.latency_interval_ratio is not None:
        text += " ({:.2f} to {:.2f})".format(*row.latency_interval_ratio)
    text += f", {100 * change.top1_ratio:.1f} % ({low:.1f} to {high:.1f})"
    if not row.edits:
        return text
    least, most = change.drop_interval_pp
    return (
        f"{text}, lost {change.drop_pp:.1f} pp ({least:.1f} to {most:.1f}), "
        f"{100 * change.agreement_ratio:.1f} % of answers as before: {' '.join(row.edits)}"
    )


def _conclude(front: Front) -> Iterator[str]:
    """Yield what was wanted and not reached, and what to take."""
    quickest = front.rows[0]
    for row in front.rows:
        low = (
            row.latency_ratio
            if row.latency_interval_ratio is None
            else row.latency_interval_ratio[0]
        )
        if low > row.target_ratio:
            yield (
                f"{row.name} was not reached; the quickest seen is {quickest.name}: "
                f"{quickest.latency_ratio:.2f} times the time, top-1 "
                f"{100 * quickest.change.top1_ratio:.1f} %"
            )
    if front.recommended is not None:
        yield f"take {front.recommended}: the quickest that lost at most {front.max_drop_pp:g} pp"
    elif len(front.rows) > 1:
        yield (
            f"none lost at most {front.max_drop_pp:g} pp: allow more with --max-drop, try less "
            "with --speedup, or let it learn longer with --epochs, in another --out"
        )
