"""What each epoch measured: a row of numbers, which of the epochs is kept, and metrics.csv."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from edgecat import atomic
from edgecat.train.divergence import Row, is_lost


def is_kept(history: Sequence[Row], num_val: int) -> bool:
    """Return whether the last epoch is as good as the best, but for chance.

    Args:
        history: A row for each epoch.
        num_val: Validation photos.
    """
    return not is_lost(history[-1]) and (
        history[-1]["val_top1_ratio"] >= _least_good_ratio(history, num_val)
    )


def _least_good_ratio(history: Sequence[Row], num_images: int) -> float:
    """Return the validation top-1 from which an epoch counts as good as the best, 0-1.

    The best less one standard error: on some hundred photos the highest score of ten epochs is
    mostly luck, and of equals the latest is the best trained, at the lowest rate and with the
    longest average. Source: the one-standard-error rule, Breiman et al., "Classification and
    Regression Trees" (1984), section 3.4.3.
    """
    best = max(row["val_top1_ratio"] for row in history)
    return best - math.sqrt(best * (1 - best) / num_images)


def write_metrics(history: Sequence[Row], path: Path) -> None:
    """Write metrics.csv: a line an epoch; a number that an older edgecat did not measure is empty.

    Raises:
        StorageError: The disk is full.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, list(history[-1]), extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in history)
    atomic.write_text(path, text.getvalue())


def describe_duration(duration_s: float) -> str:
    """Return a duration as people read it: "45 s", "12 min", "1 h 30 min".

    Args:
        duration_s: In seconds, 0 or more.
    """
    minutes = round(duration_s / 60)
    if duration_s < 90:
        return f"{duration_s:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def describe_row(history: Sequence[Row], num_epochs: int, *, is_kept: bool) -> str:
    """Return the line that a run prints of its last epoch.

    Args:
        history: A row for each epoch.
        num_epochs: How many there will be, unless it stops early.
        is_kept: Whether the weights of this epoch are.
    """
    row = history[-1]
    notes = [f"{row['duration_s']:.0f} s"]
    if left := num_epochs - len(history):
        mean_s = sum(one["duration_s"] for one in history) / len(history)
        notes.append(f"{describe_duration(left * mean_s)} left")
    if row["num_skipped_steps"]:
        notes.append(f"{row['num_skipped_steps']} steps left out: loss or gradients not finite")
    if is_lost(row):
        notes.append("no better than one answer to all photos")
    return (
        f"epoch {row['epoch']}/{num_epochs}: loss {row['train_loss']:.3f}, validation top-1 "
        f"{100 * row['val_top1_ratio']:.1f} %, macro F1 {100 * row['val_macro_f1_ratio']:.1f} %"
        f"{' (kept)' if is_kept else ''}, {', '.join(notes)}"
    )
