"""The two pictures of a run: how it learned, and what it takes for what."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecat import atomic
from edgecat.scores.metrics import Indices
from edgecat.train.fonts import choose_fonts


def plot_curves(history: Sequence[Mapping[str, float]], best_epoch: int, path: Path) -> None:
    """Draw loss and validation scores over the epochs as a PNG.

    Args:
        history: Rows of metrics.csv.
        best_epoch: Marked.
        path: To write.

    Raises:
        StorageError: The disk is full.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, top1 = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    learned = "training (smoothed labels, or a teacher's answers)"
    losses.plot(epochs, [row["train_loss"] for row in history], label=learned)
    losses.plot(epochs, [row["val_loss"] for row in history], label="validation (labels)")
    losses.set(xlabel="epoch", title="Loss")
    losses.legend()
    ratios = [100 * row["val_top1_ratio"] for row in history]
    top1.plot(epochs, ratios, color="C1", label="top-1")
    # A run of an older edgecat, resumed, has epochs without it.
    f1 = [100 * row.get("val_macro_f1_ratio", math.nan) for row in history]
    top1.plot(epochs, f1, color="C2", linestyle="--", label="macro F1")
    top1.legend()
    top1.plot(best_epoch, ratios[epochs.index(best_epoch)], "o", color="C3")
    top1.annotate(
        f"kept: epoch {best_epoch}",
        (best_epoch, ratios[epochs.index(best_epoch)]),
        textcoords="offset points",
        xytext=(-8, -16),
        ha="right",
    )
    top1.set(xlabel="epoch", ylabel="%", title="Validation")
    for axes in (losses, top1):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def plot_confusion(confusion: Indices, labels: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix as a PNG; a row is a true class.

    Args:
        confusion: int64 `[K, K]`, as `edgecat.scores.metrics.confusion_matrix` returns it.
        labels: The classes.
        path: To write.

    Raises:
        StorageError: The disk is full.
    """
    from matplotlib.figure import Figure

    # Above about 30 classes names and counts are too small to read: the pattern is left.
    num, is_small = len(labels), len(labels) <= 30
    side_in = min(14.0, max(4.5, 2.2 + 0.42 * num))
    figure = Figure(figsize=(side_in, side_in), layout="constrained")
    axes = figure.subplots()
    shares = confusion / confusion.sum(axis=1, keepdims=True).clip(1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    drawn = choose_fonts(labels)
    axes.set(
        xlabel=f"answer{drawn.note}",
        ylabel="true class, its recall",
        title="Test photos: what is taken for what",
    )
    if is_small:
        # A label is text: "$" in it is no formula.
        style: dict[str, Any] = {"parse_math": False, "family": list(drawn.families)}
        axes.set_xticks(
            range(num), drawn.texts, rotation=45, ha="right", rotation_mode="anchor", **style
        )
        recalls = confusion.diagonal() / confusion.sum(axis=1).clip(1)
        rows = [
            f"{k}  {100 * recall:.0f} %" for k, recall in zip(drawn.texts, recalls, strict=True)
        ]
        axes.set_yticks(range(num), rows, **style)
        for row in range(num):
            for column in range(num):
                if count := confusion[row, column]:
                    colour = "white" if shares[row, column] > 0.5 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", color=colour)
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)  # type: ignore[attr-defined]
    atomic.write_file(path, lambda file: file.write(buffer.getbuffer()))
