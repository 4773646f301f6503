"""Which training photos an epoch sees, and how often, where some classes have many more."""

from collections.abc import Mapping

import numpy as np

from edgecat.photos.folder import are_unequal
from edgecat.scores.metrics import Indices


def describe_unequal(counts: Mapping[str, int], balance_ratio: float) -> str:
    """Return the line that a run prints of unequal classes.

    Args:
        counts: Training photos of each class.
        balance_ratio: The recipe's.
    """
    least, most = min(counts, key=lambda c: counts[c]), max(counts, key=lambda c: counts[c])
    how = (
        "photos of small classes are seen more often (--set balance_ratio=0 sees each photo once)"
        if balance_ratio
        else "each photo is seen once an epoch, since balance_ratio is 0"
    )
    return (
        f"classes are unequal: {counts[least]} training photos of {least!r}, {counts[most]} of "
        f"{most!r} (1:{counts[most] / counts[least]:.1f}); {how}; more photos of small classes "
        "help most"
    )


def draw_photos(targets: Indices, balance_ratio: float, rng: np.random.Generator) -> Indices:
    """Return the photos of an epoch, in no order: as many as there are, small classes repeated.

    A class of n photos is drawn in proportion to n^(1 - balance_ratio): 0 leaves the classes as
    they are, 1 makes them equal, 0.5 is the square root (Mahajan et al., "Exploring the Limits of
    Weakly Supervised Pretraining", 2018, section 2.2). No photo of a class is seen once more than
    another before that one is seen.

    Args:
        targets: int64 `[N]`: the class of each training photo.
        balance_ratio: 0-1.
        rng: The only source of chance; not used where each photo is drawn once.

    Returns:
        int64 `[N]`: positions in `targets`.
    """
    classes, nums = np.unique(targets, return_counts=True)
    if not balance_ratio or not are_unequal(nums.tolist()):
        return np.arange(len(targets))
    shares = nums ** (1 - balance_ratio)
    # The cumulated shares are rounded, not the shares: so their sum is N.
    ends = np.rint(len(targets) * np.cumsum(shares) / shares.sum()).astype(np.int64)
    return np.concatenate(
        [
            _draw_of_class(np.flatnonzero(targets == one), num, rng)
            for one, num in zip(classes, np.diff(ends, prepend=0), strict=True)
        ]
    )


def _draw_of_class(positions: Indices, num: int, rng: np.random.Generator) -> Indices:
    """Return `num` of a class's photos: all of them as often as they fit in, then a random rest."""
    rounds, rest = divmod(num, len(positions))
    return np.concatenate([np.tile(positions, rounds), rng.permutation(positions)[:rest]])
