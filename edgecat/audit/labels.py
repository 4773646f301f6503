"""Which labels are likely wrong: what a photo's features say that its label does not.

Each photo is judged by a linear classifier that has seen all others with their labels, but neither
it nor its near-duplicates. Ridge regression has an exact formula for that, so that nothing is drawn
by chance and nothing is fitted twice. Then confident learning: a label is in doubt where another
class is as likely as that class usually is to its own photos.
Source: Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning" (2009), 7.10;
Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70
(2021).
What it finds stands in benchmarks/results/*/audit_labels.json.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecat.scores.metrics import Indices, Logits, fit_temperature, softmax
from edgecat.scores.ood import Features

Probabilities = npt.NDArray[np.float64]

# Added to the variance of every direction, all of which together have as much as there are
# features: little to those that tell classes, much to the many that hardly vary.
_RIDGE = 1.0

# As likely as this is enough where classes are so easy to tell that all their photos are likelier.
_SURE_RATIO = 0.9

# A larger group is no few copies but a camera's whole day: its photos are judged one by one.
_MAX_GROUP = 64


def judge_labels(features: Features, targets: Indices, groups: Sequence[int]) -> Probabilities:
    """Return how likely each class is, judged by the other photos: float64 `[N, K]`, sums are 1.

    Args:
        features: float32 `[N, F]`.
        targets: int64 `[N]`, the labels, each of 0 to K - 1 at least twice.
        groups: Of each photo, as `edgecat.photos.split.group_photos` returns them.
    """
    scores = _leave_out_scores(features, targets, groups)
    return softmax(scores, fit_temperature(scores, targets))


def find_doubts(probabilities: Probabilities, targets: Indices) -> npt.NDArray[np.bool_]:
    """Return whether each label is in doubt: bool `[N]`.

    Args:
        probabilities: As `judge_labels` returns them.
        targets: int64 `[N]`, the labels.
    """
    own = probabilities[np.arange(len(targets)), targets]
    usual = np.bincount(targets, weights=own) / np.bincount(targets)
    usual = np.minimum(usual, _SURE_RATIO)
    confident = np.where(probabilities >= usual, probabilities, 0)
    return np.asarray((confident.max(axis=1) > 0) & (confident.argmax(axis=1) != targets))


def _leave_out_scores(features: Features, targets: Indices, groups: Sequence[int]) -> Logits:
    """Return what ridge regression answers to each photo without its group: float32 `[N, K]`."""
    num = len(features)
    spread = features.std(axis=0, dtype=np.float64)
    x = (features - features.mean(axis=0, dtype=np.float64)) / np.maximum(spread, 1e-9)
    y = np.eye(targets.max() + 1)[targets]
    variances, directions = np.linalg.eigh(x.T @ x / num)
    z = x @ (directions / np.sqrt(num * (np.maximum(variances, 0) + _RIDGE)))
    fitted = z @ (z.T @ (y - y.mean(axis=0))) + y.mean(axis=0)
    scores = np.empty_like(y)
    for own in _members(groups):
        influence = z[own] @ z[own].T + 1 / num  # 1 / num: of the mean
        rest = np.linalg.solve(np.eye(len(own)) - influence, y[own] - fitted[own])
        scores[own] = y[own] - rest
    return scores.astype(np.float32)


def _members(groups: Sequence[int]) -> list[list[int]]:
    """Return the positions that are left out together."""
    found = defaultdict(list)
    for position, group in enumerate(groups):
        found[group].append(position)
    whole = [own for own in found.values() if len(own) <= _MAX_GROUP]
    return whole + [[i] for own in found.values() if len(own) > _MAX_GROUP for i in own]
