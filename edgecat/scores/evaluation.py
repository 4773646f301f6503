"""Accuracy on labelled photos, all in all and class by class."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgecat.scores import metrics
from edgecat.scores.class_score import ClassScore
from edgecat.scores.metrics import Indices, Logits


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `edgecat evaluate --json` prints.

    Attributes:
        variant: Which model answered.
        split: "test": the photos that the model never saw; "all": every photo of the folder.
        num_images: Photos answered.
        num_seen: How many of them the model was trained or tuned on.
        top1_ratio: Share answered rightly, 0-1.
        top1_interval_ratio: Its 95 % interval.
        macro_f1_ratio: Mean F1 of the classes that have photos, 0-1.
        per_class: By label, classes with photos only.
    """

    variant: str
    split: str
    num_images: int
    num_seen: int
    top1_ratio: float
    top1_interval_ratio: tuple[float, float]
    macro_f1_ratio: float
    per_class: dict[str, ClassScore]

    def describe(self) -> str:
        """Return what was measured of all classes, intervals first, in a line."""
        num_right = round(self.top1_ratio * self.num_images)
        return (
            f"top-1 {metrics.describe_top1(num_right, self.num_images)}, macro F1 "
            f"{100 * self.macro_f1_ratio:.1f} %"
        )

    def warn(self) -> str:
        """Return a warning of the classes whose photos are too few to mean much; else ""."""
        return metrics.describe_small_classes(
            {label: one.num_images for label, one in self.per_class.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


def describe_seen(num_seen: int) -> str:
    """Return what a score of photos is worth of which some had a say in the model; "" of none.

    Args:
        num_seen: How many of them the model was trained or tuned on.
    """
    if not num_seen:
        return ""
    return (
        f"the model was trained on {num_seen} of these photos, so this is no measure of what it "
        "does with new ones"
    )


def score(
    variant: str,
    split: str,
    labels: Sequence[str],
    targets: Indices,
    logits: Logits,
    num_seen: int = 0,
) -> Evaluation:
    """Turn answers into scores.

    Args:
        variant: For the record.
        split: For the record.
        labels: In the order of the logits.
        targets: int64 `[N]`.
        logits: float32 `[N, K]`.
        num_seen: For the record.
    """
    confusion = metrics.confusion_matrix(logits.argmax(axis=1), targets, len(labels))
    recall, precision = metrics.recall_and_precision(confusion)
    counts = confusion.sum(axis=1)
    return Evaluation(
        variant=variant,
        split=split,
        num_images=len(targets),
        num_seen=num_seen,
        top1_ratio=metrics.top1_ratio(logits, targets),
        top1_interval_ratio=metrics.wilson_interval(int(confusion.trace()), len(targets)),
        macro_f1_ratio=metrics.macro_f1_ratio(confusion),
        per_class={
            label: ClassScore(int(counts[i]), float(recall[i]), float(precision[i]))
            for i, label in enumerate(labels)
            if counts[i]
        },
    )
