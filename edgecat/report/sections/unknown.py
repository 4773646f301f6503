"""Photos of none of the classes: how well the model tells them."""

import numpy as np

from edgecat.report.answers import OodScores
from edgecat.report.facts import Facts
from edgecat.report.figures import draw, paint_histograms
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.wording import share
from edgecat.scores.metrics import wilson_interval


def build(facts: Facts) -> Section | Missing:
    """Return how the OOD scores of known photos, and of others, are spread."""
    ood = facts.answers.ood if facts.answers else None
    if ood is None or not len(ood.known):
        return Missing(
            "Known and other photos",
            "a bundle, --data DIR, and --others DIR with photos of none of the classes",
        )
    lead = (
        "The out-of-distribution score says how little a photo is like those of the known classes. "
        "Above the threshold the answer is 'unknown'."
    )
    return Section("unknown", "Known and other photos", lead, (_draw(ood),))


def _draw(ood: OodScores) -> Figure:
    groups = {"known": ood.known}
    if ood.others is not None and len(ood.others):
        groups["others"] = ood.others
    rows = tuple(
        (name, str(len(scores)), _share_above(scores, ood.threshold), _spread(scores))
        for name, scores in groups.items()
    )
    title = f"OOD scores by {ood.variant}"
    description = "; ".join(
        f"of {name} photos {row[2]} are called unknown"
        for name, row in zip(groups, rows, strict=True)
    )
    svg = draw(
        "unknown", title, f"{description}.", 3.4,
        lambda axes: paint_histograms(axes, groups, "OOD score", ood.threshold),
    )  # fmt: skip
    caption = f"Threshold {ood.threshold:.2f}"
    heads = ("Photos", "Number", "Called unknown", "Median score (5 to 95 %)")
    return Figure(title, svg, Table(caption, heads, rows), is_key=True)


def _share_above(scores: np.ndarray, threshold: float) -> str:
    num = int((scores > threshold).sum())
    return share(num / len(scores), wilson_interval(num, len(scores)))


def _spread(scores: np.ndarray) -> str:
    low, median, high = np.quantile(scores, (0.05, 0.5, 0.95))
    return f"{median:.2f} ({low:.2f} to {high:.2f})"
