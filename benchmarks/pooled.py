"""What the runs of several seeds answer, and how they compare with others, photo by photo."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecat.export.photos import RunPhotos
from edgecat.progress import Progress
from edgecat.scores.answers import Answers
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.metrics import Z95, Logits, softmax
from edgecat.train.finished import Checkpoint


def answer_split(
    checkpoint: Checkpoint, split: str, progress: Progress, data: Path | None = None
) -> Answers:
    """Return what a finished run's network answers to photos of its split.

    Args:
        checkpoint: Of the run.
        split: "val" or "test".
        progress: Told of each photo.
        data: Where its photos are, if not where it found them.
    """
    record = checkpoint.record
    photos = RunPhotos(checkpoint.split, data or Path(record.data), record.input, progress)
    return photos.answers(split, record.labels, [checkpoint.answer])


def compare_pooled(reference: Sequence[Answers], others: Sequence[Logits]) -> AccuracyChange:
    """Return how others answer the photos of all seeds, compared with the reference of each.

    Args:
        reference: Of each seed.
        others: To the same photos of each seed, float32 `[N, K]`.
    """
    return compare_accuracy(
        np.concatenate([one.logits[0] for one in reference]),
        np.concatenate(others),
        np.concatenate([one.targets for one in reference]),
    )


def describe_gain(change: AccuracyChange) -> dict[str, Any]:
    """Return a change as what is gained, percentage points, with its paired interval."""
    low, high = change.drop_interval_pp
    return {"gain_pp": 0.0 - change.drop_pp, "gain_interval_pp": [-high, -low]}  # not -0.0


def compare_losses(reference: Sequence[Answers], others: Sequence[Answers]) -> dict[str, Any]:
    """Return how right others answer validation photos of all seeds, and how sure they are of it.

    Args:
        reference: Of each seed.
        others: To the same photos of each seed.

    Returns:
        Top-1 and log-loss, nats, and what is gained of both, with its paired interval.
    """
    change = compare_pooled(reference, [one.logits[0] for one in others])
    loss = _log_losses_nats(others)
    gained = _log_losses_nats(reference) - loss
    mean, half = float(gained.mean()), Z95 * float(gained.std()) / math.sqrt(len(gained))
    return {
        "num_images": change.num_images,
        "val_top1_ratio": change.top1_ratio,
        **describe_gain(change),
        "log_loss_nats": float(loss.mean()),
        "log_loss_gain_nats": mean,
        "log_loss_gain_interval_nats": [mean - half, mean + half],
    }


def _log_losses_nats(answers: Sequence[Answers]) -> npt.NDArray[np.float64]:
    """Return the negative logarithm of the right class's probability, of each photo."""
    right = [softmax(one.logits[0])[np.arange(len(one.targets)), one.targets] for one in answers]
    return -np.log(np.concatenate(right))
