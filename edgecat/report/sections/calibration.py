"""Is the model as sure as it is right?"""

from typing import TYPE_CHECKING

import numpy as np

from edgecat.report.answers import Answers
from edgecat.report.facts import Facts
from edgecat.report.figures import draw, series_style
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.svg import INKS
from edgecat.report.wording import share
from edgecat.scores.metrics import (
    MIN_MEANINGFUL,
    NUM_BINS,
    bin_by_confidence,
    calibration_error_ratio,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def build(facts: Facts) -> Section | Missing:
    """Return the reliability diagram of every model that answered."""
    if facts.answers is None:
        return Missing("Reliability", "photos: --data DIR, with a bundle or a finished run")
    lead = (
        "Photos are sorted by how sure the answer is; a model that is as sure as it is right keeps "
        "to the diagonal. Below it, it is too sure. Dots of "
        f"fewer than {MIN_MEANINGFUL} photos are small and stand alone: they say little."
    )
    return Section("reliability", "Reliability", lead, (_draw(facts.answers),))


def _draw(answers: Answers) -> Figure:
    errors = {
        model.name: calibration_error_ratio(model.logits, answers.targets)
        for model in answers.models
    }

    def paint(axes: "Axes") -> None:
        axes.plot([0, 100], [0, 100], color=INKS["soft"], linestyle=":", linewidth=1.2)
        for number, model in enumerate(answers.models):
            num, confidence, right = bin_by_confidence(model.logits, answers.targets)
            x, y = (100 * each / np.maximum(num, 1) for each in (confidence, right))
            some, many = num > 0, num >= MIN_MEANINGFUL
            style = series_style(number)
            axes.plot(x[many], y[many], color=style["color"], linewidth=1)
            sizes = 14 + 120 * num / num.max()
            axes.scatter(x[some], y[some], sizes[some], label=model.name, **style)
        axes.set(xlabel="how sure, %", ylabel="right, %", xlim=(0, 103), ylim=(-3, 103))

    told = ", ".join(f"{name} {share(error)}" for name, error in errors.items())
    title = "How sure, and how often right"
    svg = draw("reliability", title, f"Mean gap (calibration error): {told}.", 3.9, paint)
    caption = f"How often answers are right, by how sure they are. Mean gap: {told}"
    return Figure(title, svg, Table(caption, *_list_bins(answers)), is_key=True)


def _list_bins(answers: Answers) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the heads and the rows of the table behind the drawing."""
    binned = [bin_by_confidence(model.logits, answers.targets) for model in answers.models]
    rows = []
    for place in np.flatnonzero(sum(num for num, _, _ in binned)):
        cells = [
            f"{share(right[place] / num[place])} of {num[place]:.0f}" if num[place] else "-"
            for num, _, right in binned
        ]
        low, high = 100 * place / NUM_BINS, 100 * (place + 1) / NUM_BINS
        rows.append((f"{low:.0f} to {high:.0f} %", *cells))
    return ("How sure", *(model.name for model in answers.models)), tuple(rows)
