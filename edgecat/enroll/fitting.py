"""The unit of a new class, and what its own photos tell of how good it is."""

import dataclasses
from collections import Counter

from edgecat.errors import DatasetError
from edgecat.scores.head import Layer
from edgecat.scores.metrics import Logits
from edgecat.scores.new_class import Known, count_found_when_left_out, fit_class
from edgecat.scores.ood import Features

# Below this share of its own photos a class is not told from the old ones. If all that it claims of
# new photos is of one breed, that is 2 of some 24 (see `MAX_CLAIMED_RATIO`): then two of ten photos
# of that breed would be found in a fifth of the cases, none or one in the others. Of the hardest
# breeds tried, three of ten are (benchmarks/results/*/enroll.json).
_MIN_FOUND_RATIO = 0.2

# What a new class should reach; below it, a person is warned.
_GOOD_FOUND_RATIO = 0.8


@dataclasses.dataclass(frozen=True)
class Material:
    """What a unit is fitted to.

    Attributes:
        old: Photos of the old classes to learn from.
        held_out: Others of them, which decide how much the new class may claim.
        features: float32 `[N, F]`, of photos of the new class.
        logits: float32 `[N, K]`, what the old classes' units say of them.
        labels: The old classes.
    """

    old: Known
    held_out: Known
    features: Features
    logits: Logits
    labels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Unit:
    """The unit of a new class.

    Attributes:
        layer: Its weights, one row, reading the features.
        num_found: Of its photos, those found by a unit that was fitted without them.
        num_claimed: Held-out photos that lose a right answer to it.
        num_held_out: How many held-out photos there are, whatever is answered to them.
        nearest: The old class that most of the new photos were answered with before.
    """

    layer: Layer
    num_found: int
    num_claimed: int
    num_held_out: int
    nearest: str

    def warn(self, num_photos: int) -> str:
        """Return a warning where it finds few of its own photos; else "".

        Args:
            num_photos: How many they are.
        """
        if self.num_found >= _GOOD_FOUND_RATIO * num_photos:
            return ""
        return (
            f"CAREFUL: it is hard to tell from {self.nearest!r}, and many of its photos will be "
            "called that; give more photos, or fine-tune with photos of all classes"
        )


def fit_unit(material: Material, label: str) -> Unit:
    """Fit the unit of a new class, and refuse one that is not told from the old classes.

    Raises:
        DatasetError: Few of its own photos are found when they are left out.
    """
    parts = material.old, material.held_out, material.features, material.logits
    fitted, num_found = fit_class(*parts), count_found_when_left_out(*parts)
    num_photos = len(material.features)
    place, num_nearest = Counter(material.logits.argmax(axis=1).tolist()).most_common(1)[0]
    nearest = material.labels[place]
    if num_found < _MIN_FOUND_RATIO * num_photos:
        raise DatasetError(
            f"{label!r}: of its {num_photos} photos only {num_found} are found when they are left "
            f"out in turn; {num_nearest} of them are {nearest!r} to this model. If they do show "
            "another class, give more photos, or fine-tune: 'edgecat finetune'"
        )
    return Unit(fitted.unit, num_found, fitted.num_claimed, fitted.num_held_out, nearest)
