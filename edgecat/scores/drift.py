"""Do two samples come from one distribution? Permutation tests, and from how many photos they tell.

Both tests ask how often a random division of all photos into two samples of the same sizes differs
as much as the real one: that share is p. Nothing is assumed of the distributions, and ties and
small samples do no harm.

For scores there are two statistics, each with half of the error allowed (Bonferroni):
Anderson-Darling looks at the whole distribution and notices that all photos are others; its
quadratic upper-tail form looks at the end where strangers are and notices that a few are. For
classes it is Pearson's chi-square. What is noticed stands in benchmarks/results/*/drift.json.
Source: Scholz, Stephens, "K-Sample Anderson-Darling Tests", JASA 82 (1987); Chernobai, Rachev,
Fabozzi, "Composite Goodness-of-Fit Tests for Left-Truncated Loss Samples" (2005).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgecat.scores.metrics import Indices

Sample = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: p below which photos count as other ones: of weeks like the reference, one in a hundred.
ALPHA = 0.01

# Random divisions: the least p is 1 in so many and one, well below `ALPHA`.
_NUM_DIVISIONS = 1999

# Numbers of photos that are tried, and how: 200 weeks each tell 80 % from 70 %.
_SIZES = (25, 50, 100, 200, 400, 800, 1600, 3200)
_NUM_WEEKS, _POWER_RATIO = 200, 0.8

# All chance is drawn from this seed: the same input, the same p.
_SEED = 0


def compare_scores(reference: Sample, recent: Sample) -> float:
    """Return how likely two samples of scores differ by chance as much as they do: p, 0-1.

    Args:
        reference: float64 `[M]`.
        recent: float64 `[N]`.
    """
    pooled = np.concatenate([reference, recent])
    _, order = np.unique(pooled, return_inverse=True)
    is_last = np.append(np.diff(np.sort(order)) > 0, True)  # ties are passed in one step
    is_recent = np.zeros(len(pooled), bool)
    is_recent[len(reference) :] = True
    sorted_recent = is_recent[np.argsort(order, kind="stable")]

    def measure(place: int) -> Callable[[Mask], float]:
        return lambda recent: float(_measure_gaps(recent, is_last)[place])

    p = [_permute(sorted_recent, measure(place)) for place in range(2)]
    return min(1.0, 2 * min(p))


def compare_shares(reference: Indices, recent: Indices) -> float:
    """Return how likely the shares of classes differ by chance as much as they do: p, 0-1.

    Args:
        reference: int64 `[M]`, the class of each photo.
        recent: int64 `[N]`.
    """
    pooled = np.concatenate([reference, recent])
    num_of = np.bincount(pooled)
    is_recent = np.arange(len(pooled)) >= len(reference)
    share = len(recent) / len(pooled)
    expected = np.maximum(num_of * share, 1e-12)

    def chi_square(is_recent: Mask) -> float:
        found = np.bincount(pooled[is_recent], minlength=len(num_of))
        return float((np.square(found - expected) / expected).sum())

    return _permute(is_recent, chi_square)


def count_photos_to_notice(num_reference: int, strange_ratio: float) -> int | None:
    """Return from how many photos strangers among them are noticed, four weeks in five.

    A stranger's score is taken to lie above those of all known photos. Then the distribution of the
    scores does not matter, but for its order: uniform numbers do as well.

    Args:
        num_reference: Scores in the reference.
        strange_ratio: Share of strangers, 0-1.

    Returns:
        The first of a few sizes that is enough; None where even the largest is not.
    """
    rng = np.random.default_rng(_SEED)
    for num_recent in _SIZES:
        is_last = np.ones(num_reference + num_recent, bool)
        is_recent = np.arange(len(is_last)) < num_recent
        chance = [_measure_gaps(rng.permutation(is_recent), is_last) for _ in range(_NUM_DIVISIONS)]
        limits = np.quantile(chance, 1 - ALPHA / 2, axis=0)
        noticed = 0
        for _ in range(_NUM_WEEKS):
            recent = rng.random(num_recent) + (rng.random(num_recent) < strange_ratio)
            order = np.argsort(np.concatenate([recent, rng.random(num_reference)]))
            noticed += int((_measure_gaps(is_recent[order], is_last) > limits).any())
        if noticed >= _POWER_RATIO * _NUM_WEEKS:
            return num_recent
    return None


def _permute(is_recent: Mask, measure: Callable[[Mask], float]) -> float:
    """Return how often a random division differs as much as the real one: p, 0-1."""
    rng, real = np.random.default_rng(_SEED), measure(is_recent)
    # As large as by rounding counts as large.
    as_large = sum(
        measure(rng.permutation(is_recent)) >= real - 1e-9 * abs(real)
        for _ in range(_NUM_DIVISIONS)
    )
    return (1 + as_large) / (1 + _NUM_DIVISIONS)


def _measure_gaps(is_recent: Mask, is_last: Mask) -> Sample:
    """Return how far two samples are apart, but for factors that permutations do not change.

    Args:
        is_recent: bool `[M + N]`, of which sample each photo is, in the order of the scores.
        is_last: bool `[M + N]`, whether the next score is larger.

    Returns:
        float64 `[2]`: over the whole distribution, and at its upper end.
    """
    num = len(is_recent)
    seen = np.arange(1, num + 1)[is_last][:-1]  # at the last one both have seen all
    recent = np.cumsum(is_recent)[is_last][:-1]
    squares = np.square((num * recent - seen * np.count_nonzero(is_recent)).astype(np.float64))
    above = (num - seen).astype(np.float64)
    return np.array([(squares / (seen * above)).sum(), (squares / above**2).sum()])
