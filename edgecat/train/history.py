"""What each epoch measured: a row of numbers, which of the epochs is kept, and metrics.csv."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecat import atomic
from edgecat.errors import TrainError
from edgecat.progress import describe_duration
from edgecat.train.divergence import Row, is_lost
from edgecat.train.run import METRICS

#: A row for each epoch.
History = tuple[Row, ...]

# Columns that every edgecat wrote.
_ALWAYS = ("epoch", "train_loss", "val_loss", "val_top1_ratio")

# 10,000 epochs of 200 classes are 20 MB.
_MAX_BYTES = 32 * 2**20


def is_kept(history: Sequence[Row], num_val: int) -> bool:
    """Return whether the last epoch is as good as the best, but for chance.

    Args:
        history: A row for each epoch; one that is lost is never kept, nor one to compare with.
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
    # On unequal classes, answering the largest one to all scores high: no epoch has to reach that.
    best = max(row["val_top1_ratio"] for row in history if not is_lost(row))
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


def read_metrics(run: Path) -> History:
    """Read a run's metrics.csv; nothing where no epoch has ended yet.

    Raises:
        TrainError: It cannot be read, or is not what `write_metrics` wrote.
    """
    path = run / METRICS
    if not path.exists():
        return ()
    try:
        return tuple(map(_read_row, csv.DictReader(io.StringIO(_read_text(path)), strict=True)))
    except (OSError, ValueError, csv.Error) as error:
        raise TrainError(
            f"{path}: not the epochs of a run ({error}); a run that goes on writes it anew: "
            "edgecat finetune ... --resume"
        ) from error


def _read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        ValueError: It is larger than any such file, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES // 2**20} MiB")
    return data.decode()


def _read_row(texts: Mapping[str | None, str | None]) -> Row:
    """Return a line's numbers; what an older edgecat did not measure is left out.

    Raises:
        ValueError: A line that was cut off or has too many columns, a text, or the first columns
            are not there.
    """
    if None in texts or None in texts.values():
        raise ValueError("a line has more or fewer columns than the first")
    row = {str(name): float(text) for name, text in texts.items() if text}
    if missing := [name for name in _ALWAYS if name not in row]:
        raise ValueError(f"no {', '.join(missing)}")
    return row


def describe_row(history: Sequence[Row], num_epochs: int, *, is_kept: bool) -> str:
    """Return the line that a run prints of its last epoch.

    Args:
        history: A row for each epoch.
        num_epochs: How many there will be.
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
