"""Which photos set the ranges of an INT8 model."""

from collections import defaultdict

import numpy as np

from edgecat.errors import QuantizeError
from edgecat.photos.split import Split

#: Photos to calibrate with. Source: NNCF's default (`subset_size`); 256 is the least we promise.
NUM_CALIBRATION = 300


def choose_calibration(split: Split, seed: int) -> list[int]:
    """Return positions of training photos, as evenly over the classes as they allow.

    Args:
        split: Of the run; only its training photos are used.
        seed: Same seed, same photos.

    Returns:
        `NUM_CALIBRATION` of them, or all where there are fewer.

    Raises:
        QuantizeError: A class has no training photo.
    """
    of_label: dict[str, list[int]] = defaultdict(list)
    rng = np.random.default_rng(seed)
    train = split.indices("train")
    for position in rng.permutation(len(train)):
        of_label[split.photos[train[position]].label].append(train[position])
    missing = sorted(set(split.labels()) - set(of_label))
    if missing:
        raise QuantizeError(
            f"no training photo of {', '.join(missing)}: its range would be a guess; fine-tune "
            "with photos of every class"
        )
    chosen: list[int] = []
    for turn in range(max(map(len, of_label.values()))):
        chosen += [
            of_label[label][turn] for label in sorted(of_label) if turn < len(of_label[label])
        ]
    return sorted(chosen[:NUM_CALIBRATION])
