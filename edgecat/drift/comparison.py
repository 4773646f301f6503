"""Photos of late and those that a bundle was trained on, side by side."""

import dataclasses
import datetime
from collections import Counter
from typing import Any

import numpy as np

from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.reference import Answered
from edgecat.drift.results import Results
from edgecat.photos.labels import UNKNOWN
from edgecat.progress import describe_count
from edgecat.scores.drift import ALPHA, compare_scores, compare_shares, count_photos_to_notice
from edgecat.scores.ood import choose_threshold

#: What must be noticed: one photo in so many shows none of the known classes.
STRANGE_RATIO = 0.1


@dataclasses.dataclass(frozen=True)
class Drift:
    """What `edgecat drift --json` prints.

    Attributes:
        bundle: Its name.
        variant: Which of its variants answered.
        num_photos: Answers that were compared.
        num_reference: Photos that they were compared with.
        since: When the first of them was answered; None where no line says.
        until: The last.
        scores_p: How likely OOD scores differ so much by chance, 0-1.
        shares_p: The same of the shares of classes.
        strange_ratio: Share of the photos beyond the score that 95 % of the reference keep.
        reference_strange_ratio: The same of the reference.
        share_ratios: By answer, "unknown" among them, the share of the photos and of the reference.
        num_to_notice: From how many photos it is noticed, four times in five, that a tenth of them
            show none of the classes; None where no number is enough for so small a reference.
        left_out: Why other lines did not count, and how many.
    """

    bundle: str
    variant: str
    num_photos: int
    num_reference: int
    since: datetime.datetime | None
    until: datetime.datetime | None
    scores_p: float
    shares_p: float
    strange_ratio: float
    reference_strange_ratio: float
    share_ratios: dict[str, tuple[float, float]]
    num_to_notice: int | None
    left_out: dict[str, int]

    @property
    def is_stranger(self) -> bool:
        """Return whether more photos lie far from the known classes than of the reference."""
        return self.scores_p < ALPHA and self.strange_ratio > self.reference_strange_ratio

    def describe(self) -> list[str]:
        """Return the lines that people read."""
        span = (
            f", {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"
            if self.since and self.until
            else ""
        )
        left = [f"not compared: {num} {why}" for why, num in self.left_out.items()]
        scores = "differ" if self.scores_p < ALPHA else "no difference found"
        shares = "differ" if self.shares_p < ALPHA else "no difference found"
        most = sorted(self.share_ratios.items(), key=lambda item: item[1][1] - item[1][0])
        return [
            f"{self.bundle}, {self.variant}: {describe_count(self.num_photos, 'photo')}{span}; "
            f"compared with {self.num_reference} of the training",
            *left,
            f"OOD scores: {scores} (p {self.scores_p:.4f}); {100 * self.strange_ratio:.0f} % lie "
            f"far from the known classes, of the training "
            f"{100 * self.reference_strange_ratio:.0f} %",
            f"classes: {shares} (p {self.shares_p:.4f}); now (at the training): "
            + ", ".join(
                f"{label} {100 * now:.0f} % ({100 * then:.0f} %)" for label, (now, then) in most[:3]
            ),
            self._describe_power(),
        ]

    def _describe_power(self) -> str:
        if self.num_to_notice is None:
            return (
                f"{self.num_reference} photos of the training are too few to notice one stranger "
                f"in {1 / STRANGE_RATIO:.0f}, however many photos come"
            )
        few = "; these are too few" if self.num_photos < self.num_to_notice else ""
        return (
            f"from {self.num_to_notice} photos on it would be noticed if one in "
            f"{1 / STRANGE_RATIO:.0f} showed none of the classes (four times in five){few}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values = dataclasses.asdict(self) | {"is_stranger": self.is_stranger}
        for name in ("since", "until"):
            values[name] = values[name] and values[name].isoformat()
        return values


def compare(spec: ModelSpec, reference: Answered, results: Results) -> Drift:
    """Compare answers with a bundle's reference.

    Args:
        spec: Of the bundle.
        reference: What the variant answered to photos like those of the training.
        results: What it answered of late.
    """
    scores = np.array([result.ood_score for result in results.found])
    expected = np.array(reference.ood_scores)
    limit = choose_threshold(expected)
    answers = Counter(result.answer for result in results.found)
    names = sorted({*spec.labels, UNKNOWN, *answers, *reference.num_answers})
    counts = [np.array([num[name] for name in names]) for num in (_all(reference), answers)]
    before, now = (np.repeat(np.arange(len(names)), count) for count in counts)
    shares = [count / count.sum() for count in counts]
    times = [result.time for result in results.found if result.time is not None]
    return Drift(
        bundle=spec.name,
        variant=results.variant,
        num_photos=len(scores),
        num_reference=len(expected),
        since=min(times, default=None),
        until=max(times, default=None),
        scores_p=compare_scores(expected, scores),
        shares_p=compare_shares(before, now),
        strange_ratio=float((scores > limit).mean()),
        reference_strange_ratio=float((expected > limit).mean()),
        share_ratios={
            name: (float(shares[1][i]), float(shares[0][i])) for i, name in enumerate(names)
        },
        num_to_notice=count_photos_to_notice(len(expected), STRANGE_RATIO),
        left_out=dict(results.left_out),
    )


def _all(reference: Answered) -> Counter[str]:
    return Counter(reference.num_answers)
