"""Every score that edgecat reports, each defined once. Pure functions of arrays."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgecat.scores.bounds import TEMPERATURES

Logits = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

#: Two-sided 95 %: the 97.5 % quantile of the normal distribution.
Z95 = 1.959963984540054

#: Photos of a class below which its recall says little: with 9 of 9 right, the 95 % interval still
#: begins at 70 %.
MIN_MEANINGFUL = 10

#: Of `bin_by_confidence`.
NUM_BINS = 15

# Classes that a warning names.
_MAX_NAMED = 8


def softmax(logits: Logits, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Return probabilities: float64 `[N, K]`, rows sum to 1.

    Args:
        logits: float32 `[N, K]`.
        temperature: Divides the logits; above 1 makes the model less sure.
    """
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def top1_ratio(logits: Logits, targets: Indices) -> float:
    """Return the share of rows whose largest logit is the target's, 0-1; of none, 0."""
    return float((logits.argmax(axis=1) == targets).mean()) if len(targets) else 0.0


def agreement_ratio(first: Logits, second: Logits) -> float:
    """Return the share of rows with the same largest logit in both, 0-1; of none, 1."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean()) if len(first) else 1.0


def divergence_nats(reference: Logits, other: Logits) -> float:
    """Return how far another model's probabilities are from a reference's; of no rows, 0.

    The mean over rows of the Kullback-Leibler divergence of the other from the reference, natural
    logarithm, 0 or more.
    Source: Kullback & Leibler, "On Information and Sufficiency", Ann. Math. Stat. 22 (1951).

    Args:
        reference: float32 `[N, K]`.
        other: float32 `[N, K]`, of the same photos.
    """
    if not len(reference):
        return 0.0
    logs = [np.log(np.maximum(softmax(logits), 1e-300)) for logits in (reference, other)]
    return float((np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1).mean())


def wilson_interval(num_right: int, num_images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, low and high, each 0-1; of none, (0, 1).

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927); it holds near 0 and 1 where the usual one does not.
    """
    if not num_images:
        return 0.0, 1.0
    share, z2 = num_right / num_images, Z95**2
    centre = (share + z2 / (2 * num_images)) / (1 + z2 / num_images)
    half = (
        Z95
        * math.sqrt(share * (1 - share) / num_images + z2 / (4 * num_images**2))
        / (1 + z2 / num_images)
    )
    return max(0.0, centre - half), min(1.0, centre + half)


def describe_top1(num_right: int, num_images: int) -> str:
    """Return a share of right answers as people should read it: the interval first.

    "100 %" of three photos sounds like certainty; "43.9 to 100.0 %" says what is known.
    """
    if not num_images:
        return "not measured: no photos"
    low, high = wilson_interval(num_right, num_images)
    return (
        f"{100 * low:.1f} to {100 * high:.1f} % (95 % interval; {num_right} of {num_images} photos "
        f"right, {100 * num_right / num_images:.1f} %)"
    )


def describe_small_classes(counts: Mapping[str, int]) -> str:
    """Return a warning of the classes whose recall means little, fewest photos first; else "".

    Args:
        counts: Photos that were answered, by label; 0 where there were none.
    """
    small = sorted((num, label) for label, num in counts.items() if num < MIN_MEANINGFUL)
    named = ", ".join(f"{label} ({num})" for num, label in small[:_MAX_NAMED])
    more = f" and {len(small) - _MAX_NAMED} more" if len(small) > _MAX_NAMED else ""
    return (
        f"CAREFUL: fewer than {MIN_MEANINGFUL} photos of {named}{more}: what is measured of such "
        "a class means little"
        if small
        else ""
    )


def confusion_matrix(predicted: Indices, targets: Indices, num_classes: int) -> Indices:
    """Return counts: int64 `[K, K]`, rows are the true class, columns the predicted one."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (targets, predicted), 1)
    return matrix


def recall_and_precision(
    confusion: Indices,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return recall and precision of each class: float64 `[K]` each, 0-1, 0 where undefined.

    Args:
        confusion: As `confusion_matrix` returns it.
    """
    right = confusion.diagonal().astype(np.float64)
    recall = right / np.maximum(confusion.sum(axis=1), 1)
    precision = right / np.maximum(confusion.sum(axis=0), 1)
    return recall, precision


def macro_f1_ratio(confusion: Indices) -> float:
    """Return the mean F1 of the classes that have photos, 0-1.

    Args:
        confusion: As `confusion_matrix` returns it.
    """
    recall, precision = recall_and_precision(confusion)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
    present = confusion.sum(axis=1) > 0
    return float(f1[present].mean()) if present.any() else 0.0


def adjusted_recall_ratio(confusion: Indices) -> float:
    """Return how far the classes' mean recall is on its way from guessing, 0, to perfect, 1.

    One answer to all photos has 0, however unequal the classes are; worse than that is negative.
    Source: Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", ICPR 2010.

    Args:
        confusion: As `confusion_matrix` returns it; of fewer than two classes with photos, 1.
    """
    present = confusion.sum(axis=1) > 0
    num_classes = int(present.sum())
    if num_classes < 2:
        return 1.0
    recall, _ = recall_and_precision(confusion)
    return float((recall[present].mean() - 1 / num_classes) / (1 - 1 / num_classes))


def paired_interval_pp(num_lost: int, num_gained: int, num_images: int) -> tuple[float, float]:
    """Return the 95 % interval of the top-1 that a model loses against a reference.

    What both have right or wrong does not widen it. Few photos without a loss prove little: 0 of
    60 are -4.5 to +4.5 points. Source: Bonett & Price, "Adjusted Wald Confidence Interval for a
    Difference of Binomial Proportions Based on Paired Data", J. Educ. Behav. Stat. 37 (2012).

    Args:
        num_lost: Photos that only the reference has right.
        num_gained: Photos that only the other model has right.
        num_images: All.

    Returns:
        Low and high, percentage points; negative is a gain.
    """
    num = num_images + 2
    lost, gained = (num_lost + 1) / num, (num_gained + 1) / num
    drop = lost - gained
    half = Z95 * math.sqrt((lost + gained - drop**2) / num)
    return 100 * max(-1.0, drop - half), 100 * min(1.0, drop + half)


def mcnemar_p(num_lost: int, num_gained: int) -> float:
    """Return how likely an imbalance as large as this is by chance, 0-1; exact, two-sided.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947); the exact form is a sign test of the discordant pairs.

    Args:
        num_lost: Photos that only the reference has right.
        num_gained: Photos that only the other model has right.
    """
    num = num_lost + num_gained
    fewer = range(min(num_lost, num_gained) + 1)
    return min(1.0, float(2 * sum(math.comb(num, count) for count in fewer) / 2**num))


def bin_by_confidence(logits: Logits, targets: Indices) -> npt.NDArray[np.float64]:
    """Sort photos into 15 equal bins of their answer's probability, from 0 to 1.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (15 bins).

    Returns:
        float64 `[3, 15]`: of each bin the photos, the sum of their answers' probabilities, and how
        many are right.
    """
    confidence = softmax(logits).max(axis=1)
    is_right = logits.argmax(axis=1) == targets
    bins = np.minimum((confidence * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    weights = (np.ones(len(targets)), confidence, is_right)
    return np.stack([np.bincount(bins, weights=each, minlength=NUM_BINS) for each in weights])


def calibration_error_ratio(logits: Logits, targets: Indices) -> float:
    """Return how far confidence and accuracy are apart on average, 0-1; of none, 0.

    The gaps between the mean probability and the share of right answers in each bin of
    `bin_by_confidence` are averaged, weighted by the photos in a bin.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    if not len(targets):
        return 0.0
    _, confidence, num_right = bin_by_confidence(logits, targets)
    return float(np.abs(num_right - confidence).sum() / len(targets))


def fit_temperature(logits: Logits, targets: Indices) -> float:
    """Return the temperature with which a model is as sure as it is right; of none, 1.

    It minimizes the mean negative log-likelihood, which has one minimum, by golden sections over
    the temperature's logarithm, within `TEMPERATURES`.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        logits: float32 `[N, K]`, of photos that the model was not trained on.
        targets: int64 `[N]`.
    """
    if not len(targets):
        return 1.0

    def loss(exponent: float) -> float:
        likely = softmax(logits, math.exp(exponent))[np.arange(len(targets)), targets]
        return float(-np.log(np.maximum(likely, 1e-300)).mean())

    low, high = map(math.log, TEMPERATURES)
    shrink = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - shrink * (high - low), low + shrink * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def count_flips(reference: Logits, other: Logits, targets: Indices) -> Indices:
    """Return, by true class, how many answers only the reference, and only the other, has right.

    Returns:
        int64 `[K, 2]`: answers lost, answers gained.
    """
    was_right, is_right = (logits.argmax(axis=1) == targets for logits in (reference, other))
    flips = np.zeros((reference.shape[1], 2), np.int64)
    np.add.at(flips[:, 0], targets[was_right & ~is_right], 1)
    np.add.at(flips[:, 1], targets[is_right & ~was_right], 1)
    return flips
