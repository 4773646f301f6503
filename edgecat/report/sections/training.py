"""How the network learned."""

import math

from edgecat.progress import describe_count, describe_duration
from edgecat.report.facts import Facts
from edgecat.report.figures import draw, paint_lines
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.sources import Run

# Columns of metrics.csv and what they are called here.
_LOSSES = {"train_loss": "training", "val_loss": "validation"}
_SCORES = {"val_top1_ratio": "top-1", "val_macro_f1_ratio": "macro F1"}


def build(facts: Facts) -> Section | Missing:
    """Return the curves of loss and validation scores."""
    run = facts.sources.run
    if run is None or not run.history:
        return Missing("Training", "a run: the folder that edgecat finetune wrote")
    outcome = run.record.outcome
    lead = f"{describe_count(len(run.history), 'epoch')} on {run.record.device}."
    if outcome is not None:
        lead += (
            f" The weights of epoch {outcome.best_epoch} were kept, chosen on the validation "
            f"photos; {describe_duration(outcome.duration_s)} in all."
        )
    lead += " The training loss is of smoothed labels, or a teacher's answers, on cropped photos."
    figures = (
        _draw(run, "loss", "Loss", _LOSSES, "cross-entropy", 1),
        _draw(run, "scores", "Validation", _SCORES, "%", 100),
    )
    return Section("training", "Training", lead, figures)


def _draw(
    run: Run, name: str, title: str, columns: dict[str, str], unit: str, factor: int
) -> Figure:
    epochs = [row["epoch"] for row in run.history]
    lines = {
        called: [factor * row.get(column, math.nan) for row in run.history]
        for column, called in columns.items()
    }
    ends = ", ".join(
        f"{called} {heights[0]:.2f} to {heights[-1]:.2f}" for called, heights in lines.items()
    )
    svg = draw(
        f"training-{name}", title, f"From the first to the last epoch: {ends} {unit}.", 3.2,
        lambda axes: paint_lines(axes, epochs, lines, ("epoch", unit)),
    )  # fmt: skip
    rows = tuple(
        (f"{epoch:.0f}", *(f"{heights[i]:.3f}" for heights in lines.values()))
        for i, epoch in enumerate(epochs)
    )
    return Figure(title, svg, Table(f"{title}, {unit}", ("Epoch", *lines), rows))
