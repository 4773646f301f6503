"""Recall and precision of each class."""

from edgecat.report.facts import Accuracy, Facts
from edgecat.report.parts import Bar, Missing, Section, Table
from edgecat.report.wording import share
from edgecat.scores.class_score import ClassScore
from edgecat.scores.metrics import wilson_interval


def build(facts: Facts) -> Section | Missing:
    """Return a bar for each class's recall and precision, the worst recall first."""
    accuracy = facts.model.accuracy if facts.model else None
    if accuracy is None or not accuracy.per_class:
        return Missing(
            "Classes", "a finished run or a bundle of this edgecat, or photos: --data DIR"
        )
    lead = (
        f"Of {accuracy.photos}. Recall: how many of a class's photos are called so; precision: how "
        "many of those that are called so are. Bars are 95 % intervals, the line what was measured."
    )
    return Section("classes", "Classes", lead, (_table(accuracy),))


def _table(accuracy: Accuracy) -> Table:
    ranked = sorted(accuracy.per_class.items(), key=lambda item: item[1].recall_ratio)
    rows = tuple(
        (label, str(one.num_images), _bar(one.recall_ratio, one.num_images), _precision(one))
        for label, one in ranked
    )
    return Table("Classes, the hardest first", ("Class", "Photos", "Recall", "Precision"), rows)


def _bar(ratio: float, num: int) -> Bar:
    low, high = wilson_interval(round(ratio * num), num)
    return Bar(share(ratio, (low, high)), low, ratio, high)


def _precision(one: ClassScore) -> Bar | str:
    """Return precision with the interval of as many answers as it must have been."""
    num_right = round(one.recall_ratio * one.num_images)
    if not num_right or not one.precision_ratio:
        return "0 right"
    return _bar(one.precision_ratio, round(num_right / one.precision_ratio))
